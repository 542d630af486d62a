//! How columns are encoded, as data: for a program that does it without this one, such as an ONNX graph.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Schema, TimeUnit};

use super::cycle::Cycle;
use super::map::Curve;
use super::number_arrays::units_per_second;
use super::rebuild::InputColumn;
use super::vector::VectorElement;
use super::watch::WatchedColumn;
use super::{Kind, Scaling, Time, Watched, parse_type};

/// How a column's values become elements of the row vector. Classes and groups count from 0.
pub(crate) enum Recipe<'a> {
    /// One element: the value after its curve, scaled; missing unless it is finite as an f32.
    Number {
        /// The curve.
        curve: Option<&'a Curve>,
        /// The scaling.
        scaling: Scaling,
        /// The scaled ends of the range at fit, between which a given number is kept.
        range: [f32; 2],
    },
    /// One element, 0 or 1.
    Flag,
    /// One element, the class of the word.
    Category {
        /// The class of each word.
        classes: &'a HashMap<String, usize>,
        /// The class of every other word, and whether such a word was certainly not seen at fit; `None` if words are hashed.
        other: Option<(usize, bool)>,
    },
    /// One element, the number of the group; that of a group not seen at fit is missing.
    Group {
        /// The names, in the order of their numbers.
        names: &'a [String],
    },
    /// The elapsed time, scaled, and √2 sine and √2 cosine of each cycle.
    Time {
        /// The time zone, in which cycles are; UTC if absent.
        zone: Option<&'a str>,
        /// Its offset from UTC in seconds; `None` if that changes.
        offset: Option<f64>,
        /// The scaling of seconds since 1970.
        elapsed: Scaling,
        /// The cycles.
        cycles: &'a [Cycle],
    },
    /// √2 sine and √2 cosine of the angle.
    TimeOfDay,
    /// One scaled element for each number that is learned; missing unless it is finite as an f32.
    Vector {
        /// The length of the list.
        length: usize,
        /// The index of each learned number, and its scaling.
        learned: Vec<(usize, Scaling)>,
    },
}

impl Kind {
    /// How its values become elements.
    pub(crate) fn recipe(&self) -> Recipe<'_> {
        match self {
            Self::Number(number) => {
                Recipe::Number { curve: number.map.as_ref(), scaling: number.scaling, range: number.range() }
            }
            Self::Flag(_) => Recipe::Flag,
            Self::Category(category) => {
                let others = category.stored.others.as_ref();
                let other = others.map(|others| (category.stored.words.len(), others.complete));
                Recipe::Category { classes: &category.classes, other }
            }
            Self::Group(group) => Recipe::Group { names: &group.stored.names },
            Self::Time(time) => {
                let zone = time.zone.as_deref();
                Recipe::Time { zone, offset: time.fixed_offset(), elapsed: time.elapsed, cycles: &time.cycles }
            }
            Self::TimeOfDay(_) => Recipe::TimeOfDay,
            Self::Vector(vector) => {
                let learned = |(at, number): (usize, &VectorElement)| match number {
                    VectorElement::Learned(scaling) => Some((at, *scaling)),
                    VectorElement::Constant(_) => None,
                };
                let learned = vector.numbers.iter().enumerate().filter_map(learned).collect();
                Recipe::Vector { length: vector.numbers.len(), learned }
            }
        }
    }

    /// The type of its values at fit, as they were read, without the encoding as a dictionary; `None` if Arrow cannot parse it.
    pub(crate) fn type_at_fit(&self) -> Option<DataType> {
        parse_type::parse(self.data_type()).ok().map(plain)
    }
}

impl Time {
    /// The offset of its time zone from UTC in seconds; `None` if that changes, as that of a named zone may.
    fn fixed_offset(&self) -> Option<f64> {
        let names = ["UTC", "Etc/UTC", "GMT", "Etc/GMT", "Z"];
        let is_fixed = |zone: &str| zone.starts_with(['+', '-']) || names.contains(&zone);
        self.zone.as_deref().is_none_or(is_fixed).then(|| self.clock().local(0.0))
    }
}

/// The type of the values of a dictionary; any other as it is.
fn plain(data_type: DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain(*values),
        data_type => data_type,
    }
}

/// How many of a type's units make a second; `None` if it counts no time.
pub(crate) fn ticks_per_second(data_type: &DataType) -> Option<f64> {
    match data_type {
        DataType::Date32 => Some(1.0 / super::cycle::DAY),
        DataType::Date64 => Some(units_per_second(TimeUnit::Millisecond)),
        DataType::Timestamp(unit, _) | DataType::Duration(unit) | DataType::Time32(unit) | DataType::Time64(unit) => {
            Some(units_per_second(*unit))
        }
        _ => None,
    }
}

/// A column that was constant at fit.
pub(crate) struct WatchedRecipe {
    /// Its name.
    pub(crate) name: String,
    /// Its type at fit.
    pub(crate) data_type: DataType,
    /// Its value, as text; `None` if every one was missing.
    pub(crate) constant: Option<String>,
    /// Missing values at fit.
    pub(crate) missing: u64,
    /// The surprise of another value, in nats.
    pub(crate) surprise: f64,
}

/// The watched columns of a table with these columns.
pub(crate) fn watched_recipes(watched: &[Watched], columns: &[InputColumn]) -> Vec<WatchedRecipe> {
    let fields = columns.iter().filter_map(|column| column.field());
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let recipe = |column: WatchedColumn| {
        let data_type = plain(column.column.data_type(&schema)?.clone());
        let surprise = column.nats();
        let Watched { name, constant, missing, .. } = column.watched;
        Some(WatchedRecipe { name, data_type, constant, missing, surprise })
    };
    WatchedColumn::of(watched, &schema).into_iter().filter_map(recipe).collect()
}
