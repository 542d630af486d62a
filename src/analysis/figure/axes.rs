//! Axes, legends and number formats.

use std::ops::Range;

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::types::RangedCoordf64;
use plotters::element::{Circle, Text};
use plotters::prelude::{Cartesian2d, SVGBackend};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, TRANSPARENT};

use super::canvas::{Area, DrawFault, WIDTH, sized, text, truncated, width};
use super::paint::{Paint, RAMP};

pub(super) type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// The range, title and tick labels of an axis.
pub(super) struct Axis<'a> {
    pub(super) range: Range<f64>,
    pub(super) title: &'a str,
    pub(super) ticks: Ticks<'a>,
}

/// What stands at the ticks of an axis.
#[derive(Clone, Copy)]
pub(super) enum Ticks<'a> {
    Numbers,
    /// The axis has decimal logarithms; powers of ten are labelled.
    Logarithms,
    /// The axis has indexes of these names.
    Names(&'a [String]),
}

impl Ticks<'_> {
    /// The number of labels to aim at, on an axis of this range that has room for `most`.
    fn labels(self, range: &Range<f64>, most: usize) -> usize {
        match self {
            Self::Numbers => most,
            // Ticks fall on powers of ten.
            Self::Logarithms => ((range.end - range.start).ceil() as usize + 1).clamp(2, 8),
            Self::Names(names) => names.len().clamp(2, 5),
        }
    }

    fn label(self, at: f64) -> String {
        let whole = at.round();
        match self {
            Self::Numbers => short(at),
            _ if (at - whole).abs() > 1e-6 => String::new(),
            Self::Logarithms => short(10f64.powf(whole)),
            Self::Names(names) => {
                let name = (whole >= 0.0).then(|| names.get(whole as usize)).flatten();
                name.map_or(String::new(), |name| truncated(name, 12))
            }
        }
    }
}

/// Height above a plot for the legend, in units.
const HEAD: u32 = 56;

/// Height of each further line of a legend, and the most lines.
const LINE: i32 = 36;
const MOST_LINES: usize = 4;

/// Most characters of a title across, and of one upward beside a tall plot.
pub(crate) const TITLE: [usize; 2] = [58, 42];

/// Draws the axes of a plot; returns the chart to draw in.
pub(super) fn draw_axes<'a>(area: &Area<'a>, x: &Axis<'_>, y: &Axis<'_>) -> Result<Chart<'a>, DrawFault> {
    let mut chart = ChartBuilder::on(area)
        .margin_top(HEAD)
        .margin_right(28)
        .margin_left(12)
        .x_label_area_size(78)
        .y_label_area_size(112)
        .build_cartesian_2d(widened(&x.range), widened(&y.range))?;
    let tall = area.dim_in_pixel().1 > 600;
    let label = |paint| sized(24.0, paint, HPos::Left, VPos::Top);
    chart
        .configure_mesh()
        .x_labels(x.ticks.labels(&x.range, 6))
        .y_labels(y.ticks.labels(&y.range, 5))
        .x_label_formatter(&|value| x.ticks.label(*value))
        .y_label_formatter(&|value| y.ticks.label(*value))
        .x_desc(truncated(x.title, TITLE[0]))
        .y_desc(truncated(y.title, if tall { TITLE[1] } else { 26 }))
        .label_style(label(Paint::Muted))
        .axis_desc_style(label(Paint::Ink))
        .axis_style(Paint::Muted.placeholder())
        .bold_line_style(Paint::Grid.placeholder())
        .light_line_style(TRANSPARENT)
        .draw()?;
    Ok(chart)
}

/// Widens an empty or invalid range, so that it can be an axis.
fn widened(range: &Range<f64>) -> Range<f64> {
    let (from, to) =
        if range.start.is_finite() && range.end.is_finite() { (range.start, range.end) } else { (0.0, 1.0) };
    let (from, to) = (from.min(to), from.max(to));
    let least = (from.abs().max(to.abs()) * 1e-6).max(1e-9);
    if to - from > least { from..to } else { from - least..to + least }
}

/// The names of colours, each with its place from the left, in lines of a legend.
fn legend_lines(entries: &[(Paint, String)]) -> Vec<Vec<(Paint, String, i32)>> {
    const LEFT: i32 = 130;
    let (mut lines, mut x) = (vec![Vec::new()], LEFT);
    for (n, (paint, name)) in entries.iter().enumerate() {
        let name = truncated(name, 22);
        let (needed, is_last) = (width(&name) + 50, n + 1 == entries.len());
        // The last line keeps room for the number of those that are left out.
        let room = WIDTH as i32 - if lines.len() == MOST_LINES && !is_last { 110 } else { 0 };
        if x + needed > room && x > LEFT {
            if lines.len() == MOST_LINES {
                lines[MOST_LINES - 1].push((Paint::Muted, format!("+ {}", entries.len() - n), x));
                break;
            }
            lines.push(Vec::new());
            x = LEFT;
        }
        lines.last_mut().into_iter().for_each(|line| line.push((*paint, name.clone(), x)));
        x += needed;
    }
    lines
}

/// The height of the lines of a legend after the first, for which each plot has room.
pub(super) fn legend_height(entries: &[(Paint, String)]) -> i32 {
    LINE * (legend_lines(entries).len() as i32 - 1)
}

/// Draws the names of colours in lines above the plot, as many as fit.
pub(super) fn legend(area: &Area<'_>, entries: &[(Paint, String)]) -> Result<(), DrawFault> {
    for (line, names) in (0..).zip(legend_lines(entries)) {
        let y = 28 + LINE * line;
        for (paint, name, x) in names {
            area.draw(&Circle::new((x + 8, y), 9, paint.placeholder().filled()))?;
            area.draw(&Text::new(name, (x + 26, y), text(Paint::Ink, HPos::Left, VPos::Center)))?;
        }
    }
    Ok(())
}

/// Draws a colour ramp with the values at its ends.
pub(super) fn ramp(area: &Area<'_>, what: &str, [low, high]: &[String; 2]) -> Result<(), DrawFault> {
    let y = 28;
    let label = format!("{}  {}", truncated(what, 28), truncated(low, 10));
    let x = 130 + width(&label) + 20;
    area.draw(&Text::new(label, (130, y), text(Paint::Ink, HPos::Left, VPos::Center)))?;
    for n in 0..RAMP {
        area.draw(&Circle::new((x + 22 * n as i32, y), 9, Paint::Ramp(n).placeholder().filled()))?;
    }
    let end = (x + 22 * RAMP as i32, y);
    area.draw(&Text::new(truncated(high, 10), end, text(Paint::Ink, HPos::Left, VPos::Center)))
}

/// Formats a number with about four significant digits.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || size < 1e-12 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return value.to_string();
    }
    if !(1e-4..1e7).contains(&size) {
        return format!("{value:.2e}");
    }
    let decimals = (3 - size.log10().floor() as i32).clamp(0, 7) as usize;
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if size < 1e4 { text.to_owned() } else { grouped(text) }
}

/// Groups the digits of an integer by thousands.
fn grouped(text: &str) -> String {
    let (sign, digits) = text.split_at(usize::from(text.starts_with('-')));
    let mut groups = String::from(sign);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            groups.push(',');
        }
        groups.push(digit);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, 1.0, -1.5, 1234.5, 12_345.6, -1_234_567.0, 0.000_123_4, 1e-9, 3.2e9, 61.328_8].map(short);
        let expected = ["0", "1", "-1.5", "1234", "12,346", "-1,234,567", "0.0001234", "1.00e-9", "3.20e9", "61.33"];
        assert_eq!(texts, expected);
    }

    #[test]
    fn a_legend_has_lines_and_counts_what_is_left_out() {
        let names = |count: usize, name: &str| vec![(Paint::Main, name.to_owned()); count];
        let lengths = |lines: Vec<Vec<_>>| lines.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(legend_lines(&names(0, ""))), [0]);
        assert_eq!(lengths(legend_lines(&names(11, "UA"))), [10, 1]);
        let many = legend_lines(&names(11, "a name of 22 character"));
        assert_eq!(lengths(many.clone()), [2, 2, 2, 2]);
        assert_eq!(many[3][1].1, "+ 4");
        assert!(many.iter().flatten().all(|(_, name, x)| x + width(name) + 26 <= WIDTH as i32));
    }

    #[test]
    fn a_range_of_one_value_is_widened() {
        assert_eq!(widened(&(0.0..4.0)), 0.0..4.0);
        for range in [widened(&(3.0..3.0)), widened(&(f64::NAN..1.0)), widened(&(5.0..4.0))] {
            assert!(range.start < range.end, "{range:?}");
        }
    }
}
