//! `vaepipe thresholds`.

use std::path::PathBuf;

use clap::Args;
use indicatif::HumanCount;
use serde_json::json;
use vaepipe::{
    AlertCounts, AlertsAt, Per, PeriodUnit, Source, SourceConfig, Spread, Thresholds, ThresholdsConfig, thresholds,
};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::output::table::{in_lines, table_of, to_the_right};
use crate::cli::output::{self, OutputFormat, labelled, percent, shown as shown_name};

/// Count the alerts that other thresholds would make
///
/// Example: vaepipe thresholds scored/ --per time:day --alerts 5
///
/// Of the scores that a transform wrote: how many rows are alerts at a range of p-values and of scores, in the mean and at most
/// in a day and in a group, and which flag makes the alerts that are wanted. Periods are in UTC; those without a row do not
/// count.
#[derive(Debug, Args)]
pub(crate) struct ThresholdsCommand {
    /// Files, directories, or globs in quotes that a transform wrote, read as one table; - is stdin
    #[arg(required = true, value_name = "SCORED")]
    scored: Vec<PathBuf>,
    /// Count by these: COL:hour, COL:day, COL:week or COL:month of one column of times, and columns of groups
    #[arg(long, value_delimiter = ',', value_name = "COL,...", help_heading = "Columns")]
    per: Vec<Per>,
    /// Find the threshold that makes at most so many alerts a period, or in all without one [default: none]
    #[arg(long, value_name = "N", help_heading = "Anomalies")]
    alerts: Option<f64>,
    /// The result on stdout: tables, or one JSON object
    #[arg(long, alias = "format", default_value = "text", value_name = "FORMAT", help_heading = "Output")]
    summary: OutputFormat,
    #[command(flatten)]
    rows: SourceConfig,
}

/// Most periods, the last ones, and most groups, those of the most alerts, in the text.
const MOST_SHOWN: usize = 31;

/// The p-values at which alerts of a period or group are shown.
const SHOWN: [f64; 3] = [0.001, 0.01, 0.05];

impl ThresholdsCommand {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { scored, per, alerts, summary, rows } = self;
        let mut config = ThresholdsConfig::default();
        (config.per, config.alerts) = (per, alerts);
        let source = Source::open(&scored, &rows, &context.signals.stop)?;
        let found = thresholds(&source.table(&std::env::temp_dir())?, &config, &context.signals.stop)?;
        output::stdout(&match summary {
            OutputFormat::Json => format!("{}\n", whole(&found)),
            OutputFormat::Text => text(&found, alerts),
        })
    }
}

/// Everything there is to say, for a program: with the flag that makes the wanted alerts.
fn whole(found: &Thresholds) -> serde_json::Value {
    let mut told = json!(found);
    told["flag"] = json!(found.wanted.as_ref().and_then(flag));
    told
}

/// The flag of a transform that makes these alerts.
fn flag(wanted: &AlertsAt) -> Option<String> {
    // In full, so that the row itself is one.
    wanted.score.map(|score| format!("--threshold {score}"))
}

fn text(found: &Thresholds, alerts: Option<f64>) -> String {
    let Thresholds { rows, unit, periods, groups, by_p_value, by_score, wanted, .. } = found;
    let in_periods = unit.zip(*periods).map(|(unit, periods)| format!(" in {} {unit}s", HumanCount(periods)));
    let in_groups = groups.map(|groups| format!(" of {} groups", HumanCount(groups)));
    let parts = [in_periods, in_groups].map(Option::unwrap_or_default).concat();
    let mut text = labelled(&[("rows", format!("{} with a score{parts}", HumanCount(*rows)))]);
    for (by, all) in [("p-value", by_p_value), ("score", by_score)] {
        if !all.is_empty() {
            text.push('\n');
            text.push_str(&table(by, all, *unit, groups.is_some()));
        }
    }
    let first = found.each_period.len().saturating_sub(MOST_SHOWN);
    let period = unit.map_or_else(String::new, |unit| format!("{unit} from"));
    for (head, all) in [(period.as_str(), &found.each_period[first..]), ("group", found.each_group.as_slice())] {
        if !all.is_empty() {
            text.push('\n');
            text.push_str(&each(head, &all[..all.len().min(MOST_SHOWN)], found));
        }
    }
    if let (Some(wanted), Some(alerts)) = (wanted, alerts) {
        let of = unit.map_or_else(|| "in all".to_owned(), |unit| format!("a {unit}"));
        let found = match flag(wanted) {
            Some(flag) => {
                let mean =
                    wanted.periods.as_ref().map(|spread| format!(", {:.2} {of}", spread.mean)).unwrap_or_default();
                format!("{flag} makes {} alerts{mean}", HumanCount(wanted.alerts))
            }
            None => "no score makes so few: the highest one is that of more rows".to_owned(),
        };
        text.push('\n');
        text.push_str(&labelled(&[("wanted", format!("at most {alerts} {of}: {found}"))]));
    }
    text
}

/// A table of periods or groups: their alerts at a few thresholds.
fn each(head: &str, all: &[AlertCounts], found: &Thresholds) -> String {
    let of_score = found.by_p_value.is_empty();
    let mut heads = vec![head.to_owned(), "rows".to_owned()];
    let shown: Vec<usize> = match of_score {
        true => (0..found.by_score.len().min(3)).collect(),
        false => {
            (0..found.by_p_value.len()).filter(|&n| SHOWN.map(Some).contains(&found.by_p_value[n].p_value)).collect()
        }
    };
    for &n in &shown {
        heads.push(match of_score {
            true => found.by_score[n].score.map_or_else(|| "none".to_owned(), |score| format!("from {score:.4}")),
            false => found.by_p_value[n].p_value.map_or_else(String::new, |p| format!("p up to {p}")),
        });
    }
    heads.extend(found.wanted.is_some().then(|| "wanted".to_owned()));
    let columns = heads.len();
    let mut table = table_of(heads);
    for part in all {
        let name = if part.name.is_empty() { "missing" } else { &part.name };
        let counts = if of_score { &part.by_score } else { &part.by_p_value };
        let counts = shown.iter().map(|&n| counts[n]).chain(part.wanted);
        let cells = [shown_name(name), HumanCount(part.rows).to_string()];
        table.add_row(cells.into_iter().chain(counts.map(|count| HumanCount(count).to_string())));
    }
    to_the_right(&mut table, 1..=columns - 1);
    in_lines(&table)
}

/// A table of thresholds of one kind.
fn table(by: &str, all: &[AlertsAt], unit: Option<PeriodUnit>, grouped: bool) -> String {
    let least = if by == "score" { "from" } else { "up to" };
    let mut heads = vec![format!("{by} {least}"), "alerts".to_owned(), "share".to_owned()];
    let of_unit = |unit| [format!("a {unit}"), format!("most in a {unit}"), format!("{unit}s without")];
    heads.extend(unit.map(of_unit).into_iter().flatten());
    heads.extend(grouped.then(|| ["most in a group", "groups without"].map(str::to_owned)).into_iter().flatten());
    let columns = heads.len();
    let mut table = table_of(heads);
    for at in all {
        let least = match by {
            "score" => at.score.map(|score| format!("{score:.4}")),
            _ => at.p_value.map(|p| p.to_string()),
        };
        let share = percent(at.share);
        let mut cells = vec![least.unwrap_or_else(|| "none".to_owned()), HumanCount(at.alerts).to_string(), share];
        let spread = |spread: &Spread, mean: bool| {
            let mean = mean.then(|| format!("{:.2}", spread.mean));
            mean.into_iter()
                .chain([spread.most, spread.without].map(|it| HumanCount(it).to_string()))
                .collect::<Vec<_>>()
        };
        cells.extend(at.periods.iter().flat_map(|it| spread(it, true)));
        cells.extend(at.groups.iter().flat_map(|it| spread(it, false)));
        table.add_row(cells);
    }
    to_the_right(&mut table, 0..=columns - 1);
    in_lines(&table)
}
