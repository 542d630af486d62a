//! The last rows of a sequence.

/// Rows that are kept.
pub(super) const RECENT_ROWS: usize = 96;

/// The numbers of the last rows of a sequence.
#[derive(Clone, Default)]
pub(super) struct RecentRows {
    /// `[RECENT_ROWS, columns]`: row n is at n mod `RECENT_ROWS`.
    values: Vec<f64>,
    columns: usize,
    /// The number of the first row after a gap, and of the next row.
    begin: usize,
    end: usize,
}

impl RecentRows {
    /// Adds a row, and returns its number.
    pub(super) fn push(&mut self, row: &[f64]) -> usize {
        if self.values.is_empty() {
            self.columns = row.len();
            self.values = vec![f64::NAN; RECENT_ROWS * row.len()];
        }
        let at = self.end % RECENT_ROWS * self.columns;
        self.values[at..at + self.columns].copy_from_slice(row);
        self.end += 1;
        self.end - 1
    }

    /// The number of the first row that is not forgotten.
    pub(super) fn begin(&self) -> usize {
        self.begin
    }

    /// Forgets the rows.
    pub(super) fn restart(&mut self) {
        self.begin = self.end;
    }

    /// A number of a row; `None` if it is missing, or not kept.
    pub(super) fn get(&self, row: usize, column: usize) -> Option<f64> {
        let is_kept = (self.begin..self.end).contains(&row) && row + RECENT_ROWS >= self.end;
        let value = is_kept.then(|| self.values[row % RECENT_ROWS * self.columns + column]);
        value.filter(|value| !value.is_nan())
    }
}
