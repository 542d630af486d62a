//! Colours by their meaning. Figures are drawn with placeholder colours, which are replaced by CSS variables in a page,
//! for its light or dark style, or by fixed values in a file.

use std::fmt::Write;

use plotters::style::RGBColor;

/// Number of colours for categories.
pub(crate) const CATEGORIES: usize = 10;

/// Number of steps of the colour ramp.
pub(crate) const RAMP: usize = 8;

/// A colour by its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Ink,
    Muted,
    Grid,
    Main,
    Second,
    Alarm,
    Category(usize),
    Ramp(usize),
}

/// The value of each paint on a light and on a dark background.
const PALETTE: [[&str; 2]; 6 + CATEGORIES + RAMP] = [
    ["#1c2430", "#e8ebf0"],
    ["#5b6675", "#a3adbb"],
    ["#e2e6ec", "#2e3744"],
    ["#2f6db5", "#6ea8ea"],
    ["#c2701c", "#f0a659"],
    ["#c22f3d", "#ff7b7b"],
    ["#1f77b4", "#5aa2e0"],
    ["#e06c00", "#ff9f4a"],
    ["#238b3f", "#5fcf7a"],
    ["#c62828", "#ff6b6b"],
    ["#8659b0", "#bb9be8"],
    ["#80564a", "#c99485"],
    ["#cf5fae", "#f2a0dd"],
    ["#6f6f6f", "#b5b5b5"],
    ["#8f9100", "#dcdc55"],
    ["#1295a5", "#4fd8e8"],
    ["#7fb0dc", "#3c5f92"],
    ["#5f97d3", "#4a78bb"],
    ["#5a7cc9", "#6a8bd8"],
    ["#7d68bd", "#9786dd"],
    ["#a655a1", "#c680c8"],
    ["#c9447a", "#ea7a9f"],
    ["#cc3345", "#ff8a7a"],
    ["#98121f", "#ffc2a8"],
];

impl Paint {
    fn number(self) -> usize {
        match self {
            Self::Ink => 0,
            Self::Muted => 1,
            Self::Grid => 2,
            Self::Main => 3,
            Self::Second => 4,
            Self::Alarm => 5,
            Self::Category(n) => 6 + n % CATEGORIES,
            Self::Ramp(n) => 6 + CATEGORIES + n.min(RAMP - 1),
        }
    }

    /// The placeholder colour for plotters; no paint has such a value.
    pub(super) fn placeholder(self) -> RGBColor {
        RGBColor(1, 2, self.number() as u8)
    }
}

/// Replaces the placeholders in a drawing.
pub(super) fn with_colors(drawing: &str, of: impl Fn(usize) -> String) -> String {
    (0..PALETTE.len()).fold(drawing.to_owned(), |drawing, number| {
        drawing.replace(&format!("\"#0102{number:02X}\""), &format!("\"{}\"", of(number)))
    })
}

/// Replaces the placeholders by CSS variables of a page.
pub(super) fn with_css_colors(drawing: &str) -> String {
    with_colors(drawing, |number| format!("var(--c{number})"))
}

/// Replaces the placeholders by the values on a light background.
pub(super) fn with_light_colors(drawing: &str) -> String {
    with_colors(drawing, |number| PALETTE[number][0].to_owned())
}

/// The CSS variables' values on a light background (0) or a dark one (1).
pub(crate) fn css(background: usize) -> String {
    PALETTE.iter().enumerate().fold(String::new(), |mut css, (number, values)| {
        let _ = write!(css, "--c{number}:{};", values[background]);
        css
    })
}
