//! What a figure is drawn on.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea, SVGBackend, TextStyle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, IntoFont};

use super::paint::{Paint, for_good, in_page};
use crate::analysis::escape::escaped;
use crate::error::{Error, Result};

/// Units a figure is wide; it is shown at about half as many pixels.
pub(super) const WIDTH: u32 = 960;

/// The size of text, in units.
const TEXT: f64 = 26.0;

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type DrawFault = DrawingAreaErrorKind<std::io::Error>;

/// A figure with its text alternative.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    /// Its file name, without an extension; letters, digits and hyphens.
    pub(crate) name: String,
    pub(crate) title: String,
    /// What it shows, for who does not see it.
    pub(crate) about: String,
    height: u32,
    /// What is inside of the SVG element.
    drawing: String,
}

impl Figure {
    /// Draws one of so many units' height.
    ///
    /// # Errors
    /// Those of the drawing.
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
        // Between the element's tags, each on a line of its own.
        let inside = svg.split_once('\n').and_then(|(_, rest)| rest.rsplit_once("</svg>"));
        let drawing = inside.map_or(String::new(), |(inside, _)| inside.to_owned());
        Ok(Self { name: name.to_owned(), title: title.to_owned(), about, height, drawing })
    }

    /// The same with more SVG elements behind.
    pub(super) fn with(mut self, elements: &str) -> Self {
        self.drawing.push_str(elements);
        self
    }

    /// As an element of a page whose style says the colours.
    pub(crate) fn inline(&self) -> String {
        let Self { name, title, about, height, drawing } = self;
        let (title, about) = (escaped(title), escaped(about));
        format!(
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{name}-title {name}-desc\">\n<title \
             id=\"{name}-title\">{title}</title>\n<desc id=\"{name}-desc\">{about}</desc>\n{}</svg>",
            in_page(drawing)
        )
    }

    /// As a file, with its title on it.
    pub(crate) fn file(&self) -> String {
        let Self { title, about, height, drawing, .. } = self;
        let (title, about, all) = (escaped(title), escaped(about), height + 60);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{all}\" viewBox=\"0 -60 {WIDTH} {all}\" \
             role=\"img\">\n<title>{title}</title>\n<desc>{about}</desc>\n<rect x=\"0\" y=\"-60\" width=\"{WIDTH}\" \
             height=\"{all}\" fill=\"#ffffff\"/>\n<text x=\"16\" y=\"-20\" font-family=\"system-ui, sans-serif\" \
             font-size=\"28\" font-weight=\"bold\" fill=\"#1c2430\">{title}</text>\n{}</svg>\n",
            for_good(drawing)
        )
    }
}

/// Text of this paint, at this place of it.
pub(super) fn text(paint: Paint, h: HPos, v: VPos) -> TextStyle<'static> {
    sized(TEXT, paint, h, v)
}

/// The same in another size.
pub(super) fn sized(size: f64, paint: Paint, h: HPos, v: VPos) -> TextStyle<'static> {
    // plotters divides by 1.24 what it is given.
    let font = ("system-ui, sans-serif", size * 1.24, FontStyle::Normal).into_font();
    TextStyle { font, color: paint.stand_in().to_backend_color(), pos: Pos::new(h, v) }
}

/// About how many units a text is wide.
pub(super) fn width(text: &str) -> i32 {
    (text.chars().count() as f64 * TEXT * 0.56).ceil() as i32
}

/// A text of at most so many characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_owned(),
    }
}
