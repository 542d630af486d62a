//! What lies where in the plane of two latent dimensions, as images.

use std::path::Path;

use super::ScoredColumns;
use super::latent_plane::LatentPlane;
use super::page::ReportPage;
use super::row_images::{row_images, shrunk, stretch_contrast};
use super::sampled_rows::{SampledRows, numbers};
use crate::analysis::figure::{ImageMap, cells, image_map};
use crate::artifact::Model;
use crate::error::Result;

/// Most pixels of an image on the plane, and of those that are decoded at once.
const MOST_PIXELS: usize = 1024;
const AT_ONCE: usize = 1 << 22;

/// Adds what the model expects where rows lie: in each cell of a grid, at the mean of its rows in all latent dimensions.
pub(super) fn show(
    page: &mut ReportPage,
    plane: &LatentPlane,
    (path, columns, sample): (&Path, &ScoredColumns, &SampledRows),
    (model, size): (&Model, [usize; 2]),
) -> Result<()> {
    let read = columns.latents.iter().filter_map(|name| Some(numbers(path, name, sample.column(name)?)));
    let latents: Vec<Vec<Option<f64>>> = read.collect::<Result<_>>()?;
    if latents.len() != model.metadata().network.latent_dim {
        page.leave_out("latent space as images: the file lacks latents of this model".to_owned());
        return Ok(());
    }
    let grid = cells(size);
    let mut sums = vec![(0.0, vec![0.0; latents.len()]); grid[0] * grid[1]];
    for (row, at) in plane.at.iter().enumerate() {
        let Some(cell) = at.and_then(|at| plane.cell(at, grid)) else { continue };
        let Some(z) = latents.iter().map(|latent| latent[row]).collect::<Option<Vec<f64>>>() else { continue };
        let (rows, sum) = &mut sums[cell];
        *rows += 1.0;
        sum.iter_mut().zip(z).for_each(|(sum, z)| *sum += z);
    }
    let held = sums.into_iter().enumerate().filter(|(_, (rows, _))| *rows > 0.0);
    let means: Vec<(usize, Vec<f32>)> =
        held.map(|(cell, (rows, sum))| (cell, sum.into_iter().map(|sum| (sum / rows) as f32).collect())).collect();
    let (mut images, mut small) = (Vec::new(), size);
    for some in means.chunks((AT_ONCE / (size[0] * size[1])).max(1)) {
        let z: Vec<f32> = some.iter().flat_map(|(_, mean)| mean.iter().copied()).collect();
        for image in row_images(&model.expected_at(&z, &[])?, size)? {
            let (image, size) = shrunk(image, size, MOST_PIXELS);
            images.push(image);
            small = size;
        }
    }
    stretch_contrast(&mut images);
    let about = format!(
        "What the model expects at the mean of the rows in each of {} by {} cells. A cell without rows is empty. The axes are those \
         of the rows: these images are what they mean.",
        grid[0], grid[1]
    );
    let map = ImageMap {
        ranges: plane.ranges.clone(),
        titles: plane.titles(columns, &[]),
        grid,
        size: small,
        images: means.into_iter().map(|(cell, _)| cell).zip(images).collect(),
    };
    page.figure(image_map(&map, ("latent-images", "What lies where", about))?, "");
    Ok(())
}
