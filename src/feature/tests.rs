//! Round trips through every kind: values are written and read back.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, TimeUnit};
use arrow::util::display::array_value_to_string;
use proptest::prelude::*;

use super::{Column, ColumnRequest, Features, Kind, Scaler};
use crate::config::{Map, Scale, VectorScale};

/// The feature fitted to some values, if they can be learned.
fn fitted(array: &ArrayRef, map: Map, scale: Scale) -> Option<Kind> {
    let request = ColumnRequest {
        name: "x",
        data_type: array.data_type(),
        typed: false,
        named: true,
        given: false,
        grouped: false,
        categorical: false,
        max_categories: Some(5),
        map,
        vector_scale: VectorScale::Element,
        quantiles: true,
        rows: array.len() as u64,
    };
    let mut survey = Kind::survey(&request).unwrap();
    survey.update(&array.slice(0, array.len() / 3)).unwrap();
    survey.update(&array.slice(array.len() / 3, array.len() - array.len() / 3)).unwrap();
    survey.finish();
    if survey.rejection().is_some() {
        return None;
    }
    survey.fit(Column::root("x"), &Scaler::new(scale, survey.numbers().into_iter())).ok()
}

/// The values written by two adjacent features, and read back from the first.
fn round_trip(kind: &Kind, array: &ArrayRef) -> ArrayRef {
    let width = kind.feature().shape().elements;
    let twice = Features::new(vec![kind.clone(), kind.clone()], Vec::new(), false).unwrap();
    let mut block = vec![7.0; array.len() * 2 * width];
    twice
        .write(&RecordBatch::try_from_iter_with_nullable([("x", array.clone(), true)]).unwrap(), &mut block, &mut [])
        .unwrap();
    let half = |half: usize| -> Vec<f32> {
        block.chunks_exact(2 * width).flat_map(|row| row[half * width..][..width].to_vec()).collect()
    };
    let bits = |elements: &[f32]| elements.iter().map(|element| element.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&half(0)), bits(&half(1)), "the feature wrote outside its elements");
    kind.feature().read(&half(0), array.data_type()).unwrap()
}

fn numbers(array: &ArrayRef) -> Vec<Option<f64>> {
    let plain = if array.data_type().is_temporal() { cast(array, &DataType::Int64).unwrap() } else { array.clone() };
    cast(&plain, &DataType::Float64).unwrap().as_primitive::<Float64Type>().iter().collect()
}

/// Checks that numbers come back within `share` of their range plus `unit`.
fn close(before: &ArrayRef, after: &ArrayRef, share: f64, unit: f64) -> Result<(), TestCaseError> {
    prop_assert_eq!(before.data_type(), after.data_type());
    let (before, after) = (numbers(before), numbers(after));
    let known = || before.iter().flatten().copied();
    let (least, most) = (known().fold(f64::MAX, f64::min), known().fold(f64::MIN, f64::max));
    for (before, after) in before.iter().zip(&after) {
        match (before, after) {
            (Some(before), Some(after)) => {
                prop_assert!((before - after).abs() <= share * (most - least) + unit, "{before} {after}");
                // A decimal may hold digits that f64 rounds.
                let tolerance = 1e-15 * (most - least);
                prop_assert!(
                    least - tolerance <= *after && *after <= most + tolerance,
                    "{after} is not within {least} and {most}"
                );
            }
            (before, after) => prop_assert_eq!(before, after),
        }
    }
    Ok(())
}

/// Number types, each with its rounding error.
fn number_types() -> Vec<(DataType, f64)> {
    let units = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
    let whole = [DataType::Int16, DataType::Int64, DataType::Date32];
    let times = units.into_iter().flat_map(|unit| {
        let zones = [None, Some("Europe/Berlin".into()), Some("+09:30".into())];
        zones.map(|zone| DataType::Timestamp(unit, zone)).into_iter().chain([DataType::Duration(unit)])
    });
    let decimals = [DataType::Decimal128(12, 2), DataType::Decimal256(60, 30)];
    let exact = [DataType::Float32, DataType::Float64].into_iter().chain(decimals).map(|of| (of, 0.01));
    whole.into_iter().chain(times).map(|of| (of, 1.0)).chain(exact).chain([(DataType::Float16, 20.0)]).collect()
}

fn with_nulls<T: std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<Option<T>>> {
    prop::collection::vec(prop::option::weighted(0.8, value), 3..200)
}

#[test]
fn asinh_scaling_is_asinh_of_robust_scaling_and_leaves_other_curves_alone() {
    let array: ArrayRef = Arc::new(Float64Array::from_iter_values((1..=40).map(|n| f64::from(n).powi(2) / 9.0)));
    let elements = |map, scale| {
        let features = Features::new(vec![fitted(&array, map, scale).unwrap()], Vec::new(), false).unwrap();
        let mut elements = vec![0.0; array.len()];
        features.write(&RecordBatch::try_from_iter([("x", array.clone())]).unwrap(), &mut elements, &mut []).unwrap();
        elements
    };
    for (asinh, robust) in elements(Map::Asinh, Scale::Asinh).iter().zip(elements(Map::None, Scale::Robust)) {
        assert!((asinh - robust.asinh()).abs() < 1e-5, "{asinh} {robust}");
    }
    assert_eq!(elements(Map::Log1p, Scale::Asinh), elements(Map::Log1p, Scale::Robust));
}

proptest! {
    #[test]
    fn numbers_and_times_of_every_type(values in with_nulls(-30_000_i64..30_000), from in 0_usize..3) {
        let plain: ArrayRef = Arc::new(Int64Array::from(values));
        for (data_type, unit) in number_types() {
            let narrow = match data_type {
                DataType::Date32 => cast(&plain, &DataType::Int32).unwrap(),
                DataType::Float16 => cast(&plain, &DataType::Float32).unwrap(),
                _ => plain.clone(),
            };
            let array = cast(&narrow, &data_type).unwrap();
            let array = array.slice(from, array.len() - from);
            for scale in [Scale::Minmax, Scale::Standard, Scale::None] {
                if let Some(kind) = fitted(&array, Map::None, scale) {
                    close(&array, &round_trip(&kind, &array), 1e-6, unit)?;
                }
            }
        }
    }

    #[test]
    fn numbers_on_every_curve(values in with_nulls(-8.0..8.0), from in 0_usize..3) {
        let values = values.into_iter().map(|x: Option<f64>| x.map(|x| x.exp() - 1.0));
        let array: ArrayRef = Arc::new(values.collect::<Float64Array>());
        let array = array.slice(from, array.len() - from);
        for map in [Map::Asinh, Map::Log1p, Map::Quantile] {
            if let Some(kind) = fitted(&array, map, Scale::Standard) {
                // A quantile curve takes the ends of the ranks to one place.
                let share = if map == Map::Quantile { 0.05 } else { 1e-4 };
                close(&array, &round_trip(&kind, &array), share, 0.0)?;
            }
        }
    }

    #[test]
    fn flags(values in with_nulls(any::<bool>()), from in 0_usize..3) {
        let array: ArrayRef = Arc::new(BooleanArray::from(values));
        let array = array.slice(from, array.len() - from);
        if let Some(kind) = fitted(&array, Map::None, Scale::Standard) {
            let after = round_trip(&kind, &array);
            prop_assert_eq!(after.as_boolean(), array.as_boolean());
        }
    }

    #[test]
    fn words_in_every_encoding(values in with_nulls(prop::sample::select(vec!["", "a", "b", "c", "d", "a longer word"])), from in 0_usize..3) {
        let plain: ArrayRef = Arc::new(StringArray::from(values));
        let dictionary = |keys| DataType::Dictionary(Box::new(keys), Box::new(DataType::Utf8));
        for data_type in
            [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View, dictionary(DataType::UInt8), dictionary(DataType::Int64)]
        {
            let array = cast(&plain, &data_type).unwrap();
            let array = array.slice(from, array.len() - from);
            let kind = fitted(&array, Map::None, Scale::Standard);
            // Hashed words share a class with any other.
            let Some(kind) = kind.filter(|kind| !kind.describe().contains("hashed")) else { continue };
            let after = round_trip(&kind, &array);
            prop_assert_eq!(after.data_type(), &data_type);
            let text = |array: &ArrayRef, row| {
                array.is_valid(row).then(|| array_value_to_string(array, row).unwrap())
            };
            let mut counts = BTreeMap::new();
            (0..array.len()).for_each(|row| *counts.entry(text(&array, row)).or_insert(0) += 1);
            for row in 0..array.len() {
                let (before, after) = (text(&array, row), text(&after, row));
                // Words that share a class cannot be distinguished.
                prop_assert!(after == before || (after.is_none() && counts.len() > 3), "{before:?} {after:?}");
            }
        }
    }

    #[test]
    fn vectors_in_every_list(
        values in with_nulls(prop::collection::vec(prop::option::weighted(0.9, -100_i32..100), 3)),
        from in 0_usize..3,
    ) {
        let lists = values.into_iter().map(|list| Some(list?.into_iter().map(|x| x.map(f64::from)).collect::<Vec<_>>()));
        let plain: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(lists));
        let item = || Arc::new(Field::new("item", DataType::Float64, true));
        for data_type in [DataType::List(item()), DataType::LargeList(item()), DataType::FixedSizeList(item(), 3)] {
            let array = cast(&plain, &data_type).unwrap();
            let array = array.slice(from, array.len() - from);
            let Some(kind) = fitted(&array, Map::None, Scale::Standard) else { continue };
            let after = round_trip(&kind, &array);
            prop_assert_eq!(after.data_type(), &data_type);
            let large = DataType::LargeList(item());
            let [before, after] = [&array, &after].map(|array| cast(array, &large).unwrap());
            for row in 0..array.len() {
                let [before, after] = [&before, &after].map(|lists| {
                    lists.is_valid(row).then(|| numbers(&lists.as_list::<i64>().value(row)))
                });
                // A list without known numbers reads as null.
                let Some(after) = after else {
                    prop_assert!(before.is_none_or(|list| list.contains(&None)));
                    continue;
                };
                for (before, after) in before.unwrap().into_iter().zip(after) {
                    match (before, after) {
                        (Some(before), Some(after)) => prop_assert!((before - after).abs() < 1e-3),
                        // A constant number is always known.
                        (before, after) => prop_assert!(before.is_none() || after.is_some()),
                    }
                }
            }
        }
    }
}
