//! How much rows take once they are written out: a word of a dictionary that a million rows mean is in memory once, and a
//! million times in what is written of them.

use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait, RecordBatch};
use arrow::datatypes::{BinaryViewType, ByteArrayType, ByteViewType, DataType, StringViewType};

use crate::error::Result;

/// Bytes of rows that are written out at once, at most, unless a single one takes more.
const MOST_BYTES: usize = 64 << 20;

/// Bytes of a value of any other type, or a few more than it takes.
const FIXED: usize = 16;

/// How many of these rows may be written out at once: one at least.
fn rows_at_once(batch: &RecordBatch) -> usize {
    let row = batch.columns().iter().map(shared).fold(0, usize::saturating_add);
    (MOST_BYTES / row.max(1)).max(1)
}

/// Batches cut into such rows.
pub(crate) fn written_out(
    batches: impl Iterator<Item = Result<RecordBatch>>,
) -> impl Iterator<Item = Result<RecordBatch>> {
    batches.flat_map(|batch| {
        let (cut, error) = match batch {
            Ok(batch) => (Some(cut(batch)), None),
            Err(error) => (None, Some(Err(error))),
        };
        cut.into_iter().flatten().map(Ok).chain(error)
    })
}

fn cut(batch: RecordBatch) -> impl Iterator<Item = RecordBatch> {
    let (rows, all) = (rows_at_once(&batch), batch.num_rows());
    (0..all).step_by(rows).map(move |from| batch.slice(from, rows.min(all - from)))
}

/// Bytes of the largest value, of an array that holds one once for many; none of one that does not.
fn shared(array: &ArrayRef) -> usize {
    let in_lists = |values: &ArrayRef, length: usize| shared(values).saturating_mul(length);
    match array.data_type() {
        DataType::Dictionary(..) => largest(array.as_any_dictionary().values()),
        DataType::Utf8View => longest_view::<StringViewType>(array),
        DataType::BinaryView => longest_view::<BinaryViewType>(array),
        DataType::Struct(_) => array.as_struct().columns().iter().map(shared).fold(0, usize::saturating_add),
        DataType::List(_) => in_lists(array.as_list::<i32>().values(), longest(array.as_list::<i32>().offsets())),
        DataType::LargeList(_) => in_lists(array.as_list::<i64>().values(), longest(array.as_list::<i64>().offsets())),
        DataType::FixedSizeList(_, length) => in_lists(array.as_fixed_size_list().values(), *length as usize),
        DataType::Map(..) => {
            let entries = array.as_map().entries().columns().iter().map(shared).fold(0, usize::saturating_add);
            entries.saturating_mul(longest(array.as_map().offsets()))
        }
        _ => 0,
    }
}

/// Bytes of the largest value of any array.
fn largest(array: &ArrayRef) -> usize {
    match array.data_type() {
        DataType::Utf8 => longest_of::<arrow::datatypes::Utf8Type>(array),
        DataType::LargeUtf8 => longest_of::<arrow::datatypes::LargeUtf8Type>(array),
        DataType::Binary => longest_of::<arrow::datatypes::BinaryType>(array),
        DataType::LargeBinary => longest_of::<arrow::datatypes::LargeBinaryType>(array),
        // A sum, as LLVM 22 takes a recursion that ends in a maximum to be nowhere 0.
        _ => shared(array).saturating_add(FIXED),
    }
}

fn longest_of<T: ByteArrayType>(array: &ArrayRef) -> usize {
    longest(array.as_bytes::<T>().offsets())
}

fn longest_view<T: ByteViewType>(array: &ArrayRef) -> usize {
    // A view's lower half of a half is the length.
    array.as_byte_view::<T>().views().iter().map(|view| *view as u32 as usize).max().unwrap_or(0)
}

fn longest<O: OffsetSizeTrait>(offsets: &[O]) -> usize {
    offsets.windows(2).map(|pair| (pair[1] - pair[0]).as_usize()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{DictionaryArray, Int64Array, ListArray, StringArray, StringViewArray, StructArray};
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::{Field, Int32Type};

    use super::*;

    fn at_once(array: ArrayRef) -> usize {
        rows_at_once(&RecordBatch::try_from_iter([("x", array)]).unwrap())
    }

    #[test]
    fn rows_that_share_a_value_are_as_many_as_fit_when_each_has_its_own() {
        let long = "a".repeat(MOST_BYTES / 5);
        let keys = [Some(0), Some(1), None, Some(1), Some(1), Some(1), Some(0)].into_iter().collect();
        let words: ArrayRef = Arc::new(StringArray::from(vec!["short", &long]));
        let coded: ArrayRef = Arc::new(DictionaryArray::<Int32Type>::new(keys, words.clone()));
        assert_eq!(at_once(coded.clone()), 5);
        assert_eq!(at_once(Arc::new(StringViewArray::from(vec![Some(long.as_str()), None]))), 5);
        let lists = OffsetBuffer::from_lengths([2, 3, 2]);
        let item = Arc::new(Field::new("item", coded.data_type().clone(), true));
        assert_eq!(at_once(Arc::new(ListArray::new(item.clone(), lists, coded.clone(), None))), 1);
        assert_eq!(at_once(Arc::new(StructArray::from(vec![(item, coded.clone())]))), 5);
        // Of these, each row is there already.
        assert!(at_once(words) > 1 << 20 && at_once(Arc::new(Int64Array::from(vec![1; 100]))) > 1 << 20);

        let batch = RecordBatch::try_from_iter([("x", coded)]).unwrap();
        let pieces: Vec<RecordBatch> = cut(batch.clone()).collect();
        assert_eq!(pieces.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [5, 2]);
        assert_eq!(arrow::compute::concat_batches(&batch.schema(), &pieces).unwrap(), batch);
    }
}
