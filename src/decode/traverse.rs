//! Traversals: decoded rows along each dimension of the latent space.

#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Int32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};

use super::failed;
use super::fixed_given::FixedGiven;
use crate::artifact::Model;
use crate::config::{GivenValue, TraverseConfig};
use crate::decode::Decoder;
use crate::error::{Error, Result};
use crate::output::Output;
use crate::pipeline::Stop;
use crate::sink::cast_to_schema;

/// How far a traversal goes from 0, either way: 99.7 % of the prior.
const FAR: f32 = 3.0;

impl Model {
    /// Decoded rows along every dimension of the latent space, from -3 to 3 in `steps` steps while the other dimensions
    /// are 0, at what is given of a typical training row: the `dimension` (int32), its `z` (float32), and the expected values of the columns that can be rebuilt.
    ///
    /// # Errors
    /// [`Error::OptionRange`]; [`Error::NameClash`] if a column is named `dimension` or `z`; those of
    /// [`rebuilt_columns`](Self::rebuilt_columns).
    pub fn traverse(&self, config: &TraverseConfig) -> Result<RecordBatch> {
        config.check()?;
        let (k, steps, rebuilder) = (self.metadata().network.latent_dim, config.steps, self.column_rebuilder()?);
        let named = ["dimension", "z"].map(|name| format!("{}{name}", config.prefix));
        if let Some(column) = named.iter().find(|name| rebuilder.schema().field_with_name(name).is_ok()) {
            return Err(Error::NameClash { path: "the model".into(), column: column.clone() });
        }
        let at = |step: usize| FAR * (2.0 * step as f32 / (steps - 1) as f32 - 1.0);
        let points = || (0..k).flat_map(|dimension| (0..steps).map(move |step| (dimension, at(step))));
        let mut z = vec![0.0; k * steps * k];
        z.chunks_exact_mut(k).zip(points()).for_each(|(z, (dimension, at))| z[dimension] = at);
        let columns = self.expected_at(&z, &config.at)?;
        let [dimension, z] = named;
        let own =
            [Field::new(dimension, DataType::Int32, false), Field::new(z, DataType::Float32, false)].map(Arc::new);
        let dimensions: ArrayRef =
            Arc::new(Int32Array::from_iter_values(points().map(|(dimension, _)| dimension as i32)));
        let z: ArrayRef = Arc::new(Float32Array::from_iter_values(points().map(|(_, z)| z)));
        let schema =
            Schema::new(own.into_iter().chain(rebuilder.schema().fields().iter().cloned()).collect::<Vec<_>>());
        let columns = [dimensions, z].into_iter().chain(columns).collect();
        RecordBatch::try_new(Arc::new(schema), columns).map_err(failed)
    }

    /// The expected values of the columns that can be rebuilt, at latents, `[rows, latent_dim]`, and at what is given of a typical
    /// training row among those that have `fixed`.
    ///
    /// # Errors
    /// Those of [`rebuilt_columns`](Self::rebuilt_columns), of values to fix, and the device's.
    pub(crate) fn expected_at(&self, z: &[f32], fixed: &[GivenValue]) -> Result<Vec<ArrayRef>> {
        let (decoder, rows) = (Decoder::new(self), z.len() / self.metadata().network.latent_dim);
        let layout = decoder.features.layout().given();
        let fixed = FixedGiven::new(self, fixed)?.matching(&self.aggregate().given)?;
        let given = layout.typical(&fixed).repeat(rows);
        let expected = decoder.expected(z, &layout.rows(given))?;
        self.column_rebuilder()?.read(&decoder.features, &expected, rows).map_err(failed)
    }

    /// Writes these rows to `output`, a file or a stream, whole or not at all, and returns their number; `None` if the
    /// output exists and is kept.
    ///
    /// # Errors
    /// As [`traverse`](Self::traverse), [`TargetExists`](crate::Error::TargetExists) and other errors of the output,
    /// and [`Error::Write`].
    pub fn write_traverse(
        &self,
        output: impl Into<Output>,
        config: &TraverseConfig,
        stop: &Stop,
    ) -> Result<Option<u64>> {
        let rows = self.traverse(config)?;
        let writer = self.row_writer(output.into(), &config.output, rows.schema_ref(), stop)?;
        let Some(mut writer) = writer else { return Ok(None) };
        let place = Path::new("decoded rows");
        writer.write(&cast_to_schema(writer.schema(), rows.columns().to_vec(), rows.num_rows(), place)?)?;
        writer.finish()?;
        Ok(Some(rows.num_rows() as u64))
    }
}
