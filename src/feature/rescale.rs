//! New scalings for the features of an existing model.

use arrow::datatypes::Schema;

use super::{Candidate, ColumnRequest, Features, Kind, Scaler};
use crate::config::{Map, Scale, VectorScale};

/// The features with a scaling, as candidates to survey the columns of `schema`, so many rows, for new ones. Vectors keep their kind
/// of scaling unless `vector_scale` is given.
pub(crate) fn rescale_candidates(
    features: &Features,
    schema: &Schema,
    rows: u64,
    scale: Scale,
    vector_scale: Option<VectorScale>,
) -> Vec<Candidate> {
    let candidate = |kind: &Kind| {
        let request = ColumnRequest {
            name: kind.column().name(),
            data_type: &kind.column().read_type(kind.column().data_type(schema)?)?,
            typed: true,
            named: true,
            given: false,
            grouped: false,
            categorical: false,
            max_categories: None,
            map: match kind {
                Kind::Number(number) => number.curve().map_or(Map::None, |curve| curve.kind()),
                _ => Map::None,
            },
            vector_scale: match kind {
                Kind::Vector(vector) => vector_scale.or(vector.scale()).unwrap_or(VectorScale::Element),
                _ => VectorScale::Element,
            },
            quantiles: matches!(scale, Scale::Robust | Scale::Asinh),
            rows,
        };
        Some(Candidate::new(kind.column().clone(), Kind::survey(&request)?))
    };
    let is_scaled = |kind: &&Kind| matches!(kind, Kind::Number(_) | Kind::Time(_) | Kind::Vector(_));
    features.kinds().iter().filter(is_scaled).filter_map(candidate).collect()
}

/// The features with new scalings from the surveyed candidates, and the columns that keep the old one, with the
/// reasons. `indicated` as in [`Features::new`].
pub(crate) fn rescale(
    features: &Features,
    surveyed: &[Candidate],
    scale: Scale,
    indicated: bool,
) -> (Features, Vec<(String, String)>) {
    let scaler = Scaler::new(scale, surveyed.iter().flat_map(Candidate::numbers));
    let mut kept = Vec::new();
    let mut replace = |kind: &Kind| -> Option<Kind> {
        let candidate = surveyed.iter().find(|candidate| candidate.column() == kind.column())?;
        let scaled = candidate.fit(&scaler).map_err(|rejection| rejection.reason).and_then(|other| {
            with_scaling(kind, &other).ok_or_else(|| "has other constants, lengths or curves now".to_owned())
        });
        scaled.map_err(|reason| kept.push((kind.column().to_string(), reason))).ok()
    };
    let kinds = features.kinds().iter().map(|kind| replace(kind).unwrap_or_else(|| kind.clone())).collect();
    (Features::grouped(kinds, features.given().to_vec(), indicated), kept)
}

/// A feature with the scaling of another, if both have the same elements.
fn with_scaling(kind: &Kind, other: &Kind) -> Option<Kind> {
    match (kind, other) {
        (Kind::Number(number), Kind::Number(other)) => number.with_scaling_of(other).map(Kind::Number),
        (Kind::Time(time), Kind::Time(other)) => Some(Kind::Time(time.with_scaling_of(other))),
        (Kind::Vector(vector), Kind::Vector(other)) => vector.with_scaling_of(other).map(Kind::Vector),
        _ => None,
    }
}
