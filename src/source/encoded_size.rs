//! Splits batches so that each stays small once encoded. A dictionary value that a million rows share is in memory once, but
//! a million times in encoded rows.

use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait, RecordBatch};
use arrow::datatypes::{BinaryViewType, ByteArrayType, ByteViewType, DataType, StringViewType};

use crate::error::Result;

/// Most bytes of rows encoded at once, unless a single row takes more.
const MAX_BYTES: usize = 64 << 20;

/// Upper bound of the bytes of a fixed-size value.
const FIXED_SIZE: usize = 16;

/// Rows of a batch that may be encoded at once, at least one.
fn rows_per_slice(batch: &RecordBatch) -> usize {
    let row_bytes = batch.columns().iter().map(largest_shared_value).fold(0, usize::saturating_add);
    (MAX_BYTES / row_bytes.max(1)).max(1)
}

/// Splits batches into slices that take at most 64 MiB once encoded.
pub(crate) fn split_by_encoded_size(
    batches: impl Iterator<Item = Result<RecordBatch>>,
) -> impl Iterator<Item = Result<RecordBatch>> {
    batches.flat_map(|batch| {
        let (slices, error) = match batch {
            Ok(batch) => (Some(split(batch)), None),
            Err(error) => (None, Some(Err(error))),
        };
        slices.into_iter().flatten().map(Ok).chain(error)
    })
}

fn split(batch: RecordBatch) -> impl Iterator<Item = RecordBatch> {
    let (rows, all) = (rows_per_slice(&batch), batch.num_rows());
    (0..all).step_by(rows).map(move |from| batch.slice(from, rows.min(all - from)))
}

/// Bytes of the largest value that rows of an array can share; 0 for layouts that store one value per row.
fn largest_shared_value(array: &ArrayRef) -> usize {
    let in_lists = |values: &ArrayRef, length: usize| largest_shared_value(values).saturating_mul(length);
    match array.data_type() {
        DataType::Dictionary(..) => largest_value(array.as_any_dictionary().values()),
        DataType::Utf8View => longest_view::<StringViewType>(array),
        DataType::BinaryView => longest_view::<BinaryViewType>(array),
        DataType::Struct(_) => {
            array.as_struct().columns().iter().map(largest_shared_value).fold(0, usize::saturating_add)
        }
        DataType::List(_) => in_lists(array.as_list::<i32>().values(), longest(array.as_list::<i32>().offsets())),
        DataType::LargeList(_) => in_lists(array.as_list::<i64>().values(), longest(array.as_list::<i64>().offsets())),
        DataType::FixedSizeList(_, length) => in_lists(array.as_fixed_size_list().values(), *length as usize),
        DataType::Map(..) => {
            let entries =
                array.as_map().entries().columns().iter().map(largest_shared_value).fold(0, usize::saturating_add);
            entries.saturating_mul(longest(array.as_map().offsets()))
        }
        _ => 0,
    }
}

/// Bytes of the largest value of an array.
fn largest_value(array: &ArrayRef) -> usize {
    match array.data_type() {
        DataType::Utf8 => longest_of::<arrow::datatypes::Utf8Type>(array),
        DataType::LargeUtf8 => longest_of::<arrow::datatypes::LargeUtf8Type>(array),
        DataType::Binary => longest_of::<arrow::datatypes::BinaryType>(array),
        DataType::LargeBinary => longest_of::<arrow::datatypes::LargeBinaryType>(array),
        // A sum, not a maximum: LLVM 22 miscompiles the recursion with a maximum and treats it as never 0.
        _ => largest_shared_value(array).saturating_add(FIXED_SIZE),
    }
}

fn longest_of<T: ByteArrayType>(array: &ArrayRef) -> usize {
    longest(array.as_bytes::<T>().offsets())
}

fn longest_view<T: ByteViewType>(array: &ArrayRef) -> usize {
    // The low 32 bits of a view are the length.
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

    fn slice_rows(array: ArrayRef) -> usize {
        rows_per_slice(&RecordBatch::try_from_iter([("x", array)]).unwrap())
    }

    #[test]
    fn rows_that_share_a_value_are_split_as_if_each_stored_it() {
        let long = "a".repeat(MAX_BYTES / 5);
        let keys = [Some(0), Some(1), None, Some(1), Some(1), Some(1), Some(0)].into_iter().collect();
        let words: ArrayRef = Arc::new(StringArray::from(vec!["short", &long]));
        let coded: ArrayRef = Arc::new(DictionaryArray::<Int32Type>::new(keys, words.clone()));
        assert_eq!(slice_rows(coded.clone()), 5);
        assert_eq!(slice_rows(Arc::new(StringViewArray::from(vec![Some(long.as_str()), None]))), 5);
        let lists = OffsetBuffer::from_lengths([2, 3, 2]);
        let item = Arc::new(Field::new("item", coded.data_type().clone(), true));
        assert_eq!(slice_rows(Arc::new(ListArray::new(item.clone(), lists, coded.clone(), None))), 1);
        assert_eq!(slice_rows(Arc::new(StructArray::from(vec![(item, coded.clone())]))), 5);
        // These store each row already.
        assert!(slice_rows(words) > 1 << 20 && slice_rows(Arc::new(Int64Array::from(vec![1; 100]))) > 1 << 20);

        let batch = RecordBatch::try_from_iter([("x", coded)]).unwrap();
        let pieces: Vec<RecordBatch> = split(batch.clone()).collect();
        assert_eq!(pieces.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [5, 2]);
        assert_eq!(arrow::compute::concat_batches(&batch.schema(), &pieces).unwrap(), batch);
    }
}
