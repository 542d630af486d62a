//! Detection of columns that move one way in each group of a given column, as the meter of each device does: over all groups,
//! their ranges may hide it.

use std::collections::BTreeMap;

use super::one_way::{FEWEST_VALUES, OneWay};

/// Fewest known values of a group in the sample to judge it.
const FEWEST_OF_GROUP: usize = 8;

/// The least share of the judged groups that go the same way.
const NEARLY_ALL: f64 = 0.9;

/// The least share of the known values that are of groups that are judged.
const LEAST_JUDGED: f64 = 0.5;

/// The least share of neighbouring rows that are of two groups where groups take turns, and the file is not sorted by them.
const TURNS: f64 = 0.25;

/// The sampled rows of each group.
pub(super) struct GroupRows<'a> {
    column: &'a str,
    /// In the order of their numbers, group by group.
    by_row: Vec<Vec<usize>>,
    /// The same in the order of time, of groups that last long enough, and the column of the time.
    by_time: Option<(&'a str, Vec<Vec<usize>>)>,
    take_turns: bool,
}

impl<'a> GroupRows<'a> {
    /// The rows of the groups of `column`, whose numbers are NaN where missing. With `times`, a column and its seconds, they have
    /// an order in time, which says nothing of a group that lasts less than `shortest` seconds.
    pub(super) fn new(column: &'a str, groups: &[f64], times: Option<(&'a str, &[f64])>, shortest: f64) -> Self {
        let mut rows = BTreeMap::<u64, Vec<usize>>::new();
        let known: Vec<usize> = (0..groups.len()).filter(|&row| !groups[row].is_nan()).collect();
        known.iter().for_each(|&row| rows.entry(groups[row].to_bits()).or_default().push(row));
        let turns = known.windows(2).filter(|pair| groups[pair[0]] != groups[pair[1]]).count();
        let by_row: Vec<Vec<usize>> = rows.into_values().collect();
        let in_time = |seconds: &[f64], rows: &Vec<usize>| {
            let mut rows: Vec<usize> = rows.iter().copied().filter(|&row| !seconds[row].is_nan()).collect();
            rows.sort_by(|&one, &other| seconds[one].total_cmp(&seconds[other]));
            let ends = rows.first().zip(rows.last());
            let is_long = ends.is_some_and(|(&first, &last)| seconds[last] - seconds[first] >= shortest);
            if is_long { rows } else { Vec::new() }
        };
        let by_time =
            times.map(|(column, seconds)| (column, by_row.iter().map(|rows| in_time(seconds, rows)).collect()));
        Self { column, by_row, by_time, take_turns: turns as f64 >= TURNS * known.len() as f64 }
    }

    /// Why a column with these values of the sampled rows is carried, if it is: a phrase with the column as its subject.
    pub(super) fn reason(&self, values: &[f64]) -> Option<String> {
        let of_rows = |rows: &[Vec<usize>]| common_way(rows, values);
        let (way, along) = match &self.by_time {
            Some((column, by_time)) => {
                let way = of_rows(by_time)?;
                // What falls with time may be an age.
                let is_sure = way == OneWay::Rising || of_rows(&self.by_row) == Some(way);
                (Some(way).filter(|_| is_sure)?, format!("{column:?}"))
            }
            // A file may be sorted by the column itself.
            None if !self.take_turns || OneWay::of(values.iter().copied()).is_some() => return None,
            None => (of_rows(&self.by_row)?, "the number of the row".to_owned()),
        };
        Some(way.reason(&format!("{along} in each group of {:?}", self.column)))
    }
}

/// The way that the values go in nearly every group, whose rows are in order.
fn common_way(groups: &[Vec<usize>], values: &[f64]) -> Option<OneWay> {
    let (mut ways, mut judged) = (Vec::new(), 0);
    for rows in groups {
        let known: Vec<f64> = rows.iter().map(|&row| values[row]).filter(|value| !value.is_nan()).collect();
        if known.len() >= FEWEST_OF_GROUP {
            judged += known.len();
            ways.push(OneWay::of_few(&known));
        }
    }
    let known = values.iter().filter(|value| !value.is_nan()).count();
    let enough = judged >= FEWEST_VALUES && judged as f64 >= LEAST_JUDGED * known as f64 && ways.len() > 1;
    let most =
        |way: &OneWay| ways.iter().filter(|it| **it == Some(*way)).count() as f64 >= NEARLY_ALL * ways.len() as f64;
    [OneWay::Rising, OneWay::Falling].into_iter().find(most).filter(|_| enough)
}
