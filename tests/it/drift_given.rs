//! Drift of learned columns is judged by what is given: rows of a night are compared with those of nights, and a busy machine
//! is no drift.

use std::f64::consts::TAU;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampSecondArray};

use crate::tables::{Uniform, write};
use crate::workdir::Workdir;

const MACHINES: usize = 12;

/// Rows of some hours of the days of a month.
struct Rows {
    seed: u64,
    count: usize,
    hours: std::ops::Range<f64>,
    /// The machine of half of the rows, if it is a busy one.
    busy: Option<usize>,
    /// By how much a number moves that depends on nothing.
    shift: f64,
    /// The factor of a count.
    factor: f64,
}

impl Rows {
    const NIGHT: Self = Self { seed: 3, count: 3000, hours: 0.0..6.0, busy: None, shift: 0.0, factor: 1.0 };
    const DAYS: Self = Self { seed: 1, count: 9000, hours: 0.0..24.0, ..Self::NIGHT };

    /// A count that is large by day and noisy as its level, a word that depends on the hour, one that depends on the machine, and
    /// a number that depends on neither.
    fn table(&self) -> RecordBatch {
        let mut uniform = Uniform::new(self.seed);
        let (mut ts, mut machine, mut count, mut work, mut mode, mut x) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for row in 0..self.count {
            let mut next = || (uniform.next() + 1.0) / 2.0;
            let hour = self.hours.start + next() * (self.hours.end - self.hours.start);
            let busy = self.busy.filter(|_| row % 2 == 0);
            let own = busy.unwrap_or((next() * MACHINES as f64) as usize);
            let day = 1.0 + 0.9 * ((hour - 9.0) / 24.0 * TAU).sin();
            let normal = (0..12).map(|_| next()).sum::<f64>() - 6.0;
            ts.push(1_704_067_200 + (next() * 28.0) as i64 * 86_400 + (hour * 3600.0) as i64);
            machine.push(format!("m{own}"));
            count.push((self.factor * (20.0 * day + (20.0 * day).sqrt() * normal)).round().max(0.0) as i64);
            work.push(if next() < day / 2.0 { "orders" } else { "backup" });
            mode.push(["cut", "drill", "mill"][if next() < 0.8 { own % 3 } else { (next() * 3.0) as usize }]);
            x.push((0..12).map(|_| next()).sum::<f64>() - 6.0 + self.shift);
        }
        let words = |words: Vec<&str>| Arc::new(StringArray::from(words)) as ArrayRef;
        RecordBatch::try_from_iter([
            ("ts", Arc::new(TimestampSecondArray::from(ts)) as ArrayRef),
            ("machine", Arc::new(StringArray::from(machine)) as ArrayRef),
            ("count", Arc::new(Int64Array::from(count)) as ArrayRef),
            ("work", words(work)),
            ("mode", words(mode)),
            ("x", Arc::new(Float64Array::from(x)) as ArrayRef),
        ])
        .unwrap()
    }
}

fn fitted() -> Workdir {
    let dir = Workdir::new();
    write(&dir.path("month.parquet"), &Rows::DAYS.table(), 1000);
    dir.ok("fit month.parquet --given ts,machine --epochs 20");
    dir
}

/// The index of a column, and the limit of chance.
fn psi(dir: &Workdir, rows: &Rows, name: &str) -> [f64; 2] {
    write(&dir.path("rows.parquet"), &rows.table(), 1000);
    let drift = dir.ok("drift rows.parquet --summary json").json();
    let shift = drift["columns"].as_array().unwrap().iter().find(|shift| shift["name"] == name).unwrap().clone();
    ["psi", "chance"].map(|key| shift[key].as_f64().unwrap())
}

#[test]
fn a_part_of_the_day_is_compared_with_the_same_hours() {
    let dir = fitted();
    for (count, hours) in [(3000, 0.0..6.0), (200, 0.0..6.0), (1500, 15.0..16.0), (3000, 6.0..18.0)] {
        let part = Rows { count, hours: hours.clone(), ..Rows::NIGHT };
        write(&dir.path("part.parquet"), &part.table(), 1000);
        let said = dir.ok("drift part.parquet --fail-on-drift 0.25");
        assert!(said.stdout().contains("drift     none"), "{hours:?}: {}", said.stdout());
    }
    // Without the time there is nothing to tell a night by.
    dir.ok("fit month.parquet --exclude ts --given machine --epochs 20 -m timeless.st");
    write(&dir.path("night.parquet"), &Rows::NIGHT.table(), 1000);
    dir.fails(3, "drift night.parquet -m timeless.st --fail-on-drift 0.25").prints(&["count", "work"]);
}

#[test]
fn what_moved_is_found_in_a_part_of_the_day_as_in_whole_days() {
    let dir = fitted();
    // Of a normal distribution moved by half a deviation, the index is 0.5² = 0.25, and less in bins.
    for rows in [Rows::DAYS, Rows::NIGHT] {
        let seed = 5;
        let [moved, chance] = psi(&dir, &Rows { seed, shift: 0.5, ..rows }, "x");
        assert!((0.17..0.32).contains(&moved) && moved > chance, "{moved} {chance}");
    }
    for rows in [Rows::DAYS, Rows::NIGHT] {
        let [moved, chance] = psi(&dir, &Rows { seed: 5, factor: 1.5, ..rows }, "count");
        assert!(moved > 0.25 && moved > chance, "{moved} {chance}");
    }
}

#[test]
fn words_of_a_busy_machine_are_compared_with_those_of_that_machine() {
    let dir = fitted();
    let busy = Rows { seed: 7, count: 4000, busy: Some(4), ..Rows::DAYS };
    let [of_machine, chance] = psi(&dir, &busy, "mode");
    assert!(of_machine < 0.02, "{of_machine} {chance}");
    // The same rows by a model that is not given the machine.
    dir.ok("fit month.parquet --exclude machine --epochs 20 --force");
    let [of_all, chance] = psi(&dir, &busy, "mode");
    assert!(of_all > 0.2 && of_all > chance, "{of_all} {chance}");
}
