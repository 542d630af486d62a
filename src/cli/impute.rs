//! `vaepipe impute`.

use std::time::Instant;

use clap::Args;
use indicatif::HumanCount;
use serde_json::json;
use vaepipe::{ImputeConfig, Imputed, Model, Source, SourceConfig};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::flags::output::{OutputFlags, check_output, is_dash, kept, place, unreadable, unreadable_json};
use crate::cli::flags::paths::{InputsAndOutput, ModelFlag};
use crate::cli::flags::run::{RunFlags, folder};
use crate::cli::output::{self, grouped, list, names, seconds};

/// Fill missing values with what a model expects
///
/// Example: vaepipe impute survey.parquet filled.parquet --flag
///
/// Nulls and NaN in learned columns get what the model expects given the rest of the row, in the column's own type and
/// unit and within the range and categories seen at fit; columns that were constant at fit get that constant. Known
/// values stay as they are. The model should be fitted to data of the same kind, missing values included. The rows are read
/// twice; those of stdin wait in a scratch file.
#[derive(Debug, Args)]
#[command(override_usage = "vaepipe impute [OPTIONS] <INPUT>... <OUTPUT>")]
pub(crate) struct Impute {
    #[command(flatten)]
    paths: InputsAndOutput,
    #[command(flatten)]
    model: ModelFlag,
    #[command(flatten)]
    rows: SourceConfig,
    #[command(flatten)]
    config: ImputeConfig,
    #[command(flatten)]
    files: OutputFlags,
    #[command(flatten)]
    run: RunFlags,
}

impl Impute {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { paths, model: ModelFlag { model: path }, mut rows, mut config, files, run } = self;
        let (inputs, output) = paths.split()?;
        let start = Instant::now();
        (config.output, rows.keep_going) = (files.config(), files.keep_going(&output));
        config.check()?;
        run.check()?;
        let source = Source::open(&inputs, &rows, &context.signals.stop)?;
        let _lock = run.writing.lock([output.as_path()], context)?;
        check_output(&output, &config.output, source.paths(), Some(&path))?;
        let model = Model::load(&path, run.device)?;
        let spool_dir = if is_dash(&output) { std::env::temp_dir() } else { folder(&output) };
        let source = source.spooled(&spool_dir)?;
        let to = files.open(&output)?;
        let imputed = model.impute(&source, to, &config, &mut context.run(run.workers.threads, source.rows()))?;
        let total = start.elapsed().as_secs_f64();
        output::warn_of_no_row(imputed.rows, &rows);
        let Imputed { rows, files, skipped, unreadable: left_out, columns, .. } = &imputed;
        let values: u64 = columns.iter().map(|(_, filled)| filled).sum();
        let mut lines = vec![(
            "filled",
            format!("{} values in {} columns of {} rows", HumanCount(values), columns.len(), HumanCount(*rows)),
        )];
        lines
            .extend(columns.iter().map(|(column, filled)| ("", format!("{column}: {}", HumanCount(*filled)))).take(20));
        let given = names(&model.metadata().given);
        let mut left: Vec<String> = given.first().map(|_| format!("{}: is given", list(&given))).into_iter().collect();
        let mut carried = model.metadata().carried.clone();
        carried.retain(|carried| carried.constant.is_none());
        left.extend(grouped(&carried).into_iter().map(|(columns, reason)| format!("{columns}: {reason}")));
        lines.extend(left.into_iter().enumerate().map(|(n, line)| (if n == 0 { "left" } else { "" }, line)));
        lines.push(("wrote", place(&output, *files)));
        lines.extend(kept(*skipped));
        lines.extend(unreadable(left_out));
        lines.push(("time", format!("{total:.2} s")));
        let json = json!({
            "rows": rows,
            "files": files,
            "skipped": skipped,
            "unreadable": unreadable_json(left_out),
            "columns": columns.iter().map(|(column, filled)| json!({"column": column, "filled": filled})).collect::<Vec<_>>(),
            "seconds": seconds(total),
        });
        output::print_beside(is_dash(&output), run.writing.summary, context.quiet, &lines, &json)?;
        Ok(imputed.check_complete()?)
    }
}
