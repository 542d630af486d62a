//! A model as an ONNX graph: columns in, scores out.
//!
//! The graph does what `feature`, `model` and `score` do, in the operators of ONNX, and shares only their constants: a program
//! that runs it needs nothing of this one. `feature/recipe.rs` tells how columns are encoded. What ONNX cannot express is an
//! [`OnnxFault`] before anything is written.

#![forbid(unsafe_code)]

mod circles;
mod clusters;
mod column;
mod curves;
mod directions;
mod feedback;
mod file;
mod graph;
mod groups;
mod inputs;
mod losses;
mod marginals;
mod neighbors;
mod network;
mod row;
mod schema;
mod scores;
mod surprises;
mod tails;
mod values;
mod words;

use serde_json::json;

use self::directions::GraphRows;
pub use self::file::{OnnxFile, OnnxInput};
use self::graph::{GraphBuilder, Tensor};
use self::row::RowColumns;
use self::schema::ElementType;
use self::tails::{OF_DISTANCES, OF_SUMS, TailGraph, least_reaching, reaches};
use crate::artifact::Model;
use crate::config::ExportConfig;
use crate::error::{Error, OnnxFault, Result};
use crate::score::{ANOMALY_SCORE, AnomalyRule, Rule, SCORES, Score};

/// The score of random draws.
const RANDOM: &str = "elbo_iw";

impl Model {
    /// The model as an ONNX file: a graph of standard operators, with an input for each column and an output for latents and
    /// scores. Shapes are `[rows]`, or `[rows, n]` of lists and latents; rows without a known value have NaN scores and are no
    /// anomalies.
    ///
    /// # Errors
    /// [`Error::Onnx`] if ONNX cannot express the model, [`Error::UnknownScore`], [`Error::NotCalibrated`],
    /// [`Error::AlphaTooLow`] and [`Error::OptionRange`] for options, [`Error::NameClash`] if an output has the name of a
    /// column.
    pub fn to_onnx(&self, config: &ExportConfig) -> Result<OnnxFile> {
        config.check()?;
        let metadata = self.metadata();
        if metadata.sequence.is_some() {
            return Err(OnnxFault::Ordered.into());
        }
        let rule = AnomalyRule::new(&metadata.scoring, config.decision, config.ignore_above_p)?;
        if let Some(Rule::Fdr(_)) = rule.rule() {
            return Err(OnnxFault::FalseDiscoveryRate.into());
        }
        let anomaly_score = Score::named("anomaly_score", &metadata.scoring.anomaly_score, |_| true)?;
        let scores = self.exported_scores(config)?;
        let random = scores.iter().copied().chain([anomaly_score]).find(|score| score.name == RANDOM);
        if let Some(score) = random {
            return Err(OnnxFault::Random { score: score.name }.into());
        }
        let mut columns = RowColumns::of(self)?;
        let mut graph = GraphBuilder::default();
        let clash = |column: &str| Error::NameClash { path: "the model".into(), column: column.to_owned() };
        for input in columns.inputs() {
            if !graph.reserve(&input.name) {
                return Err(clash(&input.name));
            }
            input.declare(&mut graph);
        }
        let names = scores.iter().map(|score| score.name);
        let names = names.chain([
            "z",
            "z_std",
            "reconstruction",
            "cluster",
            "cluster_p",
            ANOMALY_SCORE,
            "p_value",
            "is_anomaly",
        ]);
        for name in names.map(|name| format!("{}{name}", config.prefix)) {
            if !graph.reserve(&name) {
                return Err(clash(&name));
            }
        }
        let inputs: Vec<OnnxInput> = columns.inputs().map(|input| OnnxInput::of(input)).collect();
        let row = columns.encode(&mut graph, self.features(), metadata.provenance.rows);
        let mut rows = GraphRows::of(&mut graph, self, row, anomaly_score);
        self.add_outputs(&mut graph, &mut rows, (&scores, anomaly_score), (config, &rule));
        let mut keys = self.keys(Some(anomaly_score.name));
        keys.push(("vaepipe.inputs".to_owned(), json!(inputs).to_string()));
        Ok(OnnxFile::new(graph, inputs, config.opset, keys)?)
    }

    /// The scores that are given out beside the anomaly score: the first of the table, and those asked for.
    fn exported_scores(&self, config: &ExportConfig) -> Result<Vec<&'static Score>> {
        let computes = |score: &Score| score.needs() <= self.scorer().stored();
        let all = config.score.iter().any(|name| name == "all");
        let named = config.score.iter().filter(|name| !["all", ANOMALY_SCORE].contains(&name.as_str()));
        let named: Vec<&str> =
            named.map(|name| Ok(Score::named("score", name, computes)?.name)).collect::<Result<_>>()?;
        let is_wanted = |n: usize, score: &Score| {
            n == 0 || named.contains(&score.name) || (all && computes(score) && score.name != RANDOM)
        };
        Ok(SCORES.iter().enumerate().filter(|(n, score)| is_wanted(*n, score)).map(|(_, score)| score).collect())
    }

    fn add_outputs(
        &self,
        graph: &mut GraphBuilder,
        rows: &mut GraphRows<'_>,
        (scores, anomaly_score): (&[&'static Score], &'static Score),
        (config, rule): (&ExportConfig, &AnomalyRule),
    ) {
        let name = |name: &str| format!("{}{name}", config.prefix);
        let latent_dim = Some(self.metadata().network.latent_dim);
        let first = rows.own.first();
        let mean = first.posterior.mean.clone();
        graph.output(&name("z"), &mean, ElementType::Float, latent_dim, "posterior means");
        if config.std {
            graph.section("z_std");
            let std = rows.own.first().posterior.std(graph);
            let about = "posterior standard deviations";
            graph.output(&name("z_std"), &std, ElementType::Float, latent_dim, about);
        }
        if config.reconstruction {
            let expected = rows.own.first().losses.expected.clone();
            let outputs = self.features().layout().outputs();
            let about = "what the decoder expects of every learned value";
            graph.output(&name("reconstruction"), &expected, ElementType::Float, Some(outputs), about);
        }
        if let Some(clusters) = self.clusters() {
            let [cluster, p] = clusters::assigned(graph, clusters, &mean);
            let [zero, nan] = [0.0, f32::NAN].map(|it| graph.floats(&[it]));
            let is_known = graph.op("Greater", &[&rows.own.row.known, &zero]);
            let none = graph.ints(&[-1]);
            let none = graph.cast(&none, ElementType::Int32);
            let cluster = graph.op("Where", &[&is_known, &cluster, &none]);
            let p = graph.op("Where", &[&is_known, &p, &nan]);
            let about = "the cluster, -1 without a known value";
            self.output_column(graph, &name("cluster"), &cluster, ElementType::Int32, about);
            self.output_column(graph, &name("cluster_p"), &p, ElementType::Float, "the probability of the cluster");
        }
        let elements = self.features().layout().inputs();
        let ranked = rows.scored(graph, |rows, graph| rows.anomaly_score(graph, anomaly_score));
        for score in scores {
            let is_ranked = score.name == anomaly_score.name && !self.scorer().standardises(score);
            let column = match (is_ranked, self.scorer().adjusts()) {
                (true, false) => ranked.clone(),
                (true, true) => rows.scored(graph, |rows, graph| rows.unadjusted_score(graph, score)),
                (false, _) => rows.scored(graph, |rows, graph| rows.score(graph, score)),
            };
            self.output_column(graph, &name(score.name), &column, ElementType::Float, score.about);
        }
        let about = format!("the score that ranks rows, {}", anomaly_score.name);
        self.output_column(graph, &name(ANOMALY_SCORE), &ranked, ElementType::Float, &about);
        graph.section("p_value");
        let zero = graph.floats(&[0.0]);
        let is_known = graph.op("Greater", &[&rows.own.row.known, &zero]);
        let (rounding, terms) = if anomaly_score.needs_neighbors() { (OF_DISTANCES, 0) } else { (OF_SUMS, elements) };
        let p_value = self.metadata().scoring.calibration.as_ref().map(|tail| {
            let (p, nan) =
                (TailGraph { tail, elements: terms, rounding }.p_value(graph, &ranked), graph.doubles(&[f64::NAN]));
            graph.op("Where", &[&is_known, &p, &nan])
        });
        if let Some(p_value) = &p_value {
            let about = "the share of calibration rows that score at least as high";
            self.output_column(graph, &name("p_value"), p_value, ElementType::Double, about);
        }
        graph.section("is_anomaly");
        let decided = match (rule.rule(), &p_value) {
            (Some(Rule::PValue(most)), Some(p_value)) => {
                let most = graph.doubles(&[most]);
                graph.op("LessOrEqual", &[p_value, &most])
            }
            (Some(Rule::Score(least)), _) => {
                let least = least_reaching(&self.metadata().scoring.training, least, elements);
                reaches(graph, &ranked, least)
            }
            _ => return,
        };
        let decided = match (rule.ignore_above_p(), &p_value) {
            (Some(most), Some(p_value)) => {
                let most = graph.doubles(&[most]);
                let counts = graph.op("LessOrEqual", &[p_value, &most]);
                graph.op("And", &[&decided, &counts])
            }
            _ => decided,
        };
        let is_anomaly = graph.op("And", &[&decided, &is_known]);
        self.output_column(graph, &name("is_anomaly"), &is_anomaly, ElementType::Bool, "whether the row is an anomaly");
    }

    /// Gives out `[rows, 1]` as `[rows]`.
    fn output_column(&self, graph: &mut GraphBuilder, name: &str, from: &Tensor, of: ElementType, about: &str) {
        graph.section(name);
        let axis = graph.ints(&[1]);
        let flat = graph.op("Squeeze", &[from, &axis]);
        graph.output(name, &flat, of, None, about);
    }
}
