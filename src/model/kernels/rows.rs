//! Rows of a batch as the layers take them.

#![forbid(unsafe_code)]

use std::ops::Range;

use crate::batch::Batch;

/// Rows of a batch as the layers take them.
#[derive(Clone, Copy)]
pub(super) struct KernelRows<'a> {
    /// `[rows, inputs]`.
    pub(super) x: &'a [f32],
    /// The same, as in [`Batch`].
    pub(super) known: Option<&'a [f32]>,
    /// What the encoder sees of both.
    pub(super) shown_x: &'a [f32],
    pub(super) shown_known: Option<&'a [f32]>,
    /// `[rows, given inputs]`.
    pub(super) given: &'a [f32],
    pub(super) rows: usize,
}

impl<'a> KernelRows<'a> {
    /// Rows `range` of a batch, of so many `inputs`.
    pub(super) fn of(batch: &'a Batch, range: Range<usize>, inputs: usize) -> Self {
        let part = |all: &'a [f32]| &all[range.start * inputs..range.end * inputs];
        let known = batch.known.as_deref().map(part);
        let (shown_x, shown_known) = match &batch.shown {
            Some(shown) => (part(&shown.x), Some(part(&shown.known))),
            None => (part(&batch.x), known),
        };
        let width = batch.given.inputs.len() / batch.rows().max(1);
        let given = &batch.given.inputs[range.start * width..range.end * width];
        Self { x: part(&batch.x), known, shown_x, shown_known, given, rows: range.len() }
    }
}
