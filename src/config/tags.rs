//! What a model remembers of its fit for those who keep several.

use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A note, a time and names, which a model keeps. They change none of its numbers, but its bytes and so its hash.
///
/// ```
/// use vaepipe::{FitConfig, Tags};
/// let mut tags = Tags::default();
/// tags.note = Some("without the broken sensor".to_owned());
/// tags.time = Some("2026-11-30T08:00:00Z".to_owned());
/// assert!(FitConfig::new().tags(tags).check().is_ok());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Tags {
    /// A note of 1 to 1,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When the fit began, in UTC as RFC 3339 has it, in seconds: `2026-11-30T08:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The names of the data, as they were given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<String>,
    /// The name of the base model, as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
}

impl Tags {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks the note and the time.
    ///
    /// # Errors
    /// [`Error::OptionRange`].
    pub(super) fn check(&self) -> Result<()> {
        let refused = |option, value, range| Err(Error::OptionRange { option, value, range });
        let length = self.note.as_ref().map(|note| note.chars().count());
        match (length, &self.time) {
            (Some(length), _) if !(1..=1000).contains(&length) => {
                refused("note", format!("{length} characters"), "1 to 1000 characters")
            }
            (_, Some(time)) if NaiveDateTime::parse_from_str(time, "%Y-%m-%dT%H:%M:%SZ").is_err() => {
                refused("time", time.clone(), "a time in UTC like 2026-11-30T08:00:00Z")
            }
            _ => Ok(()),
        }
    }
}
