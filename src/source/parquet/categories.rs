//! Merges the dictionaries of a column's batches into one ordered list of categories.

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
    /// Index of each category.
    indexes: HashMap<Bytes, usize>,
    /// The last batch's dictionary array and its values.
    last: Option<(ArrayRef, Vec<Option<Bytes>>)>,
}

/// The result of merging a batch's dictionary.
#[derive(Debug, PartialEq)]
pub(super) enum CategoryMerge {
    Unchanged,
    Extended,
    /// Two categories come in the opposite order.
    Conflict,
}

impl Categories {
    /// Merges the categories of a batch.
    pub(super) fn merge(&mut self, array: &ArrayRef) -> Result<CategoryMerge> {
        let values = array.as_any_dictionary().values();
        if self.last.as_ref().is_some_and(|(last, _)| last.to_data().ptr_eq(&values.to_data())) {
            return Ok(CategoryMerge::Unchanged);
        }
        let all_values = dictionary_values(values)?;
        let mut seen = HashSet::new();
        let own: Vec<Bytes> = all_values.iter().flatten().filter(|value| seen.insert(*value)).cloned().collect();
        self.last = Some((values.clone(), all_values));
        let known: Vec<usize> = own.iter().filter_map(|category| self.indexes.get(category).copied()).collect();
        if !known.is_sorted() {
            return Ok(CategoryMerge::Conflict);
        }
        if known.len() == own.len() {
            return Ok(CategoryMerge::Unchanged);
        }
        let (mut merged, mut rest) = (Vec::with_capacity(self.all.len() + own.len()), self.all.drain(..).enumerate());
        // A new category goes behind the one it follows in the batch.
        let mut next = 0;
        for category in own {
            if let Some(&index) = self.indexes.get(&category) {
                merged.extend(rest.by_ref().take(index + 1 - next).map(|(_, category)| category));
                next = index + 1;
            } else {
                merged.push(category);
            }
        }
        merged.extend(rest.map(|(_, category)| category));
        self.indexes = merged.iter().cloned().zip(0..).collect();
        self.all = merged;
        Ok(CategoryMerge::Extended)
    }

    /// All categories in order.
    pub(super) fn all(&self) -> &[Bytes] {
        &self.all
    }

    /// The values of the last batch's dictionary, by key.
    pub(super) fn last_dictionary(&self) -> &[Option<Bytes>] {
        self.last.as_ref().map_or(&[], |(_, values)| values)
    }
}

fn dictionary_values(values: &ArrayRef) -> Result<Vec<Option<Bytes>>> {
    let values = cast(values, &DataType::LargeBinary)?;
    Ok(values.as_binary::<i64>().iter().map(|value| Some(Bytes::copy_from_slice(value?))).collect())
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
        let mut step = |words: &[Option<&str>], expected: CategoryMerge, all: &[&str]| {
            let array = of(words);
            assert_eq!(categories.merge(&array).unwrap(), expected, "{words:?}");
            assert_eq!(categories.all(), all, "{words:?}");
            assert_eq!(categories.last_dictionary().len(), words.len());
        };
        step(&[Some("lo"), Some("hi")], CategoryMerge::Extended, &["lo", "hi"]);
        step(&[Some("lo"), None, Some("mid"), Some("hi"), Some("lo")], CategoryMerge::Extended, &["lo", "mid", "hi"]);
        step(&[Some("lo"), Some("hi")], CategoryMerge::Unchanged, &["lo", "mid", "hi"]);
        step(
            &[Some("least"), Some("hi"), Some("most")],
            CategoryMerge::Extended,
            &["least", "lo", "mid", "hi", "most"],
        );
        step(&[], CategoryMerge::Unchanged, &["least", "lo", "mid", "hi", "most"]);
        step(&[Some("hi"), Some("new"), Some("lo")], CategoryMerge::Conflict, &["least", "lo", "mid", "hi", "most"]);
    }
}
