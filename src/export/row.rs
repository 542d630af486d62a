//! The row vector: what the encoder sees of a row, and which of its elements are known.

#![forbid(unsafe_code)]

use super::column::{ColumnInput, MissingMark};
use super::graph::{GraphBuilder, Tensor};
use super::groups::standardised;
use super::schema::ElementType;
use super::surprises;
use super::values::{ValueBlock, encoded};
use super::words::{differs, numbers, one_hot};
use crate::feature::{Features, GivenElement, Layout, Recipe, WatchedRecipe};

/// The columns of a model as inputs.
pub(super) struct RowColumns<'a> {
    pub(super) learned: Vec<(Recipe<'a>, ColumnInput)>,
    pub(super) given: Vec<(Recipe<'a>, ColumnInput)>,
    pub(super) watched: Vec<(WatchedRecipe, ColumnInput)>,
}

/// Rows in the graph.
#[derive(Clone)]
pub(super) struct RowVector {
    /// Numbers and Booleans, `[rows, values]`, standardised by group and 0 where missing, and a mask of those that are known.
    pub(super) values: Option<[Tensor; 2]>,
    /// Each category as a 1 among its classes, `[rows, classes]`; zeros where missing.
    pub(super) categories: Vec<Tensor>,
    /// Whether each category is known, `[rows, 1]`.
    pub(super) categories_known: Vec<Tensor>,
    /// The number of known elements, `[rows, 1]`.
    pub(super) known: Tensor,
    /// The given inputs, which the decoder sees as well.
    pub(super) given: Option<Tensor>,
    /// The surprise, f64 `[rows, 1]`; `None` if no value can be one.
    pub(super) surprise: Option<Tensor>,
    /// The number of the group of each given column that has groups, by its element: `[rows, 1]`, -1 if unknown.
    pub(super) groups: Vec<(usize, Tensor)>,
}

impl RowColumns<'_> {
    /// All inputs.
    pub(super) fn inputs(&mut self) -> impl Iterator<Item = &mut ColumnInput> {
        let features = self.learned.iter_mut().chain(&mut self.given).map(|(_, input)| input);
        features.chain(self.watched.iter_mut().map(|(_, input)| input))
    }

    /// Encodes rows as features of a fit to `rows` rows.
    pub(super) fn encode(&self, graph: &mut GraphBuilder, features: &Features, rows: u64) -> RowVector {
        let layout = features.layout();
        let (given, groups) = self.given_inputs(graph, features);
        let values = encoded(graph, &self.learned, false).values;
        let values = values.map(|values| {
            graph.section("groups");
            let values = layout
                .given()
                .norms()
                .iter()
                .fold(values, |values, norms| standardised(graph, &values, norms, &groups, layout.values()));
            graph.section("features");
            let is_missing = graph.op("IsNaN", &[&values]);
            let (zero, is_known) = (graph.floats(&[0.0]), graph.op("Not", &[&is_missing]));
            [graph.op("Where", &[&is_missing, &zero, &values]), graph.cast(&is_known, ElementType::Float)]
        });
        let (mut categories, mut categories_known, mut of_words) = (Vec::new(), Vec::new(), Vec::new());
        for (feature, (recipe, column)) in self.learned.iter().enumerate() {
            if let Recipe::Category { .. } = recipe {
                let classes = layout.spans()[features.elements(feature).start].encoder.len();
                graph.section(format!("category {}", column.name));
                let (class, unseen) = numbers(graph, column, recipe);
                if features.kinds()[feature].missing() == 0 && column.missing != MissingMark::Never {
                    let missing = graph.ints(&[-1]);
                    let is_missing = graph.op("Equal", &[&class, &missing]);
                    of_words.push((is_missing, features.unseen_nats(feature, rows)));
                }
                let category = one_hot(graph, &class, classes);
                categories_known.push(graph.sum(&category, true));
                categories.push(category);
                of_words.extend(unseen.map(|unseen| (unseen, features.unseen_nats(feature, rows))));
            }
        }
        for (recipe, column) in &self.watched {
            graph.section(format!("constant {}", column.name));
            of_words.push((differs(graph, column, recipe), recipe.surprise));
        }
        graph.section("surprises");
        let missing =
            values.as_ref().and_then(|[_, known]| surprises::missing(graph, &self.learned, (features, rows), known));
        let signs = surprises::signs(graph, &self.learned, (features, rows));
        let words = (!of_words.is_empty()).then(|| {
            let (flags, nats): (Vec<Tensor>, Vec<f64>) = of_words.into_iter().unzip();
            let flags = graph.beside(&flags);
            let flags = graph.cast(&flags, ElementType::Double);
            let nats = graph.doubles(&nats);
            let nats = graph.op("Mul", &[&flags, &nats]);
            graph.sum(&nats, true)
        });
        let all = [words, missing, signs].into_iter().flatten();
        let surprise = all.reduce(|sum, surprise| graph.op("Add", &[&sum, &surprise]));
        graph.section("features");
        let mut known = categories_known.clone();
        known.extend(values.iter().map(|[_, known]| known.clone()));
        let known = graph.beside(&known);
        let known = graph.sum(&known, true);
        RowVector { values, categories, categories_known, known, given, surprise, groups }
    }

    /// What the network sees of the given columns, and the numbers of their groups.
    fn given_inputs(&self, graph: &mut GraphBuilder, features: &Features) -> (Option<Tensor>, Vec<(usize, Tensor)>) {
        let ValueBlock { values, places } = encoded(graph, &self.given, true);
        let seen = features.layout().given().seen();
        let (mut inputs, mut groups, mut element) = (Vec::new(), Vec::new(), 0);
        for (((recipe, column), (from, count)), kind) in self.given.iter().zip(places).zip(features.given()) {
            graph.section(format!("given {}", column.name));
            if let Recipe::Group { .. } = recipe {
                let (group, _) = numbers(graph, column, recipe);
                if let GivenElement::OneHot(count) = seen[element] {
                    inputs.push(one_hot(graph, &group, count));
                }
                groups.push((element, group));
                element += 1;
                continue;
            }
            for (place, seen) in (from..from + count).zip(&seen[element..]) {
                if let (GivenElement::Value { indicator }, Some(values)) = (seen, &values) {
                    let value = graph.columns(values, place, place + 1);
                    let (is_missing, zero) = (graph.op("IsNaN", &[&value]), graph.floats(&[0.0]));
                    inputs.push(graph.op("Where", &[&is_missing, &zero, &value]));
                    if *indicator {
                        inputs.push(graph.cast(&is_missing, ElementType::Float));
                    }
                }
            }
            element += kind.elements();
        }
        let inputs = (!inputs.is_empty()).then(|| graph.beside(&inputs));
        (inputs, groups)
    }
}

impl RowVector {
    /// What the encoder sees of the rows if these are their [`values`](Self::values), `[rows, inputs]`.
    pub(super) fn encoder_input(
        &self,
        graph: &mut GraphBuilder,
        layout: &Layout,
        values: Option<[&Tensor; 2]>,
    ) -> Tensor {
        graph.section("features");
        let mut seen: Vec<Tensor> = values.iter().map(|[values, _]| (*values).clone()).collect();
        seen.extend(self.categories.iter().cloned());
        let indicated = layout.spans().iter().enumerate().filter(|(_, span)| span.indicator.is_some());
        let indicated: Vec<i64> = indicated.map(|(element, _)| element as i64).collect();
        if let (Some([_, known]), false) = (values, indicated.is_empty()) {
            // Only values have indicators.
            let (indicated, one) = (graph.ints(&indicated), graph.floats(&[1.0]));
            let known = graph.gather(known, &indicated, 1);
            seen.push(graph.op("Sub", &[&one, &known]));
        }
        seen.extend(self.given.iter().cloned());
        graph.beside(&seen)
    }
}
