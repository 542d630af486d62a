//! Histograms of scores.

use std::ops::Range;

use plotters::element::{PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, ShapeStyle};

use super::axes::{Axis, Ticks, draw_axes, legend, short};
use super::canvas::{Figure, Tips, text};
use super::paint::Paint;
use crate::error::Result;

/// Counts in even bins over a range; values outside count in the first or last bin.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Histogram {
    pub(crate) range: Range<f64>,
    pub(crate) counts: Vec<u64>,
    /// The rows among them that are labelled as anomalies.
    pub(crate) labelled: Vec<u64>,
}

impl Histogram {
    pub(crate) fn new(range: Range<f64>, bins: usize) -> Self {
        Self { range, counts: vec![0; bins], labelled: vec![0; bins] }
    }

    /// The same bins, moved and a little widened, so that `edge` is between two of them, if it is in the range.
    pub(crate) fn with_edge(self, edge: f64) -> Self {
        let Self { range: Range { start, end }, counts, labelled } = self;
        let bins = counts.len() as f64;
        let wide = (end - start) / (bins - 1.0).max(1.0);
        let start = match (start..=end).contains(&edge) {
            true => edge - ((edge - start) / wide).ceil() * wide,
            false => return Self { range: start..end, counts, labelled },
        };
        Self { range: start..start + bins * wide, counts, labelled }
    }

    pub(crate) fn add(&mut self, value: f64, labelled: bool) {
        let bin = self.bin(value);
        self.counts[bin] += 1;
        self.labelled[bin] += u64::from(labelled);
    }

    fn bin(&self, value: f64) -> usize {
        let wide = (self.range.end - self.range.start).max(f64::MIN_POSITIVE);
        // A value at an edge is above it, however that is rounded.
        let bin = (value - self.range.start) / wide * self.counts.len() as f64 + 1e-9;
        (bin.max(0.0) as usize).min(self.counts.len() - 1)
    }

    /// The edges of a bin.
    pub(crate) fn edges(&self, bin: usize) -> Range<f64> {
        let at =
            |bin: usize| self.range.start + (self.range.end - self.range.start) * bin as f64 / self.counts.len() as f64;
        at(bin)..at(bin + 1)
    }
}

/// Draws a histogram of scores with counts on a logarithmic axis, and the smallest score of an anomaly, if there is one.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) of the drawing.
pub(crate) fn histogram(scores: &Histogram, score: &str, threshold: Option<f64>, about: String) -> Result<Figure> {
    let most = scores.counts.iter().max().copied().unwrap_or(0) as f64;
    // A single row is seen above the axis.
    let (x, y) = (scores.range.clone(), -0.35..(most.max(1.0) * 1.6).log10().max(1.0));
    let any = scores.labelled.iter().any(|&count| count > 0);
    let mut tips = Tips::default();
    let figure = Figure::draw(("scores", "Scores", about), 640, |area| {
        let across = Axis { range: x.clone(), title: score, ticks: Ticks::Numbers };
        let upward = Axis { range: y.clone(), title: "rows, logarithmic", ticks: Ticks::Logarithms };
        let mut chart = draw_axes(area, &across, &upward)?;
        for (bin, (&count, &labelled)) in scores.counts.iter().zip(&scores.labelled).enumerate() {
            let edges = scores.edges(bin);
            let is_anomalous = threshold.is_some_and(|threshold| 0.5 * (edges.start + edges.end) >= threshold);
            let paint = if is_anomalous && !any { Paint::Alarm } else { Paint::Main };
            let inside = 0.06 * (edges.end - edges.start);
            for (count, paint) in [(count, paint), (labelled, Paint::Alarm)].into_iter().filter(|(count, _)| *count > 0)
            {
                let corners = [(edges.start + inside, y.start), (edges.end - inside, (count as f64).log10())];
                chart.draw_series([Rectangle::new(corners, paint.placeholder().filled())])?;
            }
            if count > 0 {
                let labelled = if any { format!(", {labelled} labelled") } else { String::new() };
                let text = format!("{} to {}: {count} rows{labelled}", short(edges.start), short(edges.end));
                let corners = [(edges.start, y.start), (edges.end, y.end)].map(|at| chart.backend_coord(&at));
                tips.add(corners[0], corners[1], &text);
            }
        }
        if let Some(threshold) = threshold.filter(|threshold| x.contains(threshold)) {
            let line = [(threshold, y.start), (threshold, y.end)];
            chart.draw_series([PathElement::new(line, ShapeStyle::from(Paint::Ink.placeholder()).stroke_width(3))])?;
            let right = threshold > x.start + 0.6 * (x.end - x.start);
            let (h, gap) = if right { (HPos::Right, -0.012) } else { (HPos::Left, 0.012) };
            let place = (threshold + gap * (x.end - x.start), y.end);
            chart.draw_series([Text::new(
                format!("anomaly from {}", short(threshold)),
                place,
                text(Paint::Ink, h, VPos::Top),
            )])?;
        }
        match any {
            true => {
                legend(area, &[(Paint::Main, "all rows".to_owned()), (Paint::Alarm, "labelled as anomaly".to_owned())])
            }
            false if threshold.is_some() => {
                legend(area, &[(Paint::Main, "rows".to_owned()), (Paint::Alarm, "anomalies".to_owned())])
            }
            false => Ok(()),
        }
    })?;
    Ok(figure.with_tips(&tips))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_outside_the_range_count_in_the_end_bins() {
        let mut histogram = Histogram::new(0.0..4.0, 4);
        [-9.0, 0.0, 0.99, 1.0, 3.99, 4.0, 99.0].into_iter().for_each(|value| histogram.add(value, value > 3.0));
        assert_eq!((histogram.counts.clone(), histogram.labelled.clone()), (vec![3, 1, 0, 3], vec![0, 0, 0, 3]));
        assert_eq!(histogram.edges(1), 1.0..2.0);
    }

    #[test]
    fn a_threshold_is_between_two_bins() {
        for edge in [0.0, 0.1, 1.7, 3.3, 4.0] {
            let mut histogram = Histogram::new(0.0..4.0, 9).with_edge(edge);
            assert!(histogram.range.start <= 0.0 && histogram.range.end >= 4.0 && histogram.range.end < 5.0);
            [edge - 1e-4, edge].into_iter().for_each(|value| histogram.add(value, value >= edge));
            let bin = histogram.labelled.iter().position(|count| *count == 1).unwrap();
            assert!((histogram.edges(bin).start - edge).abs() < 1e-12, "{edge}: {histogram:?}");
            assert!(edge == 0.0 || histogram.counts[bin] == 1, "{edge}: {histogram:?}");
        }
        assert_eq!(Histogram::new(0.0..4.0, 4).with_edge(5.0).range, 0.0..4.0);
    }
}
