//! From any source to any output: rows are decoded, encoded by the model, and written as whole batches.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{FieldRef, SchemaRef};

use super::group_alerts::{AlertCounter, AlertGroups, GroupAlert, without_alerts};
use super::job::{CountedRows, TransformJob};
use super::new_columns::NewColumnMaker;
use super::quarantine::part;
use super::read_columns::project;
use crate::artifact::Model;
use crate::batch::{Batch, BatchSlice, BatchSlicer, batch_rows};
use crate::config::TransformConfig;
use crate::error::Result;
use crate::feature::Features;
use crate::pipeline::{Reservation, Route};
use crate::score::ANOMALY_SCORE;
use crate::sink::{Destination, Medium, RowWriter, cast_to_schema, output_schema};
use crate::source::Source;

/// Which columns are read, and which are written: carried columns, then new ones.
pub(super) struct OutputPlan {
    /// The columns that are carried, then those that are only read for the features, by name.
    pub(super) needed: Vec<String>,
    carried: usize,
    /// The learned columns, by their indexes in `needed` and the windows after it.
    learned: Vec<usize>,
    pub(super) schema: SchemaRef,
    pub(super) features: Arc<Features>,
    /// The groups of alerts, if these are counted.
    groups: Option<AlertGroups>,
    /// Where the rows come from, for messages.
    path: PathBuf,
}

/// Rows with their new columns.
pub(super) struct OutputBatch {
    pub(super) batch: RecordBatch,
    /// Those in quarantine, if rows are parted.
    odd: Option<RecordBatch>,
    /// The anomalies by group, if some are held back before rows are parted.
    alerts: Vec<GroupAlert>,
    /// Held until they are written.
    _reservation: Arc<Reservation>,
}

impl OutputPlan {
    /// A plan for rows of `input`: the columns numbered `kept` are carried, with the types that the medium has.
    pub(super) fn new(
        model: &Model,
        (input, path): (&SchemaRef, &Path),
        kept: &[usize],
        config: &TransformConfig,
        medium: Medium,
    ) -> Result<Self> {
        let features = model.watching(&model.with_windows(input));
        let carried: Vec<FieldRef> = kept.iter().map(|&column| input.fields()[column].clone()).collect();
        let mut needed: Vec<String> = carried.iter().map(|field| field.name().clone()).collect();
        for column in model.read_columns(&features) {
            if !needed.contains(&column) {
                needed.push(column);
            }
        }
        config.check_groups(input)?;
        for column in config.alerts_per.iter().filter(|_| config.counts_alerts()) {
            if !needed.contains(column) {
                needed.push(column.clone());
            }
        }
        // Windows come after all that is read.
        let learned = model.places(&features, &needed);
        let groups = AlertGroups::new(config, &needed);
        let new = model.new_columns(config)?;
        let metadata = model.keys(Some(&format!("{}{ANOMALY_SCORE}", config.prefix)));
        let fields: Vec<FieldRef> = carried.iter().chain(new.fields()).cloned().collect();
        let schema = output_schema(input, &fields, &new, &metadata, medium);
        Ok(Self { needed, carried: carried.len(), learned, schema, features, groups, path: path.to_owned() })
    }

    /// The route of output batches. The budget of their bytes bounds large ones, and their number bounds small ones.
    pub(super) fn route(&self) -> Route {
        Route::new(batch_rows(self.features.layout()) * self.schema.fields().len() * size_of::<f32>())
    }

    /// Adds the new columns to slices of the columns `needed`, and parts rows if some are in `quarantine`, in these columns.
    /// Their rows count for the drift if the number of the first of all is given.
    pub(super) fn worker(
        &self,
        maker: NewColumnMaker,
        first_row: Option<u64>,
        quarantine: Option<SchemaRef>,
    ) -> impl Fn(BatchSlice) -> Result<CountedRows<OutputBatch>> + Clone + Send + use<> {
        let Self { carried, learned, features, path, groups, .. } = self;
        let (carried, learned, groups) = (*carried, learned.clone(), groups.clone());
        let (features, path) = (features.clone(), path.clone());
        let parting = self.parting(&maker.decision_column(), quarantine);
        move |slice: BatchSlice| {
            let BatchSlice { first_row: row, rows, reservation } = slice;
            let learned = project(&rows, &learned)?;
            let (batch, issues) = Batch::encode(&features, &learned)?;
            let (new, mut counts) = maker.columns(&batch, Some(&learned), first_row.map(|first| first + row))?;
            counts.issues = issues;
            let arrays = rows.columns()[..carried].iter().chain(new.columns()).cloned();
            let batch = cast_to_schema(parting.columns(), arrays, rows.num_rows(), &path)?;
            let decided = batch.column_by_name(&parting.decision).and_then(|column| column.as_boolean_opt());
            let alerts = groups.as_ref().zip(decided).map(|(groups, decided)| groups.alerts(&rows, decided));
            let alerts = alerts.transpose()?.unwrap_or_default();
            // Rows whose alerts are counted are parted in their order, once it is known which count.
            let (batch, odd) = if groups.is_some() { (batch, None) } else { parting.part(batch)? };
            Ok(CountedRows { rows: OutputBatch { batch, odd, alerts, _reservation: reservation }, counts })
        }
    }

    /// How rows are parted.
    fn parting(&self, decision: &str, quarantine: Option<SchemaRef>) -> Parting {
        let (schema, path) = (self.schema.clone(), self.path.clone());
        Parting { schema, quarantine, decision: decision.to_owned(), path }
    }

    /// Holds back the alerts that do not count, and then parts rows. For rows in their order.
    pub(super) fn alert_stage(
        &self,
        config: &TransformConfig,
        decision: &str,
        quarantine: Option<SchemaRef>,
    ) -> impl FnMut(&mut CountedRows<OutputBatch>) -> Result<()> + Send + use<> {
        let parting = self.parting(decision, quarantine);
        let mut counter = self.groups.as_ref().map(|_| AlertCounter::new(config));
        move |CountedRows { rows, counts }| {
            let Some(counter) = &mut counter else { return Ok(()) };
            let held_back = counter.held_back(std::mem::take(&mut rows.alerts));
            counts.anomalies -= held_back.len() as u64;
            counts.held_back += held_back.len() as u64;
            (rows.batch, rows.odd) = parting.part(without_alerts(&rows.batch, &held_back, &parting.decision))?;
            Ok(())
        }
    }
}

/// How rows are parted by whether they are anomalies.
#[derive(Clone)]
struct Parting {
    /// The columns of the output, and of the quarantine if there is one.
    schema: SchemaRef,
    quarantine: Option<SchemaRef>,
    /// The column of decisions.
    decision: String,
    path: PathBuf,
}

impl Parting {
    /// All columns that are written anywhere.
    fn columns(&self) -> &SchemaRef {
        self.quarantine.as_ref().unwrap_or(&self.schema)
    }

    /// The rows of the output, and those in quarantine if there is one.
    fn part(&self, rows: RecordBatch) -> Result<(RecordBatch, Option<RecordBatch>)> {
        let Self { schema, quarantine, decision, path } = self;
        let Some(columns) = quarantine else { return Ok((rows, None)) };
        let [others, odd] = part(columns, rows.columns().to_vec(), decision)?;
        let kept = schema.fields().iter().filter_map(|field| others.column_by_name(field.name()).cloned());
        let others = cast_to_schema(schema, kept, others.num_rows(), path)?;
        Ok((others, Some(cast_to_schema(columns, odd.columns().to_vec(), odd.num_rows(), path)?)))
    }
}

impl TransformJob<'_, '_> {
    /// The maker of the new columns of `source`, once the decision that depends on all rows is taken, if it is one.
    pub(super) fn maker(&self, source: &Source, features: &Arc<Features>) -> Result<NewColumnMaker> {
        let mut maker = NewColumnMaker::new(self.model, features, &self.config.with_reasons())?;
        let (ranking, slice_rows) = (learned_route(features), batch_rows(features.layout()));
        let slices = || {
            let batches =
                self.model.stream_features(source.rereadable()?, self.windows.as_ref(), features, slice_rows)?;
            Ok(BatchSlicer::new(batches, slice_rows, ranking.budget()))
        };
        let features = features.clone();
        let encode = move |slice: BatchSlice| Ok(Batch::encode(&features, &slice.rows)?.0);
        self.decide(&mut maker, &ranking, slices, encode)?;
        Ok(maker)
    }

    /// Writes rows of any source.
    pub(super) fn general(&mut self, source: &Source, destination: Destination, in_directory: bool) -> Result<()> {
        let medium = destination.medium(&self.config.output.encoding);
        let plan = self.model.output_plan(source, in_directory, self.config, medium)?;
        let quarantine = self.quarantine(source, &destination, in_directory)?;
        let slice_rows = batch_rows(plan.features.layout());
        let maker = self.maker(source, &plan.features)?;
        let batches = self.model.stream(source, self.windows.as_ref(), &plan.needed, slice_rows)?;
        let stored = match medium {
            Medium::Parquet => source.stored_types(&plan.needed[..plan.carried]),
            _ => Vec::new(),
        };
        let mut writer = RowWriter::create(destination, plan.schema.clone(), &stored, &self.config.output.encoding)?;
        let parted = quarantine.as_ref().map(|quarantine| quarantine.schema.clone());
        let mut quarantine = quarantine.map(|quarantine| quarantine.writer(self, &stored)).transpose()?;
        let route = plan.route();
        let slices = BatchSlicer::new(batches, slice_rows, route.budget());
        let count = plan.alert_stage(self.config, &maker.decision_column(), parted.clone());
        let add = plan.worker(maker, Some(self.totals.rows()), parted);
        let mut published = None;
        self.carry(&route, slices, add, count, |batches| {
            for output in batches {
                let OutputBatch { batch, odd, _reservation, .. } = output?;
                writer.write(&batch)?;
                if let Some((quarantine, odd)) = quarantine.as_mut().zip(odd) {
                    quarantine.write(&odd)?;
                }
            }
            match quarantine {
                Some(quarantine) => published = Some(quarantine.finish_with(writer)?),
                None => writer.finish()?,
            }
            Ok(())
        })?;
        #[cfg(feature = "delta")]
        {
            self.quarantined = published;
        }
        Ok(())
    }
}

/// The route of batches whose learned columns are read and not written.
pub(super) fn learned_route(features: &Features) -> Route {
    Route::new(batch_rows(features.layout()) * features.layout().width() * size_of::<f32>())
}
