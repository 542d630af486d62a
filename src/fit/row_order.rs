//! The split of the rows and the order of training: functions of the seed and of global row numbers, never of files, row
//! groups or threads.

#![forbid(unsafe_code)]

use std::ops::Range;

use crate::numerics::RandomStream;

/// Rows of a chunk, the unit of order when not all rows are shuffled together.
pub(crate) const CHUNK_ROWS: u64 = 8192;

/// Most rows shuffled together, in whole chunks: their places are numbers of 32 bits.
pub(crate) const MOST_SHUFFLED: u64 = u32::MAX as u64 / CHUNK_ROWS * CHUNK_ROWS;

/// The part of the split that a row is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowRole {
    /// It gives gradients.
    Training,
    /// It helps to choose the weights and when to stop.
    Validation,
    /// It measures the result and calibrates scores.
    Calibration,
    /// It is not in the sample.
    Unused,
}

/// The split of the rows: the rows of lowest hash are held out, an exact number of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HoldOut {
    stream: RandomStream,
    /// Rows with a hash below the first are validation rows, below the second calibration rows, below the third training
    /// rows.
    below: [u64; 3],
    /// Whether there are validation rows; else they are training rows.
    validates: bool,
    held_out: HeldOut,
}

/// Numbers of rows that are held out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct HeldOut {
    pub(crate) validation: u64,
    pub(crate) calibration: u64,
}

impl HeldOut {
    /// Rows of both kinds.
    pub(crate) fn all(self) -> u64 {
        self.validation + self.calibration
    }
}

impl HoldOut {
    /// Most rows held out: their mean loss is precise enough.
    const MOST: u64 = 131_072;
    /// Most bytes held out.
    const MOST_BYTES: u64 = 128 << 20;
    /// Fewest rows held out, as long as that is at most a quarter of them.
    const FEWEST: u64 = 40;
    /// The same, as long as that is at most an eighth: a hundred calibration rows give p-values down to 0.01.
    const ENOUGH: u64 = 200;

    /// Fewest calibration rows, as long as that is at most a tenth of the rows: then in 97 of 100 fits the share of ordinary rows
    /// whose p-value is at most 0.01 is within a factor of three of 0.01.
    const CALIBRATION: u64 = 500;
    /// The same: of fewer rows than this, training needs them.
    const CALIBRATION_FROM: u64 = 2000;

    /// Of more rows, none of which is scored out of fold, so many calibrate if the share that is asked for has as many: the share of
    /// false alarms at 0.01 then varies from fit to fit by 0.16 percent points, with 1,000 rows by 0.31.
    const PRECISE: u64 = 4000;
    const PRECISE_FROM: u64 = 10_000;

    /// Counts the rows to hold out of `rows` rows, of `row_bytes` encoded bytes each, for a share of `fraction`: half of that
    /// share, rounded up, validates, and the other half or more calibrates.
    pub(crate) fn count(rows: u64, fraction: f64, row_bytes: u64) -> HeldOut {
        if fraction == 0.0 {
            return HeldOut::default();
        }
        let wanted = (rows as f64 * fraction).round() as u64;
        let most = Self::MOST.min((Self::MOST_BYTES / row_bytes.max(1)).max(Self::FEWEST));
        // Training needs two rows.
        let least = Self::FEWEST.min(rows / 4).max(Self::ENOUGH.min(rows / 8));
        let count = wanted.max(least).min(most).min(rows.saturating_sub(2));
        let calibration = match rows {
            rows if rows < Self::CALIBRATION_FROM => 0,
            rows if rows < Self::PRECISE_FROM => Self::CALIBRATION.min(rows / 10),
            _ => Self::CALIBRATION.max(Self::PRECISE.min(wanted)),
        };
        HeldOut { validation: count.div_ceil(2), calibration: (count / 2).max(calibration.min(most / 2)) }
    }

    /// Whether these are more than the share of few rows: then training misses the validation rows. Two thousand rows
    /// gained nothing from them.
    pub(crate) fn exceeds(held_out: HeldOut, rows: u64, fraction: f64) -> bool {
        rows < 2 * Self::ENOUGH && held_out.all() > (rows as f64 * fraction).round() as u64
    }

    /// Takes exactly `sample` of `rows` rows, or all if there are fewer, and holds out some of them.
    pub(crate) fn new(seed: u64, rows: u64, sample: u64, held_out: HeldOut) -> Self {
        let stream = RandomStream::new(seed, "hold-out");
        let below = [held_out.validation, held_out.all(), sample].map(|count| lowest(stream, rows, count));
        Self { stream, below, validates: true, held_out }
    }

    /// Makes training rows of the validation rows.
    pub(crate) fn without_validation(self) -> Self {
        Self { validates: false, held_out: HeldOut { validation: 0, ..self.held_out }, ..self }
    }

    /// Numbers of rows held out.
    pub(crate) fn held_out(&self) -> HeldOut {
        self.held_out
    }

    /// The role of row number `row`.
    pub(crate) fn role(&self, row: u64) -> RowRole {
        let hash = self.stream.bits(row);
        match self.below {
            [validation, ..] if hash < validation && self.validates => RowRole::Validation,
            [validation, ..] if hash < validation => RowRole::Training,
            [_, calibration, _] if hash < calibration => RowRole::Calibration,
            // The bound of all rows is itself a possible hash.
            [.., training] if hash < training || training == u64::MAX => RowRole::Training,
            _ => RowRole::Unused,
        }
    }
}

/// Finds the bound with exactly `count` of the hashes of rows `0..rows` below it (hashes are distinct).
fn lowest(stream: RandomStream, rows: u64, count: u64) -> u64 {
    if count >= rows {
        return u64::MAX;
    }
    // One pass counts hashes by their upper bits, a second one sorts the bucket the bound falls into.
    const SHIFT: u32 = 48;
    let mut buckets = vec![0_u64; 1 << (64 - SHIFT)];
    (0..rows).for_each(|row| buckets[(stream.bits(row) >> SHIFT) as usize] += 1);
    let mut before = 0;
    for (bucket, &size) in buckets.iter().enumerate() {
        if before + size > count {
            let mut hashes: Vec<u64> =
                (0..rows).map(|row| stream.bits(row)).filter(|hash| (hash >> SHIFT) as usize == bucket).collect();
            hashes.sort_unstable();
            return hashes[(count - before) as usize];
        }
        before += size;
    }
    u64::MAX
}

/// The order of training: chunks of rows in random order, shuffled a window at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowOrder {
    seed: u64,
    rows: u64,
    window: u64,
}

impl RowOrder {
    /// Orders `rows` rows; `window` rows, rounded up to whole chunks, are shuffled together.
    pub(crate) fn new(seed: u64, rows: u64, window: u64) -> Self {
        Self { seed, rows, window }
    }

    /// The windows of an epoch, each a list of row ranges that start at chunks.
    pub(crate) fn windows(&self, epoch: u64) -> Vec<Vec<Range<u64>>> {
        if self.window >= self.rows {
            return vec![vec![0..self.rows]];
        }
        let mut chunks: Vec<u64> = (0..self.rows.div_ceil(CHUNK_ROWS)).collect();
        RandomStream::new(self.seed, "chunks").child(epoch).shuffle(&mut chunks);
        let range = |&chunk: &u64| chunk * CHUNK_ROWS..((chunk + 1) * CHUNK_ROWS).min(self.rows);
        let chunks_of_window = self.window.div_ceil(CHUNK_ROWS).max(1) as usize;
        chunks.chunks(chunks_of_window).map(|window| window.iter().map(range).collect()).collect()
    }

    /// The order of the `rows` rows loaded for a window.
    pub(crate) fn within(&self, epoch: u64, window: u64, rows: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..rows).collect();
        RandomStream::new(self.seed, "rows").child(epoch).child(window).shuffle(&mut order);
        order
    }
}

/// Cuts `rows` rows into the fewest steps of at most `batch_size` rows whose sizes differ by at most one.
pub(crate) fn step_rows(rows: usize, batch_size: usize) -> impl Iterator<Item = usize> {
    let steps = rows.div_ceil(batch_size).max(1);
    (0..steps).map(move |step| rows * (step + 1) / steps - rows * step / steps)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn exactly_the_wanted_numbers_are_taken_and_held_out(
            seed: u64, rows in 0_u64..3000, sample in 0_u64..4000, share in 0.0..0.5
        ) {
            let held_out = HoldOut::count(rows.min(sample), share, 400);
            let hold_out = HoldOut::new(seed, rows, sample, held_out);
            let of = |part| (0..rows).filter(|&row| hold_out.role(row) == part).count() as u64;
            let HeldOut { validation, calibration } = held_out;
            prop_assert_eq!((of(RowRole::Validation), of(RowRole::Calibration)), (validation, calibration));
            prop_assert_eq!(of(RowRole::Training), rows.min(sample) - held_out.all());
            let again = hold_out.without_validation();
            let same = |row| match hold_out.role(row) {
                RowRole::Validation => RowRole::Training,
                part => part,
            };
            prop_assert!((0..rows).all(|row| again.role(row) == same(row)));
        }

        #[test]
        fn every_row_is_read_once_an_epoch(seed: u64, rows in 1_u64..100_000, window in 1_u64..100_000, epoch in 0_u64..9) {
            let mut seen: Vec<_> = RowOrder::new(seed, rows, window).windows(epoch).concat();
            seen.sort_by_key(|range| range.start);
            prop_assert_eq!(seen.first().unwrap().start, 0);
            prop_assert_eq!(seen.last().unwrap().end, rows);
            prop_assert!(seen.windows(2).all(|pair| pair[0].end == pair[1].start));
        }

        #[test]
        fn steps_cover_the_rows_evenly(rows in 1_usize..10_000, batch_size in 1_usize..3000) {
            let steps: Vec<_> = step_rows(rows, batch_size).collect();
            prop_assert_eq!(steps.iter().sum::<usize>(), rows);
            prop_assert_eq!(steps.len(), rows.div_ceil(batch_size));
            let (least, most) = (steps.iter().min().unwrap(), steps.iter().max().unwrap());
            prop_assert!(most - least <= 1 && *most <= batch_size);
        }
    }

    #[test]
    fn small_data_keeps_a_floor_and_large_data_a_ceiling() {
        let counts = |rows, fraction, bytes| {
            let HeldOut { validation, calibration } = HoldOut::count(rows, fraction, bytes);
            (validation, calibration)
        };
        assert_eq!(counts(80, 0.1, 40), (10, 10));
        assert_eq!((counts(300, 0.1, 40), counts(800, 0.1, 40)), ((20, 20), (50, 50)));
        assert_eq!((counts(1800, 0.1, 40), counts(3000, 0.1, 40)), ((100, 100), (150, 300)));
        assert_eq!((counts(4000, 0.1, 40), counts(8000, 0.1, 40)), ((200, 400), (400, 500)));
        assert_eq!((counts(20_000, 0.1, 40), counts(4000, 0.5, 40)), ((1000, 2000), (1000, 1000)));
        assert_eq!((counts(60_000, 0.1, 40), counts(20_000, 0.01, 40)), ((3000, 4000), (100, 500)));
        assert_eq!((counts(2, 0.1, 40), counts(3, 0.5, 40)), ((0, 0), (1, 0)));
        let exceeds =
            |count, rows, fraction| HoldOut::exceeds(HeldOut { validation: count, calibration: 0 }, rows, fraction);
        assert!(exceeds(40, 390, 0.1) && !exceeds(200, 1797, 0.1) && !exceeds(0, 9, 0.0));
        assert_eq!(counts(1_000_000_000, 0.1, 40), (65_536, 65_536));
        assert_eq!((counts(1_000_000, 0.1, 4000), counts(4000, 0.1, 1 << 30)), ((16_777, 16_777), (20, 20)));
        assert_eq!(counts(1_000_000, 0.0, 4000), (0, 0));
    }

    #[test]
    fn epochs_and_seeds_have_orders_of_their_own() {
        let order = |seed, epoch| RowOrder::new(seed, 1000, 1000).within(epoch, 0, 1000);
        assert_eq!(order(1, 1), order(1, 1));
        assert!(order(1, 1) != order(1, 2) && order(1, 1) != order(2, 1));
    }
}
