//! The mean image of each cluster.

use arrow::array::ArrayRef;

use super::ScoredColumns;
use super::page::ReportPage;
use super::row_images::{pixel_columns, row_images, stretch_contrast};
use super::sampled_rows::{SampledRows, read_rows};
use crate::analysis::figure::{ImageRow, image_grid};
use crate::artifact::Model;
use crate::error::Result;
use crate::pipeline::Stop;
use crate::source::ParquetSource;

/// Most images side by side.
const ACROSS: usize = 9;

/// Adds the mean of the sampled rows of each of `count` clusters as an image, if the file has all columns of one.
pub(super) fn show(
    page: &mut ReportPage,
    (source, columns, model): (&ParquetSource, &ScoredColumns, &Model),
    sample: &SampledRows,
    (clusters, count): (&[Option<usize>], usize),
    size: [usize; 2],
    stop: &Stop,
) -> Result<()> {
    let Some(names) = pixel_columns(model, columns)? else {
        page.leave_out("clusters as images: the file lacks their columns".to_owned());
        return Ok(());
    };
    let unread = names.iter().filter(|name| sample.column(name).is_none());
    let others = read_rows(source, unread.cloned(), sample.rows.clone(), stop)?;
    let column = |name: &String| sample.column(name).or_else(|| others.column(name)).cloned();
    let columns: Vec<ArrayRef> = names.iter().filter_map(column).collect();
    let mut means = vec![vec![0.0; size[0] * size[1]]; count];
    let (mut known, mut rows_in) = (means.clone(), vec![0_u64; count]);
    for (image, cluster) in row_images(&columns, size)?.iter().zip(clusters) {
        let Some(cluster) = cluster.filter(|cluster| *cluster < count) else { continue };
        rows_in[cluster] += 1;
        for (pixel, value) in image.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            means[cluster][pixel] += value;
            known[cluster][pixel] += 1.0;
        }
    }
    for (mean, known) in means.iter_mut().zip(&known) {
        mean.iter_mut().zip(known).for_each(|(sum, rows)| *sum /= rows);
    }
    stretch_contrast(&mut means);
    let numbers: Vec<usize> = (0..count).filter(|cluster| rows_in[*cluster] > 0).collect();
    let of = |some: &[usize]| ImageRow {
        name: match some {
            [first, .., last] => format!("{first} to {last}"),
            some => some.iter().map(usize::to_string).collect(),
        },
        images: some.iter().map(|cluster| means[*cluster].clone()).collect(),
    };
    let lines: Vec<ImageRow> = numbers.chunks(ACROSS).map(of).collect();
    let about = "The mean of the rows of each cluster, as an image.".to_owned();
    page.figure(image_grid(("cluster-images", "Clusters as images", about), &[], &lines, size)?, "");
    Ok(())
}
