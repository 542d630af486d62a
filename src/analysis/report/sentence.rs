//! Reasons in plain words: "air_time 30, expected 190 ± 20 for distance 1400".

use std::collections::HashMap;

use super::html::brief;
use super::reasons::{Reason, main_reasons};
use crate::analysis::escape::escaped;
use crate::analysis::figure::short;
use crate::artifact::Model;

/// Smallest similarity of two columns' effects along the latent dimensions for one to be named beside the other.
const RELATED: f64 = 0.75;

/// Largest number of related columns remembered of a column.
const CANDIDATES: usize = 4;

/// Writes reasons as sentences, with what the model knows about their columns.
pub(super) struct Phrasebook<'a> {
    model: Option<&'a Model>,
    numbers: HashMap<&'a str, LearnedNumber>,
}

/// A learned number, in the row vector and among the decoder's outputs.
#[derive(Debug, Clone, Copy)]
struct LearnedNumber {
    kind: usize,
    element: usize,
    output: usize,
}

impl<'a> Phrasebook<'a> {
    pub(super) fn new(model: Option<&'a Model>) -> Self {
        let mut numbers = HashMap::new();
        if let Some(model) = model {
            let features = model.features();
            let mut output = 0;
            for (kind, feature) in features.kinds().iter().enumerate() {
                let (elements, shape) = (features.elements(kind), feature.feature().shape());
                // Lists and times have several elements, categories none that is a number.
                if elements.len() == 1 && elements.end <= features.layout().gaussians() {
                    numbers.insert(feature.column().name(), LearnedNumber { kind, element: elements.start, output });
                }
                output += shape.elements * shape.classes;
            }
        }
        Self { model, numbers }
    }

    /// The numbers that go with a column most, by the model: their effects along the latent dimensions are alike.
    pub(super) fn related(&self, column: &str) -> Vec<&'a str> {
        let (Some(model), Some(of)) = (self.model, self.numbers.get(column)) else { return Vec::new() };
        let effects = |number: &LearnedNumber| -> Vec<f64> {
            let aggregate = model.aggregate();
            let (outputs, deviation) = (aggregate.deviation.len(), f64::from(aggregate.deviation[number.output]));
            let along = aggregate.effect.iter().skip(number.output).step_by(outputs.max(1));
            along.map(|effect| if deviation > 0.0 { f64::from(*effect) / deviation } else { 0.0 }).collect()
        };
        let own = effects(of);
        let others = self.numbers.iter().filter(|(name, _)| **name != column);
        let alike = others.map(|(name, number)| (similarity(&own, &effects(number)), *name));
        let mut alike: Vec<_> = alike.filter(|(alike, _)| *alike >= RELATED).collect();
        alike.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        alike.into_iter().take(CANDIDATES).map(|(_, name)| name).collect()
    }

    /// A sentence about a row's reasons as HTML. `value_of` gives the row's value of another column.
    pub(super) fn sentence(&self, reasons: &[Reason], value_of: &dyn Fn(&str) -> Option<String>) -> String {
        let told = main_reasons(reasons);
        let is_told = |name: &str| told.clone().any(|reason| reason.column == name);
        let parts = told.clone().enumerate().map(|(n, reason)| {
            let spread = self.spread(reason);
            let beside = self.related(&reason.column).into_iter().filter(|name| n == 0 && !is_told(name));
            let beside = beside.filter_map(|name| Some((name, value_of(name)?))).next();
            let beside = beside.map_or(String::new(), |(name, value)| {
                format!(" for {} {}", escaped(&brief(name)), escaped(&readable(&value)))
            });
            let column = escaped(&brief(&reason.column));
            let expected = reason.expected.as_deref().map(|expected| match (spread, expected.parse::<f64>()) {
                (Some(spread), Ok(number)) => {
                    format!("{} ± {}", rounded(number, step_of(spread)), rounded(spread, step_of(spread)))
                }
                _ => readable(expected),
            });
            let value = reason.value.as_deref().map_or("is missing".to_owned(), |value| escaped(&readable(value)));
            let expected = match expected {
                Some(expected) => format!("expected {}{beside}", escaped(&expected)),
                None => "expected to be missing".to_owned(),
            };
            format!("<b>{column} {value}</b>, {expected}")
        });
        parts.collect::<Vec<_>>().join("; ")
    }

    /// How far values usually are from what is expected, in the column's unit: a standard deviation.
    fn spread(&self, reason: &Reason) -> Option<f64> {
        let (model, number) = (self.model?, self.numbers.get(reason.column.as_str())?);
        let expected: f64 = reason.expected.as_ref()?.parse().ok()?;
        let residual = f64::from(*model.aggregate().residual.get(number.element)?);
        let feature = model.features().kinds()[number.kind].feature();
        let in_unit = |scaled: f64| feature.in_unit(0, scaled);
        // The scale may be a curve, which is inverted by bisection.
        let (mut low, mut high) = (-64.0, 64.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if in_unit(middle) < expected { low = middle } else { high = middle }
        }
        let spread = 0.5 * (in_unit(low + residual) - in_unit(low - residual));
        (spread.is_finite() && spread > 0.0).then_some(spread)
    }
}

/// The cosine of two vectors without its sign; 0 of a vector that is nearly 0.
fn similarity(a: &[f64], b: &[f64]) -> f64 {
    const LEAST: f64 = 0.2;
    let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    match (length(a), length(b)) {
        (a, b) if a > LEAST && b > LEAST => product.abs() / (a * b),
        _ => 0.0,
    }
}

/// A value as text for people: long decimals are shortened, times lose their fractions and the T.
pub(super) fn readable(value: &str) -> String {
    match value.parse::<f64>() {
        Ok(number) if value.contains('.') || value.contains('e') => return short(number),
        _ => {}
    }
    let bytes = value.as_bytes();
    let is_time = bytes.len() >= 19 && bytes[4] == b'-' && bytes[10] == b'T' && bytes[13] == b':' && value.is_ascii();
    if is_time {
        let minutes = if value[16..].starts_with(":00") { &value[11..16] } else { &value[11..19] };
        return format!("{} {minutes}", &value[..10]);
    }
    brief(value)
}

/// The place of the second digit of a number.
fn step_of(value: f64) -> f64 {
    10f64.powf(value.abs().log10().floor() - 1.0)
}

/// A number, rounded to a multiple of `step`.
fn rounded(value: f64, step: f64) -> String {
    short((value / step).round() * step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_readable() {
        let texts = ["30", "1400.0", "0.333333333", "2013-01-01T10:00:00Z", "2013-01-01T10:00:07.5", "word", "1e-7"];
        let expected = ["30", "1400", "0.3333", "2013-01-01 10:00", "2013-01-01 10:00:07", "word", "1.00e-7"];
        assert_eq!(texts.map(readable), expected);
        assert_eq!([20.4, 0.0123, 1234.0].map(|value| rounded(value, step_of(value))), ["20", "0.012", "1200"]);
        assert_eq!(rounded(-4.463, step_of(10.2)), "-4");
    }

    #[test]
    fn without_a_model_a_sentence_says_what_the_file_has() {
        let reason = |column: &str, share, value: Option<&str>, expected: Option<&str>| Reason {
            column: column.to_owned(),
            share,
            value: value.map(str::to_owned),
            expected: expected.map(str::to_owned),
        };
        let reasons = [
            reason("<a>", 0.5, Some("30"), Some("190.0")),
            reason("b", 0.2, None, Some("x")),
            reason("c", 0.01, Some("1"), Some("2")),
        ];
        let sentence = Phrasebook::new(None).sentence(&reasons, &|_| None);
        assert_eq!(sentence, "<b>&lt;a&gt; 30</b>, expected 190; <b>b is missing</b>, expected x");
        assert_eq!(Phrasebook::new(None).sentence(&[], &|_| None), "");
    }
}
