//! Tables to read: columns in line, no frames.

use std::ops::RangeInclusive;

use comfy_table::{CellAlignment, Row, Table, presets};

/// An empty table.
pub(crate) fn table_of(header: impl Into<Row>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// Aligns some columns, by index, as numbers are.
pub(crate) fn to_the_right(table: &mut Table, columns: RangeInclusive<usize>) {
    for (_, column) in table.column_iter_mut().enumerate().filter(|(index, _)| columns.contains(index)) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

/// The table, without blanks at the ends of its lines.
pub(crate) fn in_lines(table: &Table) -> String {
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}
