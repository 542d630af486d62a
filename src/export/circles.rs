//! Times as points on the circles of the day, the week and the year.

#![forbid(unsafe_code)]

use std::f64::consts::{SQRT_2, TAU};

use super::graph::{GraphBuilder, Tensor};
use super::schema::ElementType;
use crate::feature::Cycle;

/// Seconds of a day.
const DAY: f64 = 86_400.0;

/// √2 sine and √2 cosine of each cycle, `[rows, 2 cycles]`, for local seconds since 1970, `[rows, 1]`.
pub(super) fn of_time(graph: &mut GraphBuilder, local: &Tensor, cycles: &[Cycle]) -> Tensor {
    let day_length = graph.doubles(&[DAY]);
    let day = quotient(graph, local, DAY);
    let shares: Vec<Tensor> = cycles
        .iter()
        .map(|cycle| match cycle {
            Cycle::Hour => {
                let midnight = graph.op("Mul", &[&day, &day_length]);
                let since = graph.op("Sub", &[local, &midnight]);
                graph.op("Div", &[&since, &day_length])
            }
            Cycle::Weekday => {
                // 1970 began on a Thursday; Monday is 0.
                let three = graph.doubles(&[3.0]);
                let day = graph.op("Add", &[&day, &three]);
                let weekday = remainder(graph, &day, 7.0);
                divided(graph, &weekday, 7.0)
            }
            Cycle::DayOfYear => {
                let day = day_of_year(graph, &day);
                divided(graph, &day, 365.25)
            }
        })
        .collect();
    points(graph, &shares)
}

/// √2 sine and √2 cosine, `[rows, 2]`, for seconds since midnight, `[rows, 1]`.
pub(super) fn of_time_of_day(graph: &mut GraphBuilder, seconds: &Tensor) -> Tensor {
    let share = divided(graph, seconds, DAY);
    points(graph, &[share])
}

/// The points on the circle before which these shares of it lie, `[rows, 1]` each. A cosine is the sine of a quarter later.
fn points(graph: &mut GraphBuilder, shares: &[Tensor]) -> Tensor {
    let twice: Vec<Tensor> = shares.iter().flat_map(|share| [share.clone(), share.clone()]).collect();
    let shares_twice = graph.beside(&twice);
    let quarters = graph.doubles(&[0.0, 0.25].repeat(shares.len()));
    let [turn, radius] = [TAU, SQRT_2].map(|n| graph.doubles(&[n]));
    let shares = graph.op("Add", &[&shares_twice, &quarters]);
    let angle = graph.op("Mul", &[&shares, &turn]);
    let sine = graph.op("Sin", &[&angle]);
    let points = graph.op("Mul", &[&sine, &radius]);
    graph.cast(&points, ElementType::Float)
}

/// The day of the year from 0, for days since 1970: the proleptic Gregorian calendar in years from March, in eras of 400 years.
fn day_of_year(graph: &mut GraphBuilder, day: &Tensor) -> Tensor {
    /// Days of 400 years, and from the first of March of the year 0 to 1970.
    const ERA: f64 = 146_097.0;
    const SINCE_YEAR_0: f64 = 719_468.0;
    let start = graph.doubles(&[SINCE_YEAR_0]);
    let day = graph.op("Add", &[day, &start]);
    let of_era = remainder(graph, &day, ERA);
    // Years of the era: without the leap days before, every year has 365 days.
    let [fours, centuries, eras] = [1460.0, 36_524.0, ERA - 1.0].map(|days| quotient(graph, &of_era, days));
    let even = graph.op("Sub", &[&of_era, &fours]);
    let even = graph.op("Add", &[&even, &centuries]);
    let even = graph.op("Sub", &[&even, &eras]);
    let year = quotient(graph, &even, 365.0);
    let [by_4, by_100] = [4.0, 100.0].map(|years| quotient(graph, &year, years));
    let [common, first_of_january, march, zero, one] = [365.0, 306.0, 59.0, 0.0, 1.0].map(|n| graph.doubles(&[n]));
    let days_before = graph.op("Mul", &[&year, &common]);
    let days_before = graph.op("Add", &[&days_before, &by_4]);
    let days_before = graph.op("Sub", &[&days_before, &by_100]);
    let from_march = graph.op("Sub", &[&of_era, &days_before]);
    // A leap year: divisible by 4, and by 100 only if it begins the era.
    let [odd_4, odd_100] = [4.0, 100.0].map(|years| remainder(graph, &year, years));
    let is_fourth = graph.op("Equal", &[&odd_4, &zero]);
    let is_century = graph.op("Equal", &[&odd_100, &zero]);
    let is_first = graph.op("Equal", &[&year, &zero]);
    let is_ordinary = graph.op("Not", &[&is_century]);
    let is_leap = graph.op("Or", &[&is_ordinary, &is_first]);
    let is_leap = graph.op("And", &[&is_fourth, &is_leap]);
    let leap = graph.op("Where", &[&is_leap, &one, &zero]);
    let in_year = graph.op("Add", &[&from_march, &march]);
    let in_year = graph.op("Add", &[&in_year, &leap]);
    let is_next = graph.op("Less", &[&from_march, &first_of_january]);
    let in_next = graph.op("Sub", &[&from_march, &first_of_january]);
    graph.op("Where", &[&is_next, &in_year, &in_next])
}

/// `x / by`.
fn divided(graph: &mut GraphBuilder, x: &Tensor, by: f64) -> Tensor {
    let by = graph.doubles(&[by]);
    graph.op("Div", &[x, &by])
}

/// The greatest whole number up to `x / by`.
fn quotient(graph: &mut GraphBuilder, x: &Tensor, by: f64) -> Tensor {
    let exact = divided(graph, x, by);
    graph.op("Floor", &[&exact])
}

/// What is left of `x` after whole multiples of `by`: 0 to less than `by`.
fn remainder(graph: &mut GraphBuilder, x: &Tensor, by: f64) -> Tensor {
    let whole = quotient(graph, x, by);
    let by = graph.doubles(&[by]);
    let whole = graph.op("Mul", &[&whole, &by]);
    graph.op("Sub", &[x, &whole])
}
