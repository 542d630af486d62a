//! The distribution of categories, in tensors.

use candle_core::{DType, Result, Tensor};

use super::{HeadGradient, HeadPass, TensorCells, TensorHead};
use crate::feature::LikelihoodGroup;
use crate::model::tensors::placer::Placer;

/// x ~ Categorical(softmax(output)), where x is the number of the class and every element has classes of its own.
///
/// Elements of about as many classes are computed together, so that the number of operations does not grow with that of
/// the elements.
pub(super) struct CategoricalTensors {
    blocks: Vec<ClassBlock>,
    /// The place of each of the group's outputs among those of all blocks.
    order: Tensor,
}

/// Elements whose classes are filled up to the same number of them, a power of two.
struct ClassBlock {
    /// Classes of an element.
    classes: usize,
    /// Their places in the row vector.
    elements: Tensor,
    /// The places of their classes among the decoder's outputs; a class that is filled in has that of the first.
    outputs: Tensor,
    /// Added to the logits, `[elements · classes]`: 0, or the least there is for a class that is filled in.
    fill: Tensor,
    /// 0, 1, … `[1, classes]`.
    numbers: Tensor,
    /// `[classes, 1]`.
    ones: Tensor,
}

/// The logit of a class that is not there, beside any other.
const NO_CLASS: f32 = -1e30;

impl CategoricalTensors {
    pub(super) fn new(group: &LikelihoodGroup, placer: &Placer) -> Result<Self> {
        let starts = group
            .classes
            .iter()
            .scan(group.output.start, |next, classes| Some(std::mem::replace(next, *next + classes)));
        let elements: Vec<(usize, usize, usize)> =
            group.elements.clone().zip(starts).zip(&group.classes).map(|((e, start), n)| (e, start, *n)).collect();
        let mut sizes: Vec<usize> = group.classes.iter().map(|classes| classes.next_power_of_two()).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let (mut blocks, mut order, mut before) = (Vec::new(), vec![0; group.output.len()], 0);
        for size in sizes {
            let of_block = elements.iter().filter(|(.., classes)| classes.next_power_of_two() == size);
            let (mut places, mut outputs, mut fill) = (Vec::new(), Vec::new(), Vec::new());
            for &(element, start, classes) in of_block {
                places.push(element as u32);
                for class in 0..size {
                    let there = class < classes;
                    if there {
                        order[start + class - group.output.start] = (before + outputs.len()) as u32;
                    }
                    outputs.push((start + if there { class } else { 0 }) as u32);
                    fill.push(if there { 0.0 } else { NO_CLASS });
                }
            }
            before += outputs.len();
            let numbers: Vec<f32> = (0..size).map(|class| class as f32).collect();
            blocks.push(ClassBlock {
                classes: size,
                elements: placer.indices(&places)?,
                outputs: placer.indices(&outputs)?,
                fill: placer.tensor(&fill, &[fill.len()])?,
                numbers: placer.tensor(&numbers, &[1, size])?,
                ones: placer.tensor(&vec![1.0; size], &[size, 1])?,
            });
        }
        Ok(Self { blocks, order: placer.indices(&order)? })
    }
}

impl ClassBlock {
    /// Log-probabilities, and 1 where the class is that of the row: both `[rows · elements, classes]`.
    fn forward(&self, cells: &TensorCells<'_>) -> Result<[Tensor; 2]> {
        let logits = cells.output.index_select(&self.outputs, 1)?.broadcast_add(&self.fill)?;
        let logits = logits.reshape(((), self.classes))?;
        let logits = logits.broadcast_sub(&logits.max_keepdim(1)?)?;
        let log_p = logits.broadcast_sub(&logits.exp()?.matmul(&self.ones)?.log()?)?;
        let class = cells.x.index_select(&self.elements, 1)?.reshape(((), 1))?;
        Ok([log_p, class.broadcast_eq(&self.numbers)?.to_dtype(DType::F32)?])
    }

    /// Probabilities less the class: `[rows · elements, classes]`.
    fn off(&self, [log_p, class]: [&Tensor; 2]) -> Result<Tensor> {
        log_p.exp()? - class
    }

    /// Values of the elements, `[rows · elements, 1]`, as `[rows, elements]`, 0 where missing.
    fn by_row(&self, values: &Tensor, cells: &TensorCells<'_>) -> Result<Tensor> {
        let values = values.reshape(((), self.elements.elem_count()))?;
        match cells.known {
            Some(known) => values * known.index_select(&self.elements, 1)?,
            None => Ok(values),
        }
    }
}

impl TensorHead for CategoricalTensors {
    /// ln Σ e^o - o of the class. Kept are log-probabilities and classes of each block.
    fn forward(&self, cells: &TensorCells<'_>) -> Result<HeadPass> {
        let (mut nll, mut kept) = (Vec::new(), Vec::new());
        for block in &self.blocks {
            let [log_p, class] = block.forward(cells)?;
            nll.push(block.by_row(&(&log_p * &class)?.matmul(&block.ones)?.neg()?, cells)?);
            kept.extend([log_p, class]);
        }
        Ok(HeadPass { nll: Tensor::cat(&nll, 1)?, kept })
    }

    /// Half the squared distance between probabilities and the class.
    fn squared_error(&self, cells: &TensorCells<'_>, pass: &HeadPass) -> Result<Tensor> {
        let of_block = |(block, kept): (&ClassBlock, &[Tensor])| {
            let squares = block.off([&kept[0], &kept[1]])?.sqr()?.matmul(&block.ones)?;
            block.by_row(&(squares * 0.5)?, cells)
        };
        Tensor::cat(&self.blocks.iter().zip(pass.kept.chunks_exact(2)).map(of_block).collect::<Result<Vec<_>>>()?, 1)
    }

    fn backward(&self, cells: &TensorCells<'_>, pass: &HeadPass) -> Result<HeadGradient> {
        let of_block = |(block, kept): (&ClassBlock, &[Tensor])| {
            let mut off = block.off([&kept[0], &kept[1]])?;
            if let Some(known) = cells.known {
                off = off.broadcast_mul(&known.index_select(&block.elements, 1)?.reshape(((), 1))?)?;
            }
            off.reshape(((), block.outputs.elem_count()))
        };
        let all = self.blocks.iter().zip(pass.kept.chunks_exact(2)).map(of_block).collect::<Result<Vec<_>>>()?;
        let by_output = Tensor::cat(&all, 1)?.index_select(&self.order, 1)?;
        Ok(HeadGradient { by_output, by_parameter: None })
    }
}
