//! Missing numbers of rows in order that wait for the rows after them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::kriging::{Bridged, REACH, bridge};
use super::recent::RecentRows;
use super::variogram::Variogram;

/// The most missing rows of a gap that is bridged.
pub(super) const LONGEST_GAP: usize = 64;

/// Rows of all sequences after a missing number that are read for it at most.
pub(super) const ROWS_AHEAD: u64 = 16_384;

/// A missing number.
#[derive(Debug, Clone)]
pub(super) struct OpenCell {
    /// Its column, among those that are bridged.
    number: usize,
    /// Its row in the file, and in its sequence.
    row_of_file: u64,
    row: usize,
    /// The nearest rows of the sequence that are known: before it, unless it begins with the gap; and after it, if there is one yet.
    before: Option<usize>,
    after: Option<usize>,
}

/// What became of a missing number; `None` if its gap is not bridged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ClosedCell {
    pub(super) number: usize,
    pub(super) row_of_file: u64,
    pub(super) bridged: Option<Bridged>,
}

/// The gaps of a file.
pub(super) struct Gaps {
    /// The columns that are bridged, with their variograms.
    columns: Arc<Vec<(usize, Variogram)>>,
    /// The rows with open cells, by the name of their sequence.
    rows: VecDeque<(u64, String)>,
    /// Missing numbers so far that were not taken, and those of which it is known what became.
    opened: usize,
    closed: Vec<ClosedCell>,
}

impl Gaps {
    pub(super) fn new(columns: Arc<Vec<(usize, Variogram)>>) -> Self {
        Self { columns, rows: VecDeque::new(), opened: 0, closed: Vec::new() }
    }

    /// Takes the number of missing numbers since the last call, and what became of some.
    pub(super) fn take(&mut self) -> (usize, Vec<ClosedCell>) {
        (std::mem::take(&mut self.opened), std::mem::take(&mut self.closed))
    }

    /// Looks at a new row of a sequence, the last of its recent ones.
    pub(super) fn add(
        &mut self,
        (name, row_of_file): (&str, u64),
        (recent, row): (&RecentRows, usize),
        open: &mut Vec<OpenCell>,
    ) {
        let columns = self.columns.clone();
        let is_known = |number: usize, row: usize| recent.get(row, columns[number].0).is_some();
        for cell in open.iter_mut().filter(|cell| cell.after.is_none() && is_known(cell.number, row)) {
            cell.after = Some(row);
        }
        let is_ready = |cell: &mut OpenCell| match cell.after {
            Some(after) => row + 1 >= after + REACH,
            None => row - cell.before.map_or(recent.begin(), |before| before + 1) >= LONGEST_GAP,
        };
        self.close(recent, open.extract_if(.., is_ready));
        let waited = open.len();
        for number in (0..columns.len()).filter(|&number| !is_known(number, row)) {
            self.opened += 1;
            let before = (1..=LONGEST_GAP.min(row)).map(|rows| row - rows).find(|&row| is_known(number, row));
            match before.is_some() || row < recent.begin() + LONGEST_GAP {
                true => open.push(OpenCell { number, row_of_file, row, before, after: None }),
                false => self.closed.push(ClosedCell { number, row_of_file, bridged: None }),
            }
        }
        if open.len() > waited {
            self.rows.push_back((row_of_file, name.to_owned()));
        }
    }

    /// The name of a sequence with cells that have waited for the most rows, and the last row of those.
    pub(super) fn overdue(&mut self, row_of_file: u64) -> Option<(u64, String)> {
        let is_overdue = |(row, _): &mut (u64, String)| *row + ROWS_AHEAD <= row_of_file;
        self.rows.pop_front_if(is_overdue)
    }

    /// Closes the cells of a sequence up to a row, with the rows after them that there are.
    pub(super) fn end(&mut self, recent: &RecentRows, open: &mut Vec<OpenCell>, last: u64) {
        self.close(recent, open.extract_if(.., |cell| cell.row_of_file <= last));
    }

    fn close(&mut self, recent: &RecentRows, cells: impl Iterator<Item = OpenCell>) {
        for OpenCell { number, row_of_file, row, before, after } in cells {
            let (column, variogram) = &self.columns[number];
            let bridged = after.and_then(|after| bridge(recent, *column, variogram, row, (before, after)));
            self.closed.push(ClosedCell { number, row_of_file, bridged });
        }
    }
}
