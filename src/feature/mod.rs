//! Encoding of columns into the row vector: one file per kind of column.
//!
//! To add a kind: write its file with a [`Survey`] and an `impl Feature`, and add its line to the list below.
//!
//! **Invariant:** this module uses Arrow and never the tensor library.

#![forbid(unsafe_code)]

mod base_model;
mod batch_mark;
mod calendar;
mod candidates;
mod carry_reasons;
mod category;
mod column;
mod cycle;
mod directions;
mod distinct;
mod encoding;
mod epoch;
mod exact;
mod features;
mod flag;
mod given;
mod group;
mod group_norms;
mod layout;
mod local_clock;
mod logical_type;
mod map;
mod missing;
mod monotonicity;
mod name_hint;
mod number;
mod number_arrays;
mod one_way;
mod one_way_in_groups;
mod ordered_pairs;
mod ordered_values;
mod parse_type;
mod precision;
mod rebuild;
mod recipe;
mod rescale;
mod row_sample;
mod scalar;
mod scaling;
mod selections;
mod statistics;
mod strata;
mod strings;
mod survey;
#[cfg(test)]
mod tests;
mod text_form;
mod time;
mod time_of_day;
mod time_part;
mod unread_form;
mod value_issues;
mod vector;
mod watch;
mod windows;
mod word_counts;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

pub(crate) use self::base_model::{conflicting_option, still_constant, unlearned_columns, with_missing_counts};
pub use self::candidates::Carried;
pub(crate) use self::candidates::{Candidate, Candidates, candidates, fit_features};
pub use self::category::Category;
pub use self::column::Column;
pub(crate) use self::column::{COLUMNS_PER_BLOCK, split_columns, top_columns};
pub(crate) use self::cycle::Cycle;
pub(crate) use self::directions::directions;
pub(crate) use self::encoding::{Feature, FeatureCells};
pub(crate) use self::features::Features;

pub use self::flag::Flag;
pub(crate) use self::given::{GivenElement, GivenLayout, GivenRows};
pub use self::group::Group;
pub(crate) use self::group_norms::{GroupMoments, GroupNorms};
pub(crate) use self::layout::{Layout, Likelihood, LikelihoodGroup, Shape};
pub(crate) use self::logical_type::BadValue;
pub(crate) use self::map::Curve;
pub(crate) use self::missing::{constant, fill, missing_values};
pub use self::number::Number;
pub use self::ordered_pairs::OrderedPair;
pub(crate) use self::ordered_pairs::{OrderCheck, candidate_pairs};
pub(crate) use self::ordered_values::OrderedValues;
pub(crate) use self::rebuild::ColumnRebuilder;
pub use self::rebuild::{ColumnType, InputColumn};
pub(crate) use self::recipe::{Recipe, WatchedRecipe, ticks_per_second, watched_recipes};
pub(crate) use self::rescale::{rescale, rescale_candidates};
pub(crate) use self::scaling::Scaler;
pub(crate) use self::scaling::Scaling;
pub(crate) use self::selections::not_given;
pub(crate) use self::strata::Strata;
pub(crate) use self::strings::StringValues;
#[cfg(feature = "analysis")]
pub(crate) use self::strings::is_string_type;
pub use self::survey::Values;
pub(crate) use self::survey::{ColumnRequest, Rejection, Survey};
pub use self::time::Time;
pub use self::time_of_day::TimeOfDay;
pub(crate) use self::time_part::{FixedTimePart, TimePart};
pub(crate) use self::value_issues::FeatureIssues;
pub use self::value_issues::ValueIssues;
pub use self::vector::Vector;
pub(crate) use self::watch::{Surprise, Watched};
pub(crate) use self::windows::{PARTIAL_WINDOW, WindowCandidate, partial_windows, window_candidates};
use crate::config::LogicalType;

/// A constructor of a kind's survey; `None` if the column is not of that kind.
type SurveyOf = fn(&ColumnRequest<'_>) -> Option<Box<dyn Survey>>;

/// Defines [`Kind`], with a variant for each kind, and the list of their surveys.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident by $survey:path;)+) => {
        /// A learned column of any kind, as the model stores it. What a variant holds is for the model alone; as JSON it
        /// says all of it.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[non_exhaustive]
        #[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
        pub enum Kind {
            $($(#[$doc])* $kind($kind),)+
        }

        impl Kind {
            /// How its values are written and read.
            pub(crate) fn feature(&self) -> &dyn Feature {
                match self {
                    $(Self::$kind(feature) => feature,)+
                }
            }

            fn feature_mut(&mut self) -> &mut dyn Feature {
                match self {
                    $(Self::$kind(feature) => feature,)+
                }
            }

            fn set_missing(&mut self, missing: u64) {
                match self {
                    $(Self::$kind(feature) => feature.set_missing(missing),)+
                }
            }
        }

        const SURVEYS: &[SurveyOf] = &[$($survey),+];
    };
}

// The first kind in this order that accepts a column's type gets the column.
kinds! {
    /// The group of a row, which is given.
    Group by group::survey;
    /// A category.
    Category by category::survey;
    /// A number.
    Number by number::survey;
    /// A Boolean.
    Flag by flag::survey;
    /// A date or time.
    Time by time::survey;
    /// A time of the day.
    TimeOfDay by time_of_day::survey;
    /// A list of numbers.
    Vector by vector::survey;
}

impl Kind {
    /// Where its values are.
    pub fn column(&self) -> &Column {
        self.feature().column()
    }

    fn column_mut(&mut self) -> &mut Column {
        self.feature_mut().column_mut()
    }

    /// How a column of the type `stored` is read: as it is, or first as a logical type; `None` if it cannot be.
    fn conversion(&self, stored: &DataType) -> Option<Option<LogicalType>> {
        let accepts = |data_type: &DataType| self.feature().accepts(data_type);
        let logical_type = match self.column().logical_type() {
            None if accepts(stored) => return Some(None),
            None => self.feature().meaning()?,
            Some(logical_type) => logical_type,
        };
        logical_type.read_type(stored).filter(accepts).map(|_| Some(logical_type))
    }

    /// Its values in the array of its top-level column, as a type that it accepts.
    pub(crate) fn array(&self, top: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        let array = self.column().of(top)?;
        match self.conversion(array.data_type()).flatten() {
            Some(logical_type) => logical_type.read(&array),
            None => Ok(array),
        }
    }

    /// The values that `elements` stand for, as [`Feature::read`], in a column of any type that it reads.
    pub(crate) fn read(&self, elements: &[f32], stored: &DataType) -> Result<ArrayRef, ArrowError> {
        self.restored(stored, |data_type| match self.feature().exact() {
            Some(exact) => exact.array(elements, self.elements(), data_type),
            None => self.feature().read(elements, data_type),
        })
    }

    /// The column of any type that it reads, restored from one of a type that it accepts.
    fn restored(
        &self,
        stored: &DataType,
        array: impl FnOnce(&DataType) -> Result<ArrayRef, ArrowError>,
    ) -> Result<ArrayRef, ArrowError> {
        let Some(logical_type) = self.conversion(stored).flatten() else {
            return array(stored);
        };
        let read_type = logical_type.read_type(stored).unwrap_or_else(|| stored.clone());
        // Integers stay integers.
        let own = parse_type::parse(self.data_type()).ok().filter(|own| own.is_integer());
        let read_type = own.filter(|_| logical_type == LogicalType::Float).unwrap_or(read_type);
        logical_type.restore(&array(&read_type)?, stored)
    }

    /// How a value enters the row vector, in words.
    pub fn describe(&self) -> String {
        self.feature().describe()
    }

    /// What the network sees of a value that is given, in words.
    pub fn describe_given(&self) -> String {
        match self {
            Self::Time(time) => time.describe_cycles(),
            kind => kind.describe(),
        }
    }

    /// The type of the column at fit, as Arrow writes it.
    pub fn data_type(&self) -> &str {
        self.feature().data_type()
    }

    /// Number of elements it takes of the row vector.
    pub fn elements(&self) -> usize {
        self.feature().shape().elements
    }

    /// Number of values that were missing at fit.
    pub fn missing(&self) -> u64 {
        self.feature().missing()
    }

    /// The survey of the kind that learns such a column, if any does.
    pub(crate) fn survey(wanted: &ColumnRequest<'_>) -> Option<Box<dyn Survey>> {
        SURVEYS.iter().find_map(|survey| survey(wanted))
    }
}
