//! A number: one scaled element, Gaussian.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use super::{Cells, Feature, Statistics};
use crate::config::Scale;
use crate::layout::Likelihood;

/// Standard deviations of a normal distribution between its quartiles: what makes the IQR comparable with one.
const IQR_OF_NORMAL: f64 = 1.349;

/// Where scaled values are clipped, so that one wild value cannot decide a gradient or overflow a square.
const CLIP: f64 = 20.0;

/// The same for values that are not scaled: only a guard against overflow.
const CLIP_UNSCALED: f64 = 1e15;

/// A fitted number: `clamp((x - center) / scale, -clip, clip)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Number {
    column: String,
    /// The column's type at fit, for the reader of the model; any numeric type is accepted later.
    #[serde(rename = "type")]
    data_type: String,
    center: f64,
    scale: f64,
    clip: f64,
}

impl Number {
    /// Whether this kind learns columns of `data_type`.
    pub(crate) fn learns(data_type: &DataType) -> bool {
        data_type.is_numeric()
    }

    /// Fits the scaling, or says why there is nothing to learn.
    pub(crate) fn fit(
        column: &str,
        data_type: &DataType,
        statistics: Statistics,
        scale: Scale,
    ) -> Result<Self, String> {
        let (center, width, clip) = match scale {
            Scale::None => (0.0, 1.0, CLIP_UNSCALED),
            Scale::Standard => (statistics.mean(), statistics.std(), CLIP),
            Scale::Minmax => {
                let (low, high) = (statistics.min(), statistics.max());
                (low / 2.0 + high / 2.0, high / 2.0 - low / 2.0, CLIP)
            }
            Scale::Robust => {
                let [lower, median, upper] = statistics.quartiles();
                let width = (upper - lower) / IQR_OF_NORMAL;
                (median, if width.is_normal() { width } else { statistics.std() }, CLIP)
            }
        };
        if !width.is_normal() {
            return Err("varies too little to be scaled".to_owned());
        }
        Ok(Self { column: column.to_owned(), data_type: data_type.to_string(), center, scale: width, clip })
    }

    /// Whether the numbers are ones that [`write`](Feature::write) can work with.
    pub(crate) fn is_sound(&self) -> bool {
        self.center.is_finite()
            && self.scale.is_normal()
            && self.scale > 0.0
            && self.clip > 0.0
            && self.clip.is_finite()
    }
}

impl Feature for Number {
    fn column(&self) -> &str {
        &self.column
    }

    fn expects(&self) -> &'static str {
        "a number"
    }

    fn accepts(&self, data_type: &DataType) -> bool {
        Self::learns(data_type)
    }

    fn shape(&self) -> (usize, usize, Likelihood) {
        (1, 1, Likelihood::Gaussian)
    }

    fn write(&self, array: &ArrayRef, cells: &mut Cells<'_>) -> Result<u64, ArrowError> {
        let array = cast(array, &DataType::Float64)?;
        let array = array.as_primitive::<Float64Type>();
        let mut masked = 0;
        for (row, &value) in array.values().iter().enumerate() {
            let known = array.is_valid(row);
            let usable = (value as f32).is_finite();
            masked += u64::from(known && !usable);
            let scaled = ((value - self.center) / self.scale).clamp(-self.clip, self.clip);
            cells.set(row, if known && usable { scaled as f32 } else { f32::NAN });
        }
        Ok(masked)
    }
}
