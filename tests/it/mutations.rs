//! Files with a few bytes changed: an ordinary answer, exit 0 or 65, whatever was hit.
//!
//! `cargo test --release --test it -- --ignored --nocapture at_length` does it at length.

use std::process::Command;

use crate::arbitrary_input;
use crate::tables::{Uniform, curve, write};
use crate::workdir::Workdir;

/// Address space of the program while it reads them, in KiB: a lie about a size must not be believed.
const MOST_KIB: u32 = 4 << 20;

/// Changes `bytes` at random: a bit, a byte, a few bytes swapped, or an end cut off.
fn mutated(bytes: &[u8], random: &mut Uniform) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut below = |n: usize| ((random.next() + 1.0) / 2.0 * n as f64) as usize % n.max(1);
    for _ in 0..=below(3) {
        // Half of them near the end, where a Parquet file keeps its footer, or the start, where a model keeps its header.
        let length = bytes.len();
        let at = match below(4) {
            0 => length - 1 - below(length.min(1500)),
            1 => below(length.min(1500)),
            _ => below(length),
        };
        match below(6) {
            0 | 1 => bytes[at] ^= 1 << below(8),
            2 => bytes[at] = below(256) as u8,
            3 => {
                let other = below(length);
                bytes.swap(at, other);
            }
            4 => bytes[at..(at + 4).min(length)].fill(0xff),
            _ if below(4) == 0 => bytes.truncate(at + 1),
            _ => bytes[at] = bytes[at].wrapping_add(1),
        }
    }
    bytes
}

/// Runs the program with bounded memory; it must end with 0 or 65, and say nothing of a panic.
fn answers(dir: &Workdir, arguments: &str, case: &str) -> i32 {
    let limited = format!("ulimit -v {MOST_KIB} && exec {} {arguments}", env!("CARGO_BIN_EXE_vaepipe"));
    let output = Command::new("sh").args(["-c", &limited]).current_dir(dir.path(".")).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let fine = matches!(output.status.code(), Some(0 | 65)) && !stderr.contains("panicked");
    assert!(fine, "{case}: {arguments}: {}\n{stderr}", output.status);
    output.status.code().unwrap()
}

/// What is mutated: the table or the model.
const KINDS: [(&str, &str); 2] = [
    ("bad.parquet", "transform bad.parquet out.parquet"),
    ("bad.safetensors", "transform in.parquet out.parquet -m bad.safetensors"),
];

fn mutate(kind: usize, count: usize, seed: u64) {
    let (dir, mut random) = (Workdir::new(), Uniform::new(seed));
    write(&dir.path("in.parquet"), &curve(500), 120);
    dir.ok("fit in.parquet --epochs 1");
    let original = std::fs::read(dir.path(["in.parquet", "vae.safetensors"][kind])).unwrap();
    let ((name, transform), mut codes) = (KINDS[kind], [0_usize; 2]);
    for case in 0..count {
        std::fs::write(dir.path(name), mutated(&original, &mut random)).unwrap();
        for arguments in [format!("inspect {name}"), transform.to_owned()] {
            let code = answers(&dir, &format!("{arguments} -q --threads 1"), &format!("seed {seed}, case {case}"));
            codes[usize::from(code == 65)] += 1;
        }
        let _ = std::fs::remove_file(dir.path("out.parquet"));
        std::fs::remove_file(dir.path(name)).unwrap();
        assert_eq!(dir.names(), ["in.parquet", "vae.safetensors"], "seed {seed}, case {case}");
    }
    println!("of {count} mutations of {name}, read by two commands: {} done, {} refused", codes[0], codes[1]);
    assert!(codes[1] > count / 10, "they hit something: {codes:?}");
}

#[test]
fn sixty_mutations_are_answered_in_order() {
    (0..KINDS.len()).for_each(|kind| mutate(kind, 60, 1));
}

#[test]
fn strange_bytes_and_words_are_taken_or_refused() {
    let mut random = Uniform::new(4);
    for (_, takes, seeds) in arbitrary_input::seeds() {
        seeds.iter().for_each(|seed| takes(seed));
        for case in 0..400 {
            takes(&mutated(&seeds[case % seeds.len()], &mut random));
        }
    }
}

/// For the fuzzer, in the folder that `VAEPIPE_SEEDS` names.
#[test]
#[ignore = "writes files"]
fn strange_seeds_are_written() {
    let folder = std::path::PathBuf::from(std::env::var_os("VAEPIPE_SEEDS").unwrap());
    for (name, _, seeds) in arbitrary_input::seeds() {
        std::fs::create_dir_all(folder.join(name)).unwrap();
        for (n, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(name).join(n.to_string()), seed).unwrap();
        }
    }
}

#[test]
#[ignore = "takes minutes"]
fn ten_thousand_mutated_tables_at_length() {
    mutate(0, 10_000, 2);
}

#[test]
#[ignore = "takes minutes"]
fn two_thousand_mutated_models_at_length() {
    mutate(1, 2000, 3);
}
