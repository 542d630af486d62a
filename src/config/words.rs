//! The words of options that are one of several.

/// Gives an enum its words, for flags and messages.
macro_rules! words {
    ($type:ty, $($word:literal => $value:path),+ $(,)?) => {
        impl $type {
            /// The words a user may write.
            pub const WORDS: &'static [&'static str] = &[$($word),+];
        }
        impl std::str::FromStr for $type {
            type Err = crate::error::ParseChoiceError;
            fn from_str(word: &str) -> std::result::Result<Self, crate::error::ParseChoiceError> {
                match word {
                    $($word => Ok($value),)+
                    _ => Err(crate::error::ParseChoiceError::new(word, format!("one of {}", Self::WORDS.join(", ")))),
                }
            }
        }
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $($value => $word),+ })
            }
        }
    };
}

/// Lets one of the words of an option be said of some columns, as `COL=WORD`.
macro_rules! of_columns {
    ($type:ty, $word:ident, $form:literal) => {
        impl std::str::FromStr for $type {
            type Err = crate::error::ParseChoiceError;
            fn from_str(text: &str) -> std::result::Result<Self, crate::error::ParseChoiceError> {
                let Some((columns, word)) = text.rsplit_once('=') else {
                    return Err(crate::error::ParseChoiceError::new(text, concat!("of the form ", $form)));
                };
                Ok(Self { columns: columns.to_owned(), $word: word.parse()? })
            }
        }
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}={}", self.columns, self.$word)
            }
        }
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}
