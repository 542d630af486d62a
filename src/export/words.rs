//! Words and integers as numbers of classes and groups.

#![forbid(unsafe_code)]

use super::column::{ColumnInput, MissingMark};
use super::graph::{Attribute, GraphBuilder, Tensor};
use super::schema::ElementType;
use super::values::usable;
use crate::feature::{Recipe, WatchedRecipe};

/// The number of a missing value, and of a group that the fit did not see.
const NONE: i64 = -1;

/// Looks up values, `[rows, 1]`, in a table of words, or of integers as text; what is not in it gets `otherwise`.
fn look_up(graph: &mut GraphBuilder, column: &ColumnInput, mut table: Vec<(String, i64)>, otherwise: i64) -> Tensor {
    let mark = match &column.missing {
        MissingMark::Word(word) => Some(word.clone()),
        MissingMark::Integer(mark) => Some((*mark as i64).to_string()),
        MissingMark::Nan | MissingMark::Never => None,
    };
    table.extend(mark.map(|mark| (mark, NONE)));
    let mut values = graph.column(&column.tensor());
    if column.element_type != ElementType::String {
        // Integers are looked up as text. Those of 64 bits wrap around in a cast, in the graph as here.
        let integer = |word: &str| match word {
            "true" => 1,
            "false" => 0,
            word => word.parse::<i128>().map_or(i64::MIN, |integer| integer as i64),
        };
        table.iter_mut().for_each(|(word, _)| *word = integer(word).to_string());
        if column.element_type != ElementType::Int64 {
            values = graph.cast(&values, ElementType::Int64);
        }
        values = graph.cast(&values, ElementType::String);
    }
    // `LabelEncoder`, which says the same of integers too, is not in tract.
    let (words, numbers) = table.into_iter().unzip();
    let words = ("cats_strings", Attribute::Strings(words));
    let numbers = ("cats_int64s", Attribute::Ints(numbers));
    graph.ml_op("CategoryMapper", &[&values], vec![words, numbers, ("default_int64", Attribute::Int(otherwise))])
}

/// The class of each row, `[rows, 1]`, -1 where missing, and whether its word was certainly not seen at fit, if that can be
/// told; or the number of its group, -1 where the fit did not see it.
pub(super) fn numbers(graph: &mut GraphBuilder, column: &ColumnInput, recipe: &Recipe<'_>) -> (Tensor, Option<Tensor>) {
    match recipe {
        Recipe::Category { classes, other: Some((other, is_complete)) } => {
            let mut table: Vec<(String, i64)> =
                classes.iter().map(|(word, &class)| (word.clone(), class as i64)).collect();
            table.sort_by(|a, b| a.1.cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
            let other = *other as i64;
            if !is_complete {
                return (look_up(graph, column, table, other), None);
            }
            let found = look_up(graph, column, table, other + 1);
            let [last, beyond] = [other, other + 1].map(|n| graph.ints(&[n]));
            let class = graph.op("Min", &[&found, &last]);
            let unseen = graph.op("Equal", &[&found, &beyond]);
            (class, Some(unseen))
        }
        Recipe::Group { names } => {
            let table = names.iter().cloned().zip(0..).collect();
            (look_up(graph, column, table, NONE), None)
        }
        _ => unreachable!("the other kinds have no words, and hashed ones are refused before"),
    }
}

/// A number as a 1 at its place among `count`, `[rows, count]`; zeros where it is -1.
pub(super) fn one_hot(graph: &mut GraphBuilder, number: &Tensor, count: usize) -> Tensor {
    let all: Vec<i64> = (0..count as i64).collect();
    let all = graph.ints(&all);
    let is_it = graph.op("Equal", &[number, &all]);
    graph.cast(&is_it, ElementType::Float)
}

/// Whether a value is other than the constant at fit, or missing where none was; of a column that had no value, whether it has one:
/// `[rows, 1]`.
pub(super) fn differs(graph: &mut GraphBuilder, column: &ColumnInput, recipe: &WatchedRecipe) -> Tensor {
    match column.element_type {
        ElementType::Float16 | ElementType::Float | ElementType::Double => {
            let value = graph.column(&column.tensor());
            let value = column.doubles(graph, &value);
            let Some(constant) = &recipe.constant else { return usable(graph, &value) };
            let constant: f64 = constant.parse().unwrap_or(f64::NAN);
            // The column may have been of 32 bits at fit, or be now.
            let both = [constant, f64::from(constant as f32)].map(|it| {
                let it = graph.doubles(&[it]);
                graph.op("Equal", &[&value, &it])
            });
            let is_it = graph.op("Or", &[&both[0], &both[1]]);
            let other = graph.op("Not", &[&is_it]);
            if recipe.missing == 0 {
                return other;
            }
            let usable = usable(graph, &value);
            graph.op("And", &[&other, &usable])
        }
        _ => {
            let constant = recipe.constant.iter().map(|constant| (constant.clone(), 0)).collect();
            let found = look_up(graph, column, constant, 1);
            if recipe.missing == 0 {
                let constant = graph.ints(&[0]);
                let is_it = graph.op("Equal", &[&found, &constant]);
                return graph.op("Not", &[&is_it]);
            }
            let other = graph.ints(&[1]);
            graph.op("Equal", &[&found, &other])
        }
    }
}
