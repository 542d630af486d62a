//! The same numbers, bit for bit, however the work is cut.

use arrow::array::UInt32Array;
use arrow::compute::take_record_batch;

use crate::tables::{curve, new_bits, read, write};
use crate::workdir::Workdir;

/// More rows than one chunk of the shuffle.
const ROWS: usize = 20_000;

const FLAGS: &str = "--epochs 2 --hidden 16 --latent-dim 2 --batch-size 700 --exclude id --force";

fn model(dir: &Workdir, arguments: &str) -> Vec<u8> {
    dir.ok(&format!("fit {arguments} {FLAGS}"));
    std::fs::read(dir.path("vae.safetensors")).unwrap()
}

/// One table as a file, as a file of other row groups, and as three files.
fn cut_in_ways() -> (Workdir, [&'static str; 3]) {
    let (dir, all) = (Workdir::new(), curve(ROWS));
    write(&dir.path("whole.parquet"), &all, 1 << 20);
    write(&dir.path("groups.parquet"), &all, 777);
    for (name, from, to) in [("a.parquet", 0, 5000), ("b.parquet", 5000, 5001), ("c.parquet", 5001, ROWS)] {
        write(&dir.path(name), &all.slice(from, to - from), 3000);
    }
    (dir, ["whole.parquet", "groups.parquet", "a.parquet b.parquet c.parquet"])
}

#[test]
fn runs_threads_row_groups_and_files_do_not_change_a_bit_of_the_model() {
    let (dir, inputs) = cut_in_ways();
    let first = model(&dir, "whole.parquet --threads 1");
    assert!(first == model(&dir, "whole.parquet --threads 1"), "another run");
    for input in inputs {
        for threads in [1, 2, 3] {
            assert!(first == model(&dir, &format!("{input} --threads {threads}")), "{input} at {threads}");
        }
    }
    assert!(first != model(&dir, "whole.parquet --seed 1"), "a seed is not ignored");
}

#[test]
fn the_same_holds_for_robust_scaling_and_trimming() {
    let (dir, inputs) = cut_in_ways();
    let first = model(&dir, "whole.parquet --threads 1 --preset anomaly");
    for input in inputs {
        assert!(first == model(&dir, &format!("{input} --threads 2 --preset anomaly")), "{input}");
    }
}

#[test]
fn the_same_holds_when_the_rows_are_read_window_by_window() {
    let (dir, inputs) = cut_in_ways();
    let first = model(&dir, "whole.parquet --threads 1 --shuffle-rows 8192");
    for input in inputs {
        assert!(first == model(&dir, &format!("{input} --threads 2 --shuffle-rows 8192")), "{input}");
    }
    assert!(first != model(&dir, "whole.parquet"), "a window is another order");
}

#[test]
fn a_rows_numbers_do_not_depend_on_order_neighbours_row_groups_or_threads() {
    let (dir, all) = (Workdir::new(), curve(3000));
    write(&dir.path("in.parquet"), &all, 1 << 20);
    model(&dir, "in.parquet");
    dir.ok("transform in.parquet out.parquet --threads 1");
    let expected = new_bits(&read(&dir.path("out.parquet")));

    // Every third row, backwards, in small row groups.
    let some: Vec<u32> = (0..1000).rev().map(|row| row * 3).collect();
    let batch = take_record_batch(&all, &UInt32Array::from(some.clone())).unwrap();
    for (row_group, threads) in [(1, 1), (100, 2), (333, 3)] {
        write(&dir.path("some.parquet"), &batch, row_group);
        dir.ok(&format!("transform some.parquet some_out.parquet --force --threads {threads}"));
        let found = new_bits(&read(&dir.path("some_out.parquet")));
        assert!(some.iter().zip(&found).all(|(&row, found)| expected[row as usize] == *found), "{row_group} {threads}");
    }
}

#[test]
fn the_same_transform_writes_the_same_file() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(3000), 500);
    model(&dir, "in.parquet");
    let file = |threads| {
        dir.ok(&format!("transform in.parquet out.parquet --force --threads {threads}"));
        std::fs::read(dir.path("out.parquet")).unwrap()
    };
    assert!(file(1) == file(2));
}
