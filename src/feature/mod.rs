//! How a column becomes part of the row vector: one file a kind.
//!
//! To add a kind: its file with a [`Survey`] and an `impl Feature`, and its line in the list below.
//!
//! **Invariant:** this floor knows Arrow and never the tensor library.

#![forbid(unsafe_code)]

mod category;
mod choose;
mod column;
mod features;
mod flag;
mod init_check;
mod layout;
mod map;
mod missing;
mod number;
mod order;
mod parse_type;
mod rebuild;
mod rescale;
mod scaling;
mod selections;
mod statistics;
mod survey;
#[cfg(test)]
mod tests;
mod texts;
mod time;
mod value_issues;
mod vector;
mod words;

use serde::{Deserialize, Serialize};

pub use self::category::Category;
pub use self::choose::Carried;
pub(crate) use self::choose::{Candidate, Candidates, candidates, choose};
pub use self::column::Column;
pub(crate) use self::column::{STRIP, runs, tops};
pub(crate) use self::features::Features;
pub(crate) use self::features::{Feature, FeatureCells};
pub use self::flag::Flag;
pub(crate) use self::init_check::{beside, contradiction, counted};
pub(crate) use self::layout::{Group, Layout, Likelihood, Shape};
pub(crate) use self::missing::{constant, fill, holes};
pub use self::number::Number;
pub(crate) use self::rebuild::ColumnRebuilder;
pub use self::rebuild::{ColumnType, InputColumn};
pub(crate) use self::rescale::{rescaled, to_rescale};
pub(crate) use self::scaling::Scaler;
pub(crate) use self::scaling::Scaling;
pub use self::survey::Values;
pub(crate) use self::survey::{ColumnRequest, Survey, Unfit};
pub use self::time::Time;
pub(crate) use self::value_issues::FeatureIssues;
pub use self::value_issues::ValueIssues;
pub use self::vector::Vector;

/// A survey of a column, if it is of the kind.
type SurveyOf = fn(&ColumnRequest<'_>) -> Option<Box<dyn Survey>>;

/// Makes of each kind a variant that a model stores, and a survey.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident by $survey:path;)+) => {
        /// A learned column of any kind, as the model stores it. What a variant holds is for the model alone; as JSON it
        /// says all of it.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[non_exhaustive]
        #[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
        pub enum Kind {
            $($(#[$doc])* $kind($kind),)+
        }

        impl Kind {
            /// How its values are written and read.
            pub(crate) fn feature(&self) -> &dyn Feature {
                match self {
                    $(Self::$kind(feature) => feature,)+
                }
            }

            fn set_missing(&mut self, missing: u64) {
                match self {
                    $(Self::$kind(feature) => feature.set_missing(missing),)+
                }
            }
        }

        const SURVEYS: &[SurveyOf] = &[$($survey),+];
    };
}

// The kinds, in the order they are asked whether a column is theirs.
kinds! {
    /// A category.
    Category by category::survey;
    /// A number.
    Number by number::survey;
    /// A Boolean.
    Flag by flag::survey;
    /// A date or time.
    Time by time::survey;
    /// A list of numbers.
    Vector by vector::survey;
}

impl Kind {
    /// Where its values are.
    pub fn column(&self) -> &Column {
        self.feature().column()
    }

    /// How a value enters the row vector, in words.
    pub fn describe(&self) -> String {
        self.feature().describe()
    }

    /// The type of the column at fit, as Arrow writes it.
    pub fn data_type(&self) -> &str {
        self.feature().data_type()
    }

    /// Number of elements it takes of the row vector.
    pub fn elements(&self) -> usize {
        self.feature().shape().elements
    }

    /// Number of values that were missing at fit.
    pub fn missing(&self) -> u64 {
        self.feature().missing()
    }

    /// The survey of the kind that learns such a column, if any does.
    pub(crate) fn survey(wanted: &ColumnRequest<'_>) -> Option<Box<dyn Survey>> {
        SURVEYS.iter().find_map(|survey| survey(wanted))
    }
}
