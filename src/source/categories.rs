//! The ordered categories of a column, gathered from the dictionaries of its batches.

use std::collections::{HashMap, HashSet};

use ::parquet::errors::Result;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use bytes::Bytes;

/// The categories of all batches so far, in one order.
#[derive(Default)]
pub(super) struct Categories {
    all: Vec<Bytes>,
    places: HashMap<Bytes, usize>,
    /// The last batch's dictionary, and the words of it.
    last: Option<(ArrayRef, Vec<Option<Bytes>>)>,
}

/// What a batch's dictionary adds to the categories.
#[derive(Debug, PartialEq)]
pub(super) enum NewCategories {
    Nothing,
    Some,
    /// It has two of them in the other order.
    Contradiction,
}

impl Categories {
    /// Takes in the categories of a batch.
    pub(super) fn add(&mut self, array: &ArrayRef) -> Result<NewCategories> {
        let values = array.as_any_dictionary().values();
        if self.last.as_ref().is_some_and(|(last, _)| last.to_data().ptr_eq(&values.to_data())) {
            return Ok(NewCategories::Nothing);
        }
        let words = words(values)?;
        let mut seen = HashSet::new();
        let these: Vec<Bytes> = words.iter().flatten().filter(|word| seen.insert(*word)).cloned().collect();
        self.last = Some((values.clone(), words));
        let known: Vec<usize> = these.iter().filter_map(|word| self.places.get(word).copied()).collect();
        if !known.is_sorted() {
            return Ok(NewCategories::Contradiction);
        }
        if known.len() == these.len() {
            return Ok(NewCategories::Nothing);
        }
        let (mut merged, mut left) = (Vec::with_capacity(self.all.len() + these.len()), self.all.drain(..).enumerate());
        // Words that are new come after those they follow here.
        let mut next = 0;
        for word in these {
            if let Some(&place) = self.places.get(&word) {
                merged.extend(left.by_ref().take(place + 1 - next).map(|(_, word)| word));
                next = place + 1;
            } else {
                merged.push(word);
            }
        }
        merged.extend(left.map(|(_, word)| word));
        self.places = merged.iter().cloned().zip(0..).collect();
        self.all = merged;
        Ok(NewCategories::Some)
    }

    /// All of them, in order.
    pub(super) fn all(&self) -> &[Bytes] {
        &self.all
    }

    /// The words of the last batch's dictionary, by key.
    pub(super) fn last(&self) -> &[Option<Bytes>] {
        self.last.as_ref().map_or(&[], |(_, words)| words)
    }
}

fn words(values: &ArrayRef) -> Result<Vec<Option<Bytes>>> {
    let words = cast(values, &DataType::LargeBinary)?;
    Ok(words.as_binary::<i64>().iter().map(|word| Some(Bytes::copy_from_slice(word?))).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{DictionaryArray, Int32Array, StringArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    fn of(words: &[Option<&str>]) -> ArrayRef {
        let keys = Int32Array::from(vec![0; words.len().min(1)]);
        Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::new(StringArray::from(words.to_vec()))))
    }

    #[test]
    fn dictionaries_are_merged_into_one_order_or_contradict_each_other() {
        let mut categories = Categories::default();
        let mut step = |words: &[Option<&str>], expected: NewCategories, all: &[&str]| {
            let array = of(words);
            assert_eq!(categories.add(&array).unwrap(), expected, "{words:?}");
            assert_eq!(categories.all(), all, "{words:?}");
            assert_eq!(categories.last().len(), words.len());
        };
        step(&[Some("lo"), Some("hi")], NewCategories::Some, &["lo", "hi"]);
        step(&[Some("lo"), None, Some("mid"), Some("hi"), Some("lo")], NewCategories::Some, &["lo", "mid", "hi"]);
        step(&[Some("lo"), Some("hi")], NewCategories::Nothing, &["lo", "mid", "hi"]);
        step(&[Some("least"), Some("hi"), Some("most")], NewCategories::Some, &["least", "lo", "mid", "hi", "most"]);
        step(&[], NewCategories::Nothing, &["least", "lo", "mid", "hi", "most"]);
        step(
            &[Some("hi"), Some("new"), Some("lo")],
            NewCategories::Contradiction,
            &["least", "lo", "mid", "hi", "most"],
        );
    }
}
