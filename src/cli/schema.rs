//! `vaepipe schema`.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use vaepipe::{Device, Kind, Model, Source, SourceConfig, TransformConfig, ipc_schema};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::flags::decision::DecisionFlags;
use crate::cli::flags::paths::ModelFlag;
use crate::cli::output::table::{in_lines, table_of};
use crate::cli::output::{self, shown};

/// Print the columns that a transform writes, without reading rows
///
/// Example: vaepipe schema flights.parquet --format arrow > flights.schema
///
/// They are those of the Arrow stream that `vaepipe transform INPUT -` writes with the same flags.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Files, directories or globs; - is stdin; of an Arrow stream only the schema is read
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    model: ModelFlag,
    /// The result on stdout: a table, one JSON object, or an Arrow stream without rows
    #[arg(long, alias = "format", default_value = "text", value_name = "FORMAT", help_heading = "Output")]
    summary: SchemaFormat,
    #[command(flatten)]
    rows: SourceConfig,
    #[command(flatten)]
    config: TransformConfig,
    #[command(flatten)]
    decision: DecisionFlags,
}

/// The form of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SchemaFormat {
    /// A table.
    Text,
    /// One JSON object.
    Json,
    /// An Arrow IPC stream.
    Arrow,
}

impl Schema {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { inputs, model: ModelFlag { model }, summary, rows, mut config, decision } = self;
        config.decision = decision.decision()?;
        config.ignore_above_p = decision.ignore_above_p();
        let source = Source::open(&inputs, &rows, &context.signals.stop)?;
        let model = Model::load(&model, Device::Cpu)?;
        let schema = model.output_schema(&source, &config)?;
        let (metadata, input) = (model.metadata(), source.schema());
        let role = |name: &str| {
            let is_it = |kind: &Kind| kind.column().top() == name;
            match input.field_with_name(name) {
                Err(_) => "new",
                _ if metadata.features.iter().any(is_it) => "learned",
                _ if metadata.given.iter().any(is_it) => "given",
                _ => "carried",
            }
        };
        let columns = schema.fields().iter();
        let columns = columns.map(|field| (field.name(), field.data_type().to_string(), field.is_nullable()));
        match summary {
            SchemaFormat::Text => {
                let mut table = table_of(["column", "type", "null", "role"]);
                for (name, data_type, nullable) in columns {
                    let null = if nullable { "possible" } else { "never" };
                    table.add_row([shown(name), shown(&data_type), null.to_owned(), role(name).to_owned()]);
                }
                output::stdout(&in_lines(&table))
            }
            SchemaFormat::Json => {
                let column = |(name, data_type, nullable): (&String, String, bool)| {
                    let role = role(name);
                    json!({ "name": name, "type": data_type, "nullable": nullable, "role": role })
                };
                let columns = columns.map(column).collect::<Vec<Value>>();
                output::stdout(&format!("{}\n", json!({ "columns": columns })))
            }
            SchemaFormat::Arrow => {
                let (bytes, mut stdout) = (ipc_schema(&schema)?, std::io::stdout().lock());
                stdout.write_all(&bytes).and_then(|()| stdout.flush()).map_err(Failure::Stdout)
            }
        }
    }
}
