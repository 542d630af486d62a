//! Categories: one element, the class number, with a categorical likelihood.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use super::name_hint::says_identifier;
use super::strings::{StringValues, is_string_type};
use super::text_form::TextForm;
use super::unread_form::UnreadForm;
use super::word_counts::WordCounts;
use super::{Column, ColumnRequest, Feature, FeatureCells, Kind, Rejection, Scaler, Survey, ValueIssues, Values};
use crate::config::LogicalType;
use crate::feature::Shape;
use crate::numerics::{RandomStream, pick};

/// Occurrences of a word below which it gets no class of its own: too few to learn from.
const MIN_WORD_COUNT: u64 = 3;

/// Default for the largest number of categories with a class of their own, and the same if these would make up less than
/// half of the values although every word returns.
const MAX_CATEGORIES: [usize; 2] = [64, 256];

/// Values that a word has on average if words return: ten observations a parameter (Peduzzi et al. 1996, "A simulation study
/// of the number of events per variable in logistic regression analysis").
const VALUES_PER_WORD: u64 = 10;

/// Words of the shared last class that are stored, to distinguish them from unseen ones.
const MAX_OTHER_WORDS: usize = 1024;

/// A fitted category.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredCategory", into = "StoredCategory")]
pub struct Category {
    pub(super) stored: StoredCategory,
    /// The class of each stored word.
    pub(super) classes: HashMap<String, usize>,
}

/// The stored form of a category.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredCategory {
    column: Column,
    /// The column's type at fit; any encoding of the same words is accepted later.
    #[serde(rename = "type")]
    data_type: String,
    /// Values that were missing at fit.
    missing: u64,
    /// The word of each class; with hashing, the most frequent word of each class, if it has any.
    pub(super) words: Vec<Option<String>>,
    /// Words that share the last class, up to [`MAX_OTHER_WORDS`]; absent with hashing.
    pub(super) others: Option<OtherWords>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OtherWords {
    pub(super) words: Vec<String>,
    /// Whether the list is complete, so that any other word is unseen.
    pub(super) complete: bool,
    /// How often each word occurs; absent in models of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    counts: Vec<u64>,
}

impl TryFrom<StoredCategory> for Category {
    type Error = &'static str;

    fn try_from(stored: StoredCategory) -> Result<Self, Self::Error> {
        let other = stored.words.len();
        let own = stored.words.iter().enumerate().filter_map(|(class, word)| Some((word.clone()?, class)));
        let others = stored.others.iter().flat_map(|others| &others.words).map(|word| (word.clone(), other));
        let classes: HashMap<String, usize> = own.chain(others).collect();
        let named = stored.words.iter().flatten().count();
        let words = named + stored.others.as_ref().map_or(0, |others| others.words.len());
        let enough = other + usize::from(stored.others.is_some()) > 1;
        let counted = |others: &OtherWords| others.counts.is_empty() || others.counts.len() == others.words.len();
        let is_sound = enough && stored.others.as_ref().is_none_or(counted);
        if classes.len() < words || (stored.others.is_some() && named < other) || !is_sound {
            return Err("a category has one class, classes without a word, a word twice, or too few counts");
        }
        Ok(Self { stored, classes })
    }
}

impl From<Category> for StoredCategory {
    fn from(category: Category) -> Self {
        category.stored
    }
}

impl Category {
    /// Sets the number of missing values at fit.
    pub(super) fn set_missing(&mut self, missing: u64) {
        self.stored.missing = missing;
    }

    /// Adds values of unseen words to the shared class: its list of words is then incomplete.
    pub(super) fn add_other_words(&mut self, values: u64) {
        self.stored.others.iter_mut().for_each(|others| others.complete &= values == 0);
    }

    /// The number of classes, without the shared one of other words.
    pub(super) fn classes(&self) -> usize {
        self.stored.words.len()
    }

    /// The class of a word, and `false` if the word was certainly not seen at fit.
    fn class(&self, word: &str) -> (usize, bool) {
        match (self.classes.get(word), &self.stored.others) {
            (Some(&class), Some(_)) => (class, true),
            (None, Some(others)) => (self.stored.words.len(), !others.complete),
            (_, None) => (hash_class(word, self.stored.words.len()), true),
        }
    }
}

/// The class of a word by its hash.
fn hash_class(word: &str, classes: usize) -> usize {
    (RandomStream::new(0, word).bits(0) % classes as u64) as usize
}

impl Feature for Category {
    fn column(&self) -> &Column {
        &self.stored.column
    }

    fn column_mut(&mut self) -> &mut Column {
        &mut self.stored.column
    }

    fn expects(&self) -> &'static str {
        "a string, a dictionary of strings, an integer or a Boolean"
    }

    fn describe(&self) -> String {
        const SHOWN: usize = 3;
        let StoredCategory { words, others, .. } = &self.stored;
        let shown = || words.iter().flatten().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        match others {
            None => format!("category, hashed into {} classes", words.len()),
            Some(_) if words.len() <= SHOWN => format!("category: {}, other", shown()),
            Some(_) => format!("category: {}, … {} more, other", shown(), words.len() - SHOWN),
        }
    }

    fn data_type(&self) -> &str {
        &self.stored.data_type
    }

    fn accepts(&self, data_type: &DataType) -> bool {
        is_category_type(data_type)
    }

    fn meaning(&self) -> Option<LogicalType> {
        Some(LogicalType::String)
    }

    fn shape(&self) -> Shape {
        Shape::category(self.stored.words.len() + usize::from(self.stored.others.is_some()))
    }

    fn part(&self, output: usize) -> Option<String> {
        Some(match self.stored.words.get(output) {
            Some(Some(word)) => format!("= {word}"),
            Some(None) => format!("in class {output}"),
            None => "= other".to_owned(),
        })
    }

    fn unit(&self, _: usize) -> Option<&'static str> {
        Some("probability")
    }

    fn missing(&self) -> u64 {
        self.stored.missing
    }

    fn write(&self, array: &ArrayRef, elements: &mut FeatureCells<'_>) -> Result<ValueIssues, ArrowError> {
        let texts = StringValues::of(array)?;
        let mut issues = ValueIssues::default();
        for row in 0..array.len() {
            let value = match texts.get(row) {
                Some(word) => {
                    let (class, seen) = self.class(word);
                    if !seen {
                        issues.unseen_category += 1;
                        elements.add_unseen(row);
                    }
                    class as f32
                }
                None => {
                    issues.null += 1;
                    f32::NAN
                }
            };
            elements.set(row, value);
        }
        Ok(issues)
    }

    /// Null for the shared class, and for a hashed class without a word. Above the shared class, a word of it each.
    fn read(&self, elements: &[f32], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        let StoredCategory { words, others, .. } = &self.stored;
        let word = |class: &f32| {
            if class.is_nan() {
                return None;
            }
            match (*class as usize).checked_sub(words.len() + 1) {
                None => words.get(*class as usize)?.as_deref(),
                Some(other) => others.as_ref()?.words.get(other).map(String::as_str),
            }
        };
        let words: ArrayRef = Arc::new(elements.iter().map(word).collect::<StringArray>());
        cast(&words, data_type)
    }

    fn reads(&self, class: usize) -> bool {
        self.stored.words.get(class).is_some_and(Option::is_some)
    }

    fn draws(&self, class: usize) -> bool {
        let shared = self.stored.others.as_ref().filter(|_| class == self.stored.words.len());
        self.reads(class) || shared.is_some_and(|others| !others.counts.is_empty())
    }

    /// A word of the shared class in proportion to its count.
    fn drawn(&self, class: f32, uniform: f64) -> f32 {
        let Some(others) = self.stored.others.as_ref().filter(|_| class as usize == self.stored.words.len()) else {
            return class;
        };
        let counts = || others.counts.iter().map(|&count| count as f64);
        let word = pick(counts(), uniform * counts().sum::<f64>()).unwrap_or(0);
        class + 1.0 + word as f32
    }
}

/// Whether the type can be learned as a category.
pub(super) fn is_category_type(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_category_type(values),
        DataType::Boolean => true,
        data_type => is_string_type(data_type) || data_type.is_integer(),
    }
}

/// The survey of a category column.
struct WordSurvey {
    words: WordCounts,
    /// What the words are, if strings store them.
    form: Option<(TextForm, UnreadForm)>,
    data_type: String,
    /// The largest number of categories with a class of their own, and the same of words that return.
    max_categories: [usize; 2],
    says_identifier: bool,
    /// Learn it even if it looks like an identifier.
    named: bool,
}

/// How words get classes.
enum WordClasses {
    /// The most frequent words have their own, so many at most.
    Own(usize),
    /// All words share so many, by their hash.
    Hashed(usize),
}

/// Surveys strings, and columns that the user selects as categories.
pub(super) fn survey(request: &ColumnRequest<'_>) -> Option<Box<dyn Survey>> {
    let ColumnRequest { name, data_type, typed, named, categorical, max_categories, .. } = *request;
    let learns =
        is_string_type(data_type) || (categorical && *data_type != DataType::Boolean && is_category_type(data_type));
    learns.then(|| {
        let form = (is_string_type(data_type) && !typed).then(Default::default);
        let (words, data_type) = (WordCounts::default(), data_type.to_string());
        let max_categories = max_categories.map_or(MAX_CATEGORIES, |most| [most; 2]);
        let (says_identifier, named) = (says_identifier(name), named || categorical);
        Box::new(WordSurvey { words, form, data_type, max_categories, says_identifier, named }) as Box<dyn Survey>
    })
}

impl WordSurvey {
    /// The words frequent enough for a class of their own, with their counts, `most` at most.
    fn frequent(&self, most: usize) -> Vec<(&str, u64)> {
        let words = self.words.by_frequency();
        words.into_iter().take(most).take_while(|(_, count)| *count >= MIN_WORD_COUNT).collect()
    }

    /// The percentage of values whose word is among the most frequent ones.
    fn covered(&self) -> u64 {
        self.frequent(self.max_categories[0]).iter().map(|(_, count)| count).sum::<u64>() * 100
            / self.words.known.max(1)
    }

    /// Whether every word has so many values on average that those of other rows are hardly new.
    fn returns(&self) -> bool {
        self.words.is_complete() && self.words.known >= VALUES_PER_WORD * self.words.distinct()
    }

    /// Whether words rarely repeat: the frequent ones make up less than half and others do not return, or a word has fewer
    /// than two values on average. With a name such as `id`, words that return are taken for identifiers as well.
    fn looks_like_an_identifier(&self) -> bool {
        let is_category = self.covered() >= 50 || (self.returns() && !self.says_identifier);
        !is_category || 2 * self.words.distinct() > self.words.known
    }

    /// The number of classes: of words of their own, or of hashed words.
    fn classes(&self) -> WordClasses {
        let [most, most_even] = self.max_categories;
        match (self.looks_like_an_identifier(), self.covered() < 50) {
            (true, _) => WordClasses::Hashed(most),
            (false, true) if self.words.distinct() > most_even as u64 => WordClasses::Hashed(most_even),
            (false, true) => WordClasses::Own(most_even),
            (false, false) => WordClasses::Own(most),
        }
    }
}

impl Survey for WordSurvey {
    fn update(&mut self, array: &ArrayRef) -> Result<(), ArrowError> {
        let texts = StringValues::of(array)?;
        for text in (0..array.len()).map(|row| texts.get(row)) {
            self.words.push(text);
            if let (Some((form, unread)), Some(text)) = (&mut self.form, text) {
                form.push(text);
                unread.push(text);
            }
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.words.keep_most_frequent(self.max_categories[1] + MAX_OTHER_WORDS);
    }

    fn values(&self) -> Values {
        Values { known: self.words.known, null: self.words.nulls, ..Values::default() }
    }

    fn suggested_type(&self) -> Option<LogicalType> {
        self.form.as_ref()?.0.logical_type()
    }

    fn text_fault(&self) -> Option<String> {
        self.form.as_ref()?.1.fault().filter(|_| self.suggested_type().is_none())
    }

    fn is_categorical(&self) -> bool {
        true
    }

    fn rejection(&self) -> Option<Rejection> {
        let WordCounts { known, nulls, .. } = self.words;
        let distinct = self.words.distinct();
        if known == 0 {
            Some(Rejection::no_usable_value(nulls, 0))
        } else if let (1, true, [(word, _)]) = (distinct, self.words.is_complete(), &self.words.by_frequency()[..]) {
            Some(Rejection::constant((*word).to_owned()))
        } else if !self.named && self.form.as_ref().is_some_and(|(_, unread)| unread.says_time()) {
            Some(Rejection::because("is text that says when a row is"))
        } else if !self.named && self.looks_like_an_identifier() {
            let more = if self.words.is_complete() { "" } else { "more than " };
            let frequent = match self.frequent(self.max_categories[0]).len() {
                0 => format!("none of which comes {MIN_WORD_COUNT} times"),
                frequent => format!("of which the {frequent} most frequent make up {} % of the values", self.covered()),
            };
            Some(Rejection::because(format!("looks like an identifier: {more}{distinct} different words, {frequent}")))
        } else {
            None
        }
    }

    fn fit(&self, column: Column, _: &Scaler) -> Result<Kind, Rejection> {
        let all = self.words.by_frequency();
        let (words, others) = match self.classes() {
            WordClasses::Hashed(classes) => {
                let mut words: Vec<Option<String>> = vec![None; classes];
                for (word, _) in all {
                    words[hash_class(word, classes)].get_or_insert_with(|| word.to_owned());
                }
                (words, None)
            }
            WordClasses::Own(most) => {
                let own = self.frequent(most).len();
                let words = all[..own].iter().map(|(word, _)| Some((*word).to_owned())).collect();
                let rest = all[own..].iter().take(MAX_OTHER_WORDS).map(|&(word, count)| (word.to_owned(), count));
                let (rest, counts) = rest.unzip();
                let complete = self.words.is_complete() && self.words.distinct() <= (own + MAX_OTHER_WORDS) as u64;
                (words, Some(OtherWords { words: rest, complete, counts }))
            }
        };
        let stored =
            StoredCategory { column, data_type: self.data_type.clone(), missing: self.words.nulls, words, others };
        Category::try_from(stored).map(Kind::Category).map_err(Rejection::because)
    }
}
