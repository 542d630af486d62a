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
    /// What a figure is drawn on.
    Ground,
}

/// The value of each paint on a light and on a dark background. Main, second and alarm are those of Okabe and Ito, categories
/// Tol's muted ones, the ramp viridis: people who see few colours tell them apart.
const PALETTE: [[&str; 2]; 7 + CATEGORIES + RAMP] = [
    ["#18212e", "#e8ebf0"],
    ["#566172", "#a6b0be"],
    ["#e2e6ec", "#2e3744"],
    ["#0072b2", "#56b4e9"],
    ["#a8326f", "#f09cc6"],
    ["#c94f00", "#ff9a52"],
    ["#332288", "#9d94f0"],
    ["#4fb0dc", "#88ccee"],
    ["#3a9c8c", "#44aa99"],
    ["#117733", "#4fc274"],
    ["#8a8a29", "#c3c35a"],
    ["#c6a93c", "#ddcc77"],
    ["#cc6677", "#ee8b9b"],
    ["#882255", "#d075a5"],
    ["#aa4499", "#dd92d0"],
    ["#7a7f87", "#b9bfc8"],
    ["#b5d935", "#6a55b0"],
    ["#74c655", "#5470bd"],
    ["#3cb078", "#3f88b8"],
    ["#219a85", "#2b9fa0"],
    ["#287d8e", "#32b586"],
    ["#33638d", "#63cc66"],
    ["#404788", "#b0dc3c"],
    ["#440154", "#fde725"],
    ["#ffffff", "#191f28"],
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
            Self::Ground => 6 + CATEGORIES + RAMP,
        }
    }

    /// The placeholder colour for plotters; no paint has such a value.
    pub(super) fn placeholder(self) -> RGBColor {
        RGBColor(1, 2, self.number() as u8)
    }

    /// The placeholder as SVG has it.
    pub(super) fn code(self) -> String {
        format!("#0102{:02X}", self.number())
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
