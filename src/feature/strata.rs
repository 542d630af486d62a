//! Strata of rows by what is given of them: the hour, the weekday, the month, the group.

#![forbid(unsafe_code)]

use std::f32::consts::TAU;
use std::ops::Range;

use super::Kind;

/// Most strata of one column of groups: the most frequent ones, and all others together.
const MOST_GROUPS: usize = 64;

/// The divisions of rows into strata, one for each circle of a time and each column of groups.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Strata {
    divisions: Vec<Division>,
    /// Given elements of a row.
    elements: usize,
}

/// A division of rows by given elements. Its last stratum is for rows that no other holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Division {
    /// Even parts of the circle on which the point of this element and the next one is. Whole hours are in the middle of a part.
    Circle { element: usize, parts: usize },
    /// The groups that this element numbers.
    Groups { element: usize, groups: usize },
}

impl Strata {
    /// Those of given columns, in their order.
    pub(super) fn new(given: &[Kind]) -> Self {
        let mut strata = Self::default();
        for kind in given {
            let (feature, mut element) = (kind.feature(), strata.elements + kind.feature().elapsed());
            for parts in feature.circles() {
                strata.divisions.push(Division::Circle { element, parts });
                element += 2;
            }
            if feature.shape().classes > 1 {
                strata.divisions.push(Division::Groups { element, groups: feature.shape().classes.min(MOST_GROUPS) });
            }
            strata.elements += kind.elements();
        }
        strata
    }

    /// The number of divisions: each row is in one stratum of each.
    pub(crate) fn divisions(&self) -> usize {
        self.divisions.len()
    }

    /// The number of strata of all divisions.
    pub(crate) fn len(&self) -> usize {
        self.divisions.iter().map(Division::strata).sum()
    }

    /// The strata of each division.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.divisions.iter().scan(0, |end, division| {
            *end += division.strata();
            Some(*end - division.strata()..*end)
        })
    }

    /// Appends the stratum of a row in each division, by its given elements.
    pub(crate) fn of(&self, elements: &[f32], to: &mut Vec<u16>) {
        to.extend(self.ranges().zip(&self.divisions).map(|(of, it)| (of.start + it.stratum(elements)) as u16));
    }

    /// Those of each of some rows, `[rows, elements]`.
    pub(crate) fn of_rows(&self, elements: &[f32]) -> Vec<u16> {
        let mut strata = Vec::new();
        elements.chunks_exact(self.elements.max(1)).for_each(|row| self.of(row, &mut strata));
        strata
    }

    /// Given elements of a row.
    pub(crate) fn elements(&self) -> usize {
        self.elements
    }
}

impl Division {
    fn strata(&self) -> usize {
        1 + match self {
            Self::Circle { parts, .. } => *parts,
            Self::Groups { groups, .. } => *groups,
        }
    }

    fn stratum(&self, elements: &[f32]) -> usize {
        match *self {
            Self::Circle { element, parts } => {
                let angle = elements[element].atan2(elements[element + 1]);
                let part = (angle / TAU * parts as f32).round().rem_euclid(parts as f32);
                if part.is_nan() { parts } else { part as usize }
            }
            Self::Groups { element, groups } => {
                let group = elements[element];
                if group < groups as f32 { group as usize } else { groups }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Strata {
        /// Those of an hour and of two groups.
        pub(crate) fn of_hours_and_groups() -> Self {
            let divisions =
                vec![Division::Circle { element: 0, parts: 24 }, Division::Groups { element: 2, groups: 2 }];
            Self { divisions, elements: 3 }
        }
    }

    #[test]
    fn a_row_is_in_a_stratum_of_each_division() {
        let strata = Strata::of_hours_and_groups();
        assert_eq!((strata.divisions(), strata.len(), strata.elements()), (2, 28, 3));
        let at = |hour: f32| [(hour / 24.0 * TAU).sin(), (hour / 24.0 * TAU).cos()];
        let of = |hour: f32, group: f32| strata.of_rows(&[at(hour)[0], at(hour)[1], group]);
        for hour in 0..24 {
            assert_eq!(of(f32::from(hour), 1.0), [hour, 26]);
            assert_eq!(of(f32::from(hour) + 0.4, 0.0), [hour, 25]);
        }
        assert_eq!(of(23.6, 7.0), [0, 27], "a group that is not told apart");
        assert_eq!(of(f32::NAN, f32::NAN), [24, 27]);
    }
}
