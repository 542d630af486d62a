//! A search for the nearest of many rows, given their products with a place.

#![forbid(unsafe_code)]

use super::vector::{sums, vectorized};

/// Columns of rows compared at once. Also a bound of how many rows can be asked for.
const COLUMNS: usize = 128;

/// The `most` rows that are nearest to a place, the nearest first, ties in order; fewer if there are fewer. `products` are
/// those of the place with each row, and are used up: half the squared distance is half the squared lengths less the product.
///
/// # Panics
/// If `most` is 0 or above 127.
pub(crate) fn nearest(products: &mut [f32], half_squares: &[f32], most: usize) -> Vec<usize> {
    assert!((1..COLUMNS).contains(&most), "{most} nearest rows");
    // The greatest difference of product and half square is the nearest row. Each row has a column. The maxima of `most`
    // columns reach `least`, so the rows wanted reach it as well, and are in columns whose maximum does.
    let mut columns = [f32::NEG_INFINITY; COLUMNS];
    vectorized(
        #[inline(always)]
        || {
            for (products, squares) in products.chunks_mut(COLUMNS).zip(half_squares.chunks(COLUMNS)) {
                for ((product, square), column) in products.iter_mut().zip(squares).zip(&mut columns) {
                    *product -= square;
                    *column = if *product > *column { *product } else { *column };
                }
            }
        },
    );
    let least = closest(columns.iter().copied().enumerate(), most)[most - 1].0;
    let close = columns.iter().enumerate().filter(|(_, closeness)| **closeness >= least);
    let rows = close.flat_map(|(column, _)| (column..products.len()).step_by(COLUMNS));
    let closest = closest(rows.map(|row| (row, products[row])), most);
    closest.into_iter().filter(|(closeness, _)| *closeness > f32::NEG_INFINITY).map(|(_, row)| row).collect()
}

/// The `most` closest of these rows, the closest first; minus infinity in place of those there are not.
fn closest(rows: impl Iterator<Item = (usize, f32)>, most: usize) -> Vec<(f32, usize)> {
    let mut closest = vec![(f32::NEG_INFINITY, 0); most];
    for (row, closeness) in rows {
        if closeness > closest[most - 1].0 {
            let place = closest.partition_point(|(other, _)| *other >= closeness);
            closest[place..].rotate_right(1);
            closest[place] = (closeness, row);
        }
    }
    closest
}

/// The sum of the squares of a vector.
pub(crate) fn squared_length(vector: &[f32]) -> f32 {
    let [square] = vectorized(
        #[inline(always)]
        || sums([vector], |[x]| [x * x]),
    );
    square
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::RandomStream;

    #[test]
    fn the_nearest_rows_are_those_of_a_plain_search() {
        let mut rows = vec![0.0; 1000 * 3];
        RandomStream::new(2, "rows").normals(&mut rows);
        let half_squares: Vec<f32> = rows.chunks_exact(3).map(|row| 0.5 * squared_length(row)).collect();
        for (place, most) in rows.chunks_exact(3).take(50).zip([1, 6, 16, 127].into_iter().cycle()) {
            let mut products: Vec<f32> =
                rows.chunks_exact(3).map(|row| row.iter().zip(place).map(|(a, b)| a * b).sum()).collect();
            let distance = |row: usize| -> f64 {
                rows[row * 3..][..3].iter().zip(place).map(|(a, b)| f64::from(a - b).powi(2)).sum()
            };
            let mut expected: Vec<usize> = (0..1000).collect();
            expected.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));
            assert_eq!(nearest(&mut products, &half_squares, most), expected[..most]);
        }
    }

    #[test]
    fn fewer_rows_than_asked_for_are_all_found_and_ties_are_in_order() {
        assert_eq!(nearest(&mut [0.0, 1.0, 1.0], &[0.0; 3], 6), [1, 2, 0]);
        assert!(nearest(&mut [], &[], 6).is_empty());
    }
}
