//! The way out of an error, by the flag or command that gives it: what the library cannot know.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use vaepipe::{DeviceFault, Error, ModelFault, OnnxFault, OrderFault, Unsupported};

use crate::cli::failure::near::beside;
use crate::cli::output::shell;
use crate::cli::settings::Invocation;

/// How the name of a model ends.
const MODEL: &str = "safetensors";

/// How to make NDJSON.
const JSON_LINES: &str = "of an array, jq -c '.[]' makes such lines";

/// Columns that only a transform makes.
const NEW_COLUMNS: [&str; 4] = ["anomaly_score", "is_anomaly", "p_value", "recon_error"];

/// Flags that take a list.
const LISTS: [&str; 7] = ["columns", "exclude", "given", "categorical", "hidden", "keep", "score"];

/// Flags that name columns and take no pattern.
const EXACT: [&str; 10] = ["alerts_per", "by", "color", "label", "order_by", "per", "score", "show", "time", "verdict"];

/// What to do about an error, in a line.
pub(crate) fn hint(error: &Error, invocation: Option<&Invocation>) -> Option<String> {
    // The word for a setting, as its author wrote it.
    let setter = |option: &str| match invocation.and_then(|invocation| invocation.origin(option)) {
        Some(origin) => origin.to_string(),
        None => format!("--{}", option.replace('_', "-")),
    };
    let has = |option: &str| {
        invocation.is_some_and(|it| it.command().get_arguments().any(|arg| arg.get_id().as_str() == option))
    };
    let is_set = |option: &str| invocation.is_some_and(|it| it.is_given(option) || it.origin(option).is_some());
    let is = |command: &str| invocation.is_some_and(|invocation| invocation.command().get_name() == command);
    let patterns = "takes names, globs like 'x_*', and regular expressions like 're:^x_'";
    Some(match error {
        Error::TargetExists { path } if is_called(path, MODEL) && has("target") && !is("fit-transform") => {
            format!("it is a model, and the last path is the output; a model is named by -m: -m {}", shell(path))
        }
        Error::TargetExists { path } if has("paths") && !is_set("target") && !is_called(path, MODEL) => {
            "--force replaces it; the last path is the output".to_owned()
        }
        Error::TargetExists { .. } => "--force replaces it".to_owned(),
        Error::TargetIsInput { .. } => "choose another output; nothing is changed in place".to_owned(),
        Error::TargetNotFile { .. } | Error::TargetForeign { .. } | Error::TargetTwice { .. } => "choose another path".to_owned(),
        Error::Locked { .. } => "--wait 10m waits for it to end".to_owned(),
        Error::TargetInInput { .. } => "choose a place outside of it".to_owned(),
        Error::NoFiles { path } => match missing_folder(path) {
            Some(folder) => format!("there is no directory {}", folder.display()),
            None if has("input_format") => format!(
                "names that begin with _ or . are left out, and those that tell no format; {} ndjson reads *.json, and csv *.txt",
                setter("input_format")
            ),
            None => "names that begin with _ or . are left out".to_owned(),
        },
        Error::Predicate { source, .. } if source.to_string().to_lowercase().contains("datetime") => {
            "compare times as dates, as in CAST(ts AS DATE) >= DATE '2024-01-31'".to_owned()
        }
        Error::Predicate { .. } => {
            format!("{} is SQL, as in \"amount > 100 AND country = 'DE'\"; a column of an odd name stands in double quotes", setter("where"))
        }
        Error::Truncated { only_marker: true, .. } => {
            "the producer may have failed; --allow-missing-eos takes it for whole".to_owned()
        }
        Error::Truncated { .. } => "the producer failed, or the file was copied in part".to_owned(),
        Error::Unfinished { done, rest, source } => {
            let way = hint(source, invocation).map_or(String::new(), |way| format!("{way}; "));
            let rest = rest.len();
            let files = if *done == 1 { "file is" } else { "files are" };
            let not = if rest == 1 { "is" } else { "are" };
            format!("{way}{done} {files} written and {rest} {not} not; fix this, then rerun with --skip-existing")
        }
        Error::NameClash { .. } => "--prefix NAME puts NAME before the new columns".to_owned(),
        Error::UnknownColumn { selection: "scored", .. } => {
            "a report, and thresholds, are of a file that `vaepipe transform` wrote, with its score".to_owned()
        }
        Error::UnknownColumn { selection: "where", name, .. } if NEW_COLUMNS.contains(&name.as_str()) => {
            "a transform adds this column; --where is a condition on those of the input".to_owned()
        }
        Error::UnknownColumn { selection: "score", name, .. } if NEW_COLUMNS.contains(&name.as_str()) => {
            "evaluate is of a file that `vaepipe transform` wrote, with its score".to_owned()
        }
        Error::UnknownColumn { selection: "where", name, near } if near.is_empty() => {
            format!("double quotes name a column, and single quotes a string: '{name}'")
        }
        Error::UnknownColumn { selection, near, .. } if near.is_empty() && EXACT.contains(selection) => {
            format!("{} names a column as it is written; `vaepipe inspect` shows those of a file", setter(selection))
        }
        Error::UnknownColumn { selection, near, .. } if near.is_empty() => format!("{} {patterns}", setter(selection)),
        Error::UnknownColumn { selection, near, .. } if near[0].contains(',') => {
            format!("{} parts its names at commas; write ? for one: '{}'", setter(selection), near[0].replace(',', "?"))
        }
        Error::UnknownColumn { selection, .. } => format!("{} named it", setter(selection)),
        Error::BadPattern { selection: "input", .. } => "in a name of files, * ? and [ make a glob; [[] stands for a [ itself".to_owned(),
        Error::BadPattern { selection, .. } => format!("{} {patterns}", setter(selection)),
        Error::NotLearnable { selection: selection @ "columns", .. } => {
            format!("leave it out of {}; it is carried to the output all the same", setter(selection))
        }
        Error::NotLearnable { selection: selection @ ("map" | "direction"), .. } => format!("{} takes numbers", setter(selection)),
        Error::NotLearnable { selection, .. } => format!("{} takes strings and integers", setter(selection)),
        Error::OptionRange { range, .. } if range.contains("order_by names a column") => {
            "--order-by COL names the column that orders the rows, such as a time".to_owned()
        }
        Error::OptionRange { range, .. } if range.contains("learned no rows in order") => {
            "a fit with --order-by makes a model of rows in order".to_owned()
        }
        Error::OptionRange { option: "neighbor_weight", range, .. } if range.contains("neighbors") => {
            "--neighbors 15 or --preset map keeps neighbours together".to_owned()
        }
        Error::NotGiven { .. } => format!("{} takes given columns; `vaepipe inspect` shows those of a model", setter("at")),
        Error::OptionRange { option, .. } | Error::UnknownScore { option, .. } => format!("{} sets it", setter(option)),
        Error::NotCalibrated { .. } => "--contamination and --threshold need none; fit with --val-fraction above 0 for some".to_owned(),
        Error::NoFeedback(reason) if reason.contains("at most") => "name fewer, or take some back with --forget".to_owned(),
        Error::NoFeedback(_) => "fit with --preset anomaly, or --anomaly-score combined, and --val-fraction above 0".to_owned(),
        Error::AlphaTooLow(_) => "--contamination and --threshold need no p-values; a fit on more rows has lower ones".to_owned(),
        Error::TooLarge { .. } => {
            "fewer units: --hidden and --latent-dim set them; or fewer rows a step: --batch-size".to_owned()
        }
        Error::PageTooLarge { .. } => {
            format!("{} allows for more; --exclude leaves the column out", setter("memory"))
        }
        Error::NoFeatures { .. } => {
            "a fit learns from numbers, Booleans, categories, times and vectors that vary; `vaepipe inspect` shows every column".to_owned()
        }
        Error::TooFewRows { .. } if is_set("where") => {
            format!("{} leaves too few; check its condition", setter("where"))
        }
        Error::TooFewRows { .. } => "give it more rows, or more columns to learn with --columns".to_owned(),
        Error::WrongType { place, expected, .. } if expected.starts_with("0 or 1, for an anomaly;") => {
            let column = place.column.as_deref().unwrap_or("COL");
            format!("{} {column}=VALUE: rows of this value are anomalies", setter("label"))
        }
        Error::WrongType { .. } if is("report") => {
            "--label takes 0 and 1, or Booleans; --color any column of numbers, words or times".to_owned()
        }
        Error::WrongType { .. } if is("evaluate") => return None,
        Error::WrongType { place, found, expected } if has("types") && found.contains("Int") && expected.contains("timestamp") => {
            let column = place.column.as_deref().unwrap_or("COL");
            format!("{} {column}=epoch_s reads seconds since 1970; epoch_ms, epoch_us and epoch_ns finer counts", setter("types"))
        }
        Error::WrongType { place, found, expected } if has("types") && found.contains("Utf8") && expected.contains("a timestamp or a number") => {
            let column = place.column.as_deref().unwrap_or("COL");
            format!("{} {column}=timestamp reads text such as 2024-01-31 12:00:00; date, integer and float others", setter("types"))
        }
        Error::WrongType { expected, .. } if has("max_gap") && expected.ends_with("the largest gap is one") => {
            format!("{} takes a time, such as 10m, where times order the rows", setter("max_gap"))
        }
        Error::WrongType { expected, .. } if has("max_gap") && expected.ends_with("the largest gap is a time") => {
            format!("{} takes a number, such as 10, where numbers order the rows", setter("max_gap"))
        }
        Error::TypesDiffer(_) if has("exclude") => format!("{} leaves the column out", setter("exclude")),
        Error::TypesDiffer(_) if has("keep") => {
            format!("list the other columns with {}, or write to a directory, which needs no common type", setter("keep"))
        }
        Error::BadLine { what, .. } if what.contains("of a new column") => {
            "--prefix NAME puts NAME before the new columns".to_owned()
        }
        Error::BadLine { what, .. } if what == "invalid utf-8" => {
            format!("{} names the encoding, such as windows-1252", setter("csv_encoding"))
        }
        Error::BadLine { what, .. } if what.contains("where the first line has 1;") => {
            format!(
                "if the file begins with a title, remove it; {} leaves out lines that begin with a character, such as #",
                setter("csv_comment")
            )
        }
        Error::BadLine { .. } => {
            format!("correct the line, or leave out such lines with {} skip", setter("csv_bad_lines"))
        }
        Error::WrongType { expected, .. } | Error::WrongValue { expected, .. } if expected.starts_with("normal") => {
            format!("{} names the column of verdicts; where nobody looked at a row, it is empty", setter("verdict"))
        }
        Error::WrongValue { expected, .. } if expected.ends_with("in the path") => {
            "a directory called key=value says that all rows below it have that value; rename the directory, or the column of the file".to_owned()
        }
        Error::WrongValue { expected, .. } if expected.contains("of other files") && has("keep") => {
            let list = if has("epochs") { format!("{} and ", setter("columns")) } else { String::new() };
            format!("correct the value, or list the other columns with {list}{}", setter("keep"))
        }
        Error::WrongValue { .. } if has("epochs") => {
            format!("correct the value, or leave the column out with {}", setter("exclude"))
        }
        Error::WrongValue { .. } => "correct the value, or fit a model to rows like it".to_owned(),
        Error::MissingFeature { .. } | Error::WrongType { .. } => {
            "`vaepipe inspect` shows the columns a model needs, and those a file has".to_owned()
        }
        Error::NothingSelected(selection) => {
            format!("{} {patterns}; `vaepipe inspect` shows every column", setter(selection))
        }
        Error::Unsupported { what, place } => match what {
            Unsupported::SameName => "rename one of the two".to_owned(),
            Unsupported::DeltaColumn if has("keep") => format!("leave the column out with {}", setter("keep")),
            Unsupported::FilledDirectory => {
                "choose another directory; rows are not added to a table that exists".to_owned()
            }
            Unsupported::ParquetColumn if has("keep") => {
                format!("write to *.arrow, or leave the column out with {}", setter("keep"))
            }
            Unsupported::LinesOutputName => "call it *.ndjson or *.jsonl, or write to -, which is stdout".to_owned(),
            Unsupported::CsvColumn if has("keep") => {
                format!("write to *.ndjson, *.arrow or *.parquet, or leave the column out with {}", setter("keep"))
            }
            Unsupported::CsvColumn | Unsupported::NdjsonColumn => "write to *.arrow or *.parquet".to_owned(),
            Unsupported::OutputName => {
                "*.csv, *.tsv, *.ndjson and *.jsonl (with .gz, compressed), *.arrow, *.feather and *.ipc are written as named; call a Parquet file *.parquet".to_owned()
            }
            Unsupported::ModelHashInText => {
                "--if-newer alone compares times; Parquet and Arrow IPC store the hash".to_owned()
            }
            Unsupported::ManyFilesIntoOne => "name a directory as the output".to_owned(),
            Unsupported::DeltaTable => format!(
                "`cargo build --release --features delta` makes one that reads it; {} names its files without the log, \
                 deleted rows and all",
                place.path.join("*.parquet").display()
            ),
            Unsupported::IcebergTable => format!(
                "write its rows to Parquet, with pyiceberg or DuckDB's iceberg_scan; {} names its files without the \
                 metadata, deleted rows and all",
                place.path.join("data/**/*.parquet").display()
            ),
            Unsupported::HudiTable => "write its rows to Parquet first, as with Spark".to_owned(),
            Unsupported::PipeInput => "write it to a file first, or pipe it to -".to_owned(),
            _ => return None,
        },
        Error::NoModel { path } | Error::Io { action: "open", path, .. } if path.is_symlink() && !path.exists() => {
            format!("it is a link to {}, which does not exist", path.read_link().ok()?.display())
        }
        Error::NotParquet { path, .. } | Error::Io { action: "open", path, .. } if is("report") && is_called(path, "html") => {
            format!("the page is named by -o: -o {}", shell(path))
        }
        Error::NotParquet { path, .. } if is_called(path, MODEL) || is_model(path) => {
            format!("a model is named by -m: -m {}", shell(path))
        }
        Error::Io { action: "open", path, .. } if is("fit") && is_called(path, MODEL) => {
            format!("the model to write is named by -m: -m {}", shell(path))
        }
        Error::NotParquet { path, .. } if is_called(path, "json") && has("input_format") => {
            format!("{} ndjson reads one JSON object a line; {JSON_LINES}", setter("input_format"))
        }
        Error::Damaged { what, .. } if what == "line 1: not a JSON object" || what.starts_with("line 1: not valid JSON") && what.contains("EOF") => {
            format!("NDJSON has one JSON object a line; {JSON_LINES}")
        }
        Error::NotParquet { .. } if !has("input_format") => {
            "vaepipe reads Parquet and Arrow IPC, whatever they are called, and *.csv, *.tsv, *.ndjson and *.jsonl, also with .gz".to_owned()
        }
        Error::NotParquet { .. } => {
            format!("vaepipe reads Parquet and Arrow IPC, whatever they are called, and *.csv, *.tsv, *.ndjson and *.jsonl, also with .gz; {} names the format of another file", setter("input_format"))
        }
        Error::Read { place, .. } if place.path.as_os_str() == "-" => {
            format!("stdin has to be an Arrow IPC stream or NDJSON, unless {} names another format, such as csv", setter("input_format"))
        }
        Error::Read { .. } | Error::Damaged { .. } => {
            "the input has to be a whole, sound file of its format; write or copy it again".to_owned()
        }
        Error::Io { action, .. } if action.contains("scratch file") && has("spool_dir") => {
            format!("{} names a folder with room for it", setter("spool_dir"))
        }
        Error::Io { action: "open", path, source } if source.kind() == std::io::ErrorKind::NotFound => {
            match beside(path) {
                _ if path.to_string_lossy().contains(',') => "spaces separate files, commas do not".to_owned(),
                Some(near) => format!("did you mean {near}?"),
                // As in --columns a b.
                None if path.extension().is_none() && LISTS.iter().any(|list| is_set(list)) => {
                    "commas separate the values of a list, as in a,b; spaces do not".to_owned()
                }
                None => return None,
            }
        }
        Error::Io { action: "create", path, source } if source.kind() == std::io::ErrorKind::NotFound => {
            format!("make its directory first: mkdir -p {}", path.parent()?.display())
        }
        Error::NoModel { path } => match beside(path) {
            Some(near) => format!("did you mean {near}? -m names it; `vaepipe fit INPUT` makes one"),
            None => "`vaepipe fit INPUT` makes one; -m names it".to_owned(),
        },
        Error::Model { fault: ModelFault::Format(_), .. } => {
            "a model has to be whole; copy it again, or `vaepipe fit INPUT` makes one".to_owned()
        }
        Error::Model { .. } if is("inspect") => "`vaepipe fit INPUT` makes a model".to_owned(),
        Error::Model { .. } => "`vaepipe fit INPUT` makes a model; -m names it".to_owned(),
        Error::OtherCheckpoint { .. } => {
            "give the data and options it was made with, or leave --resume out to start again".to_owned()
        }
        Error::OtherModel { option, .. } => format!("leave {} out, or fit without --init", setter(option)),
        Error::Order(fault) => match &**fault {
            OrderFault::Descending { earlier: Some(_), .. } => {
                format!("{} takes earlier rows: they have to end before those after them", setter("history"))
            }
            OrderFault::Descending { column, .. } if !has("sort") => format!("sort the rows by {column}"),
            OrderFault::Descending { column, by: true, .. } => {
                format!("--sort sorts the rows of each file by {column} first")
            }
            OrderFault::Descending { column, .. } => format!(
                "--sort sorts the rows of each file by {column} first; a fit with --by tells sequences that alternate apart by a column"
            ),
            OrderFault::Missing { column, .. } => format!("--where '{column} IS NOT NULL' leaves such rows out"),
        },
        Error::Onnx(fault) => match fault {
            OnnxFault::HashedCategory { .. } => {
                "a fit with a larger --max-categories hashes no words; --exclude leaves the column out".to_owned()
            }
            OnnxFault::NamedZone { .. } => "fit on times in UTC, or leave the column out with --exclude".to_owned(),
            OnnxFault::Type { .. } | OnnxFault::NoMark { .. } => {
                "a fit with --types reads it as another type; --exclude leaves it out".to_owned()
            }
            OnnxFault::Unnamed => "name the column, and fit again".to_owned(),
            OnnxFault::Ordered => "a fit without --order-by learns each row by itself".to_owned(),
            OnnxFault::Random { .. } if is_set("score") => format!("leave it out of {}", setter("score")),
            OnnxFault::Random { .. } => "a fit with another --anomaly-score, such as elbo, has none".to_owned(),
            OnnxFault::FalseDiscoveryRate => "--alpha, --threshold and --contamination decide on each row".to_owned(),
            _ => return None,
        },
        Error::Worse(_) => {
            "--accept-worse writes it anyway, and with --resume it need not train again; a lower --lr or more rows may help"
                .to_owned()
        }
        Error::NotMeasured { .. } => "use more rows or a larger --val-fraction; --accept-worse skips the check".to_owned(),
        Error::Checkpoint { .. } => "leave --resume out to start again".to_owned(),
        Error::Device(fault) => device_hint(fault, has("batch_size")).to_owned(),
        Error::Diverged { .. } => "try a lower --lr, or --clip-norm 1".to_owned(),
        _ => return None,
    })
}

/// The same for a fault of a device, of a command with a batch size or without.
fn device_hint(fault: &DeviceFault, has_batch_size: bool) -> &'static str {
    match fault {
        DeviceFault::NoCuda { .. } => {
            "--device cpu works in every build; `cargo build --release --features cuda` makes one with CUDA"
        }
        DeviceFault::NotAvailable { .. } => {
            "`nvidia-smi` lists the devices, the first is cuda:0; --device cpu works without one"
        }
        DeviceFault::OutOfMemory { .. } if has_batch_size => {
            "a smaller --batch-size or --hidden takes less; `nvidia-smi` lists who else holds its memory; --device cpu works without it"
        }
        DeviceFault::OutOfMemory { .. } => "`nvidia-smi` lists who holds its memory; --device cpu works without it",
        DeviceFault::Failed { source } if source.to_string().contains("PTX") => {
            "the driver is older than the CUDA toolkit of this build: update it; --device cpu works without one"
        }
        DeviceFault::Failed { .. } => {
            "run it again; `nvidia-smi` says whether the device still answers; --device cpu works without one"
        }
    }
}

/// Whether a file begins like a model: with the length of a JSON object, and the object.
fn is_model(path: &Path) -> bool {
    let mut start = [0; 9];
    File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start[7..] == [0, b'{']
}

/// Whether the name of a file ends so.
fn is_called(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|it| it == extension)
}

/// The directory of a glob, if it does not exist.
fn missing_folder(glob: &Path) -> Option<PathBuf> {
    let is_plain = |part: &&Path| !part.to_string_lossy().contains(['*', '?', '[']);
    let folder = glob.ancestors().skip(1).find(is_plain)?;
    (!folder.as_os_str().is_empty() && !folder.exists()).then(|| folder.to_owned())
}
