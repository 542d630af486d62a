//! Reasons to carry a number that says when a row is, rather than what: parts of a date, and what only moves one way.

use super::Candidate;
use super::calendar::Calendar;
use super::one_way::OneWay;
use super::one_way_in_groups::GroupRows;
use super::row_sample::RowSample;

/// Fewest different times that give rows an order.
const FEWEST_TIMES: usize = 8;

/// The shortest time in seconds after which rows have an order: within three days, what returns each day may seem to move one
/// way.
const SHORTEST: f64 = 3.0 * 86_400.0;

/// Most columns of times whose dates are compared with numbers.
const MOST_CALENDARS: usize = 8;

/// The times of a sample of rows.
struct RowTimes<'a> {
    column: &'a str,
    seconds: Vec<f64>,
}

/// Why each of some surveyed columns is carried, judged beside the others; `None` for those that nothing is said of.
///
/// `date_key` as in [`Candidates`](super::Candidates).
pub(super) fn carry_reasons(columns: &[Candidate], date_key: Option<&Candidate>) -> Vec<Option<String>> {
    let times = times(columns, date_key);
    let mut parts = vec![None; columns.len()];
    for RowTimes { column, seconds } in times.iter().take(MOST_CALENDARS) {
        let calendar = Calendar::new(seconds);
        for (candidate, part) in columns.iter().zip(&mut parts).filter(|(_, part)| part.is_none()) {
            let name = candidate.column().name();
            let sample = candidate.survey().sample().filter(|_| name != *column);
            let found = sample.and_then(|sample| calendar.part(name, sample.values()));
            *part = found.map(|part| format!("is the {part} of {column:?}"));
        }
    }
    let order = times.iter().find_map(|times| Some((times.column, times.order()?)));
    let in_groups = groups(columns, date_key, &times, order.as_ref().map(|(column, _)| *column));
    let one_way = |sample: &RowSample| match &order {
        Some((column, order)) => {
            let values = sample.values();
            let way = OneWay::of(order.iter().map(|&row| values[row]))?;
            // What falls with time may be an age, and its time a birthday, unless the rows are in the order of their time.
            let is_sure = way == OneWay::Rising || OneWay::of(values.iter().copied()) == Some(way);
            is_sure.then(|| way.reason(&format!("{column:?}")))
        }
        None => OneWay::of_rows(sample).map(|way| way.reason("the number of the row")),
    };
    let other = |candidate: &Candidate| {
        let survey = candidate.survey();
        let sample = survey.sample().filter(|_| survey.rejection().is_none())?;
        let in_groups = || in_groups.iter().find_map(|groups| groups.reason(survey.large_sample()?.values()));
        one_way(sample).or_else(in_groups)
    };
    columns.iter().zip(parts).map(|(candidate, part)| part.or_else(|| other(candidate))).collect()
}

/// The rows of the groups of each given column that has some, in the order of the time column `order`; none if there are `times`
/// and no order of them.
fn groups<'a>(
    columns: &'a [Candidate],
    date_key: Option<&'a Candidate>,
    times: &[RowTimes<'_>],
    order: Option<&'a str>,
) -> Vec<GroupRows<'a>> {
    if order.is_none() && !times.is_empty() {
        return Vec::new();
    }
    let time = columns.iter().chain(date_key).find(|candidate| Some(candidate.column().name()) == order);
    let seconds = time.and_then(|time| time.survey().times(time.survey().large_sample()?.values()));
    if order.is_some() && seconds.is_none() {
        return Vec::new();
    }
    let rows = |candidate: &'a Candidate| {
        let survey = candidate.survey();
        let groups = survey.groups().filter(|_| survey.rejection().is_none())?.values();
        Some(GroupRows::new(candidate.column().name(), groups, order.zip(seconds.as_deref()), SHORTEST))
    };
    columns.iter().filter_map(rows).collect()
}

/// The columns that are dates or timestamps; else the first that looks like one.
fn times<'a>(columns: &'a [Candidate], date_key: Option<&'a Candidate>) -> Vec<RowTimes<'a>> {
    let times = |candidate: &'a Candidate| {
        let column = candidate.column().name();
        let seconds = candidate.survey().times(candidate.survey().sampled_values()?)?;
        Some(RowTimes { column, seconds })
    };
    let is_number = |candidate: &&Candidate| candidate.survey().is_numeric_scalar();
    let dates: Vec<RowTimes<'_>> =
        columns.iter().chain(date_key).filter(|candidate| !is_number(candidate)).filter_map(times).collect();
    if dates.is_empty() { columns.iter().filter(is_number).find_map(times).into_iter().collect() } else { dates }
}

impl RowTimes<'_> {
    /// The rows in the order of their times, and of their numbers where these are equal; `None` for few
    /// different times, or if all are within a short time.
    fn order(&self) -> Option<Vec<usize>> {
        let mut rows: Vec<usize> = (0..self.seconds.len()).filter(|&row| !self.seconds[row].is_nan()).collect();
        rows.sort_by(|&one, &other| self.seconds[one].total_cmp(&self.seconds[other]));
        let different = rows.chunk_by(|&one, &other| self.seconds[one] == self.seconds[other]).count();
        let span = self.seconds[*rows.last()?] - self.seconds[*rows.first()?];
        (different >= FEWEST_TIMES && span >= SHORTEST).then_some(rows)
    }
}
