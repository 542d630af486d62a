//! A word that is none of a choice's words.

/// The error of parsing a choice from text, as in `"fast".parse::<Preset>()`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct ParseChoiceError {
    /// The text given.
    pub text: String,
    /// What it must be, as in "one of reduce, anomaly".
    pub expected: String,
    message: String,
}

impl ParseChoiceError {
    /// A text that is not what is expected.
    pub(crate) fn new(text: &str, expected: impl Into<String>) -> Self {
        let expected = expected.into();
        Self { text: text.to_owned(), message: format!("not {expected}"), expected }
    }

    /// The same with a message of its own.
    pub(crate) fn with_message(self, message: String) -> Self {
        Self { message, ..self }
    }
}
