//! The SVG canvas of figures.

use std::fmt::Write;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea, SVGBackend, TextStyle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, IntoFont};

use super::paint::{Paint, with_css_colors, with_light_colors};
use crate::analysis::escape::escaped;
use crate::error::{Error, Result};

/// Width of a figure in units; pages show it at about half as many pixels.
pub(super) const WIDTH: u32 = 960;

/// The size of text, in units.
const TEXT: f64 = 26.0;

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type DrawFault = DrawingAreaErrorKind<std::io::Error>;

/// A figure with its text alternative.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    /// File name without extension: letters, digits and hyphens.
    pub(crate) name: String,
    pub(crate) title: String,
    /// The text alternative.
    pub(crate) about: String,
    height: u32,
    /// The content of the SVG element.
    drawing: String,
}

impl Figure {
    /// Draws a figure of this height in units.
    ///
    /// # Errors
    /// [`Error::Io`] of the drawing.
    pub(super) fn draw(
        (name, title, about): (&str, &str, String),
        height: u32,
        draw: impl FnOnce(&Area<'_>) -> Result<(), DrawFault>,
    ) -> Result<Self> {
        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        let drawn = draw(&area).and_then(|()| area.present());
        drop(area);
        drawn.map_err(|fault| Error::io("draw", Path::new(name))(std::io::Error::other(fault.to_string())))?;
        // The element's tags are on lines of their own.
        let inside = svg.split_once('\n').and_then(|(_, rest)| rest.rsplit_once("</svg>"));
        let drawing = inside.map_or(String::new(), |(inside, _)| inside.to_owned());
        Ok(Self { name: name.to_owned(), title: title.to_owned(), about, height, drawing })
    }

    /// Lays tips on top.
    pub(super) fn with_tips(self, tips: &Tips) -> Self {
        self.with(&tips.0)
    }

    /// Appends SVG elements.
    pub(super) fn with(mut self, elements: &str) -> Self {
        self.drawing.push_str(elements);
        self
    }

    /// The figure as an element of a page, with colours from the page's style.
    pub(crate) fn inline(&self) -> String {
        let Self { name, title, about, height, drawing } = self;
        let (title, about) = (escaped(title), escaped(about));
        format!(
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{name}-title {name}-desc\">\n<title \
             id=\"{name}-title\">{title}</title>\n<desc id=\"{name}-desc\">{about}</desc>\n{}</svg>",
            with_css_colors(drawing)
        )
    }

    /// The figure as an SVG file with its title.
    pub(crate) fn file(&self) -> String {
        let Self { title, about, height, drawing, .. } = self;
        let (title, about, all) = (escaped(title), escaped(about), height + 60);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{all}\" viewBox=\"0 -60 {WIDTH} {all}\" \
             role=\"img\">\n<title>{title}</title>\n<desc>{about}</desc>\n<rect x=\"0\" y=\"-60\" width=\"{WIDTH}\" \
             height=\"{all}\" fill=\"#ffffff\"/>\n<text x=\"16\" y=\"-20\" font-family=\"system-ui, sans-serif\" \
             font-size=\"28\" font-weight=\"bold\" fill=\"#1c2430\">{title}</text>\n{}</svg>\n",
            with_light_colors(drawing)
        )
    }
}

/// Invisible areas on top of a figure that say what is below them when the pointer is there.
#[derive(Default)]
pub(super) struct Tips(String);

impl Tips {
    /// Adds an area between two corners.
    pub(super) fn add(&mut self, (left, top): (i32, i32), (right, bottom): (i32, i32), text: &str) {
        let (x, y, wide, high) = (left.min(right), top.min(bottom), (right - left).abs(), (bottom - top).abs());
        let _ = writeln!(
            self.0,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" fill=\"transparent\"><title>{}</title></rect>",
            wide.max(1),
            high.max(1),
            escaped(text)
        );
    }
}

/// An SVG text around a place, with a rim in the colour of the ground that parts it from what is below.
pub(super) fn mark((x, y): (i32, i32), text: &str) -> String {
    let [ink, ground] = [Paint::Ink, Paint::Ground].map(Paint::code);
    format!(
        "<text x=\"{x}\" y=\"{y}\" dy=\"0.35em\" text-anchor=\"middle\" font-family=\"system-ui, sans-serif\" font-size=\"{TEXT}\" \
         font-weight=\"bold\" fill=\"{ink}\" stroke=\"{ground}\" stroke-width=\"6\" stroke-linejoin=\"round\" \
         paint-order=\"stroke\">{}</text>\n",
        escaped(text)
    )
}

/// A text style with this paint and anchor.
pub(super) fn text(paint: Paint, h: HPos, v: VPos) -> TextStyle<'static> {
    sized(TEXT, paint, h, v)
}

/// A text style with this size, paint and anchor.
pub(super) fn sized(size: f64, paint: Paint, h: HPos, v: VPos) -> TextStyle<'static> {
    // plotters divides font sizes by 1.24.
    let font = ("system-ui, sans-serif", size * 1.24, FontStyle::Normal).into_font();
    TextStyle { font, color: paint.placeholder().to_backend_color(), pos: Pos::new(h, v) }
}

/// The approximate width of a text in units.
pub(super) fn width(text: &str) -> i32 {
    (text.chars().count() as f64 * TEXT * 0.56).ceil() as i32
}

/// Truncates a text to at most `most` characters.
pub(super) fn truncated(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_owned(),
    }
}
