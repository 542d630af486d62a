//! New scaling for features that stay what they are.

use arrow::datatypes::Schema;

use super::{Candidate, ColumnRequest, Features, Kind, Scaler};
use crate::config::{Map, Scale, VectorScale};

/// The features that have a scaling, as candidates for another one from the columns of `schema`; the numbers of vectors as
/// before, unless `vector_scale` says how.
pub(crate) fn to_rescale(
    features: &Features,
    schema: &Schema,
    scale: Scale,
    vector_scale: Option<VectorScale>,
) -> Vec<Candidate> {
    let candidate = |kind: &Kind| {
        let wanted = ColumnRequest {
            data_type: kind.column().data_type(schema)?,
            named: true,
            categorical: false,
            max_categories: 2,
            map: match kind {
                Kind::Number(number) => number.curve().map_or(Map::None, |curve| curve.kind()),
                _ => Map::None,
            },
            vector_scale: match kind {
                Kind::Vector(vector) => vector_scale.or(vector.scale()).unwrap_or(VectorScale::Element),
                _ => VectorScale::Element,
            },
            quantiles: matches!(scale, Scale::Robust | Scale::Asinh),
        };
        Some(Candidate::new(kind.column().clone(), Kind::survey(&wanted)?))
    };
    let is_scaled = |kind: &&Kind| matches!(kind, Kind::Number(_) | Kind::Time(_) | Kind::Vector(_));
    features.kinds().iter().filter(is_scaled).filter_map(candidate).collect()
}

/// The features with the scaling that the candidates found, and each that keeps the one it has, with the reason.
/// `indicated` as in [`Features::new`].
pub(crate) fn rescaled(
    features: &Features,
    surveyed: &[Candidate],
    scale: Scale,
    indicated: bool,
) -> (Features, Vec<(String, String)>) {
    let scaler = Scaler::new(scale, surveyed.iter().flat_map(Candidate::numbers));
    let mut kept = Vec::new();
    let mut anew = |kind: &Kind| -> Option<Kind> {
        let candidate = surveyed.iter().find(|candidate| candidate.column() == kind.column())?;
        let scaled = candidate.fit(&scaler).map_err(|unfit| unfit.reason).and_then(|other| {
            of_other(kind, &other).ok_or_else(|| "has other constants, lengths or curves now".to_owned())
        });
        scaled.map_err(|reason| kept.push((kind.column().to_string(), reason))).ok()
    };
    let kinds = features.kinds().iter().map(|kind| anew(kind).unwrap_or_else(|| kind.clone())).collect();
    (Features::grouped(kinds, indicated), kept)
}

/// A feature with the scaling of another, if that is one of the same elements.
fn of_other(kind: &Kind, other: &Kind) -> Option<Kind> {
    match (kind, other) {
        (Kind::Number(number), Kind::Number(other)) => number.rescaled(other).map(Kind::Number),
        (Kind::Time(time), Kind::Time(other)) => Some(Kind::Time(time.rescaled(other))),
        (Kind::Vector(vector), Kind::Vector(other)) => vector.rescaled(other).map(Kind::Vector),
        _ => None,
    }
}
