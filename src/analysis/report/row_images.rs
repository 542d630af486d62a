//! Rows as images: their numbers in column order.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};

use super::ScoredColumns;
use super::sampled_rows::{are_numbers, failed, numbers};
use crate::artifact::Model;
use crate::error::{Error, Result};

/// The columns of a row's image, learned and constant ones; `None` if the file lacks one.
pub(super) fn pixel_columns(model: &Model, columns: &ScoredColumns) -> Result<Option<Vec<String>>> {
    let all = model.rebuilt_columns()?;
    Ok(all.fields().iter().map(|field| columns.has(field.name()).then(|| field.name().clone())).collect())
}

/// The numbers of each row as an image `[height, width]`, NaN where missing.
///
/// # Errors
/// [`Error::OptionRange`] if a row has more or fewer numbers than the image.
pub(super) fn row_images(columns: &[ArrayRef], [wide, high]: [usize; 2]) -> Result<Vec<Vec<f64>>> {
    let rows = columns.first().map_or(0, |column| column.len());
    let mut images = vec![Vec::with_capacity(wide * high); rows];
    for column in columns {
        if are_numbers(column.data_type()) {
            let values = numbers(std::path::Path::new(""), "", column)?;
            images.iter_mut().zip(values).for_each(|(image, value)| image.push(value.unwrap_or(f64::NAN)));
        } else if let DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) =
            column.data_type()
        {
            let item = Field::new("item", item.data_type().clone(), true);
            let lists = cast(column, &DataType::LargeList(item.into())).map_err(|it| failed("".as_ref(), "", it))?;
            for (image, list) in images.iter_mut().zip(lists.as_list::<i64>().iter()) {
                let values = list.map(|list| numbers(std::path::Path::new(""), "", &list)).transpose()?;
                image.extend(values.into_iter().flatten().map(|value| value.unwrap_or(f64::NAN)));
            }
        }
    }
    match images.iter().find(|image| image.len() != wide * high) {
        Some(image) => Err(Error::OptionRange {
            option: "image",
            value: format!("{wide}x{high} for rows of {} numbers", image.len()),
            range: "of as many pixels as there are numbers, learned or constant",
        }),
        None => Ok(images),
    }
}

/// An image of at most `most` pixels, each the mean of a square of pixels of the given one; and its size.
pub(super) fn shrunk(image: Vec<f64>, [wide, high]: [usize; 2], most: usize) -> (Vec<f64>, [usize; 2]) {
    let side = (1..).find(|side| wide.div_ceil(*side) * high.div_ceil(*side) <= most).unwrap_or(1);
    if side == 1 {
        return (image, [wide, high]);
    }
    let size = [wide.div_ceil(side), high.div_ceil(side)];
    let mut sums = vec![(0.0, 0.0); size[0] * size[1]];
    for (place, value) in image.iter().enumerate().filter(|(_, value)| value.is_finite()) {
        let (sum, known) = &mut sums[place / wide / side * size[0] + place % wide / side];
        (*sum, *known) = (*sum + value, *known + 1.0);
    }
    (sums.into_iter().map(|(sum, known)| sum / known).collect(), size)
}

/// Scales all images together to the range 0 to 1.
pub(super) fn stretch_contrast(images: &mut [Vec<f64>]) {
    let all = images.iter().flatten().copied().filter(|value| value.is_finite());
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    let wide = (high - low).max(f64::MIN_POSITIVE);
    for value in images.iter_mut().flatten() {
        *value = if value.is_finite() { (*value - low) / wide } else { 0.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_image_is_shrunk_to_means() {
        let image: Vec<f64> = (0..15).map(f64::from).collect();
        assert_eq!(shrunk(image.clone(), [5, 3], 15), (image.clone(), [5, 3]));
        // Squares of 2 by 2; those at the right and upper edge are cut.
        let means = vec![3.0, 5.0, 6.5, 10.5, 12.5, 14.0];
        assert_eq!(shrunk(image, [5, 3], 14), (means, [3, 2]));
        assert!(shrunk(vec![f64::NAN; 4], [2, 2], 1).0[0].is_nan());
    }
}
