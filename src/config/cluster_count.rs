//! The number of clusters.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::ParseChoiceError;

/// The number of clusters to find in the latents.
///
/// ```
/// use vaepipe::ClusterCount;
/// assert_eq!("auto".parse(), Ok(ClusterCount::Auto));
/// assert_eq!("7".parse(), Ok(ClusterCount::Of(7)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClusterCount {
    /// So many, 1 to 64.
    Of(usize),
    /// As many as the density of the latents has peaks with valleys between them.
    Auto,
}

impl ClusterCount {
    /// Most clusters.
    pub(crate) const MOST: usize = 64;

    /// The number, if one is given.
    pub(crate) fn number(self) -> Option<usize> {
        match self {
            Self::Of(number) => Some(number),
            Self::Auto => None,
        }
    }

    /// Whether the number is in range.
    pub(crate) fn is_valid(self) -> bool {
        self.number().is_none_or(|number| (1..=Self::MOST).contains(&number))
    }
}

impl From<usize> for ClusterCount {
    fn from(number: usize) -> Self {
        Self::Of(number)
    }
}

impl FromStr for ClusterCount {
    type Err = ParseChoiceError;

    fn from_str(text: &str) -> Result<Self, ParseChoiceError> {
        let unknown = |_| {
            ParseChoiceError::new(text, "auto or a number of clusters")
                .with_message(format!("{text:?} is neither auto nor a number of clusters"))
        };
        match text {
            "auto" => Ok(Self::Auto),
            _ => text.parse().map(Self::Of).map_err(unknown),
        }
    }
}

impl fmt::Display for ClusterCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(number) => number.fmt(f),
            Self::Auto => f.write_str("auto"),
        }
    }
}

impl Serialize for ClusterCount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Of(number) => number.serialize(serializer),
            Self::Auto => "auto".serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ClusterCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum NumberOrWord {
            Number(usize),
            Word(String),
        }
        match NumberOrWord::deserialize(deserializer)? {
            NumberOrWord::Number(number) => Ok(Self::Of(number)),
            NumberOrWord::Word(word) if word == "auto" => Ok(Self::Auto),
            NumberOrWord::Word(word) => Err(de::Error::invalid_value(de::Unexpected::Str(&word), &"auto or a number")),
        }
    }
}
