//! How much of the data takes part, in how many steps, and in how much memory.

use arrow::compute::concat_batches;

use crate::model_file::take_apart;
use crate::tables::{curve, write};
use crate::workdir::Workdir;

#[test]
fn memory_decides_where_rows_are_and_never_what_is_learned_from_them() {
    let dir = Workdir::new();
    let part = curve(50_000);
    // 19 MiB once encoded, in one row group that is more than its share of the memory as well.
    write(&dir.path("in.parquet"), &concat_batches(&part.schema(), vec![&part; 14]).unwrap(), 1 << 20);
    std::fs::create_dir(dir.path("scratch")).unwrap();
    let fit = "fit in.parquet --epochs 1 --batch-size 65536 --hidden 8";
    dir.ok(&format!("{fit} -m roomy")).says(&["of encoded rows stay in memory"]);
    let tight = format!("{fit} --memory 16MiB");
    dir.ok(&format!("{tight} -m tight")).says(&["go to a scratch file in .;"]);
    dir.ok(&format!("{tight} -m elsewhere --spool-dir scratch")).says(&["go to a scratch file in scratch;"]);
    let model = |name| std::fs::read(dir.path(name)).unwrap();
    assert!(model("roomy") == model("tight") && model("tight") == model("elsewhere"));
    assert_eq!(dir.names(), ["elsewhere", "in.parquet", "roomy", "scratch", "tight"]);
    assert_eq!(std::fs::read_dir(dir.path("scratch")).unwrap().count(), 0);
    // Known before the work, whether it will be needed or not.
    dir.fails(2, &format!("{fit} -m new --spool-dir nowhere"))
        .says(&["spool_dir is nowhere, but must be an existing directory", "--spool-dir sets it"]);
}

#[test]
fn a_sample_is_all_that_takes_part_and_steps_end_the_training() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(3000), 1000);
    let fitted = |flags: &str| {
        dir.ok(&format!("fit in.parquet --force {flags}"));
        take_apart(&dir.path("vae.safetensors")).0
    };
    let rows = fitted("--sample 500 --epochs 1")["provenance"].clone();
    let of = |part: &str| rows[part].as_u64().unwrap();
    assert_eq!((of("rows"), of("train_rows"), of("select_rows") + of("calibrate_rows")), (3000, 438, 62));
    let cut = fitted("--max-steps 5 --sample 2000 --batch-size 128");
    assert_eq!((&cut["training"]["steps"], cut["history"]["epochs"].as_array().unwrap().len()), (&5.into(), 1));
    // No more rows than the steps can reach.
    assert!(cut["provenance"]["train_rows"].as_u64() <= Some(5 * 128 + 1));
    for (flags, says) in [
        ("--memory 1KiB", ["memory is 1024, but must be 16 MiB or more", "--memory sets it"]),
        ("--sample 1", ["sample is 1, but must be 2 or more", "--sample sets it"]),
        ("--max-steps 0", ["max_steps is 0, but must be 1 or more", "--max-steps sets it"]),
        ("--memory much", ["--memory", "much"]),
    ] {
        dir.fails(2, &format!("fit in.parquet -m new {flags}")).says(&says);
    }
}

#[test]
fn few_rows_are_refitted_on_training_and_validation_rows() {
    let dir = Workdir::new();
    write(&dir.path("few.parquet"), &curve(390), 1000);
    write(&dir.path("more.parquet"), &curve(2000), 1000);
    let history = |flags: &str| {
        let ran = dir.ok(&format!("fit {flags} --epochs 8 --force"));
        (ran, take_apart(&dir.path("vae.safetensors")).0["history"].clone())
    };
    let (ran, few) = history("few.parquet");
    ran.prints(&["refit for as many on training and validation rows"]);
    assert_eq!((&few["refit"], few["epochs"].as_array().unwrap().len()), (&true.into(), 8));
    assert!(few["held_out_loss"].is_number(), "some rows never train");
    // As many as were asked for are no more than there should be.
    for flags in ["more.parquet", "few.parquet --val-fraction 0.2", "few.parquet --val-fraction 0"] {
        assert_eq!(history(flags).1["refit"], false, "{flags}");
    }
}

#[test]
fn verbose_runs_tell_how_long_each_stage_worked() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(300), 1000);
    for (command, stages) in [
        ("fit in.parquet --epochs 1 -v", ["stage statistics: ", "stage encode: ", "stage train: "]),
        ("transform in.parquet out.parquet -v", ["stage read: ", "stage model: ", "stage write: "]),
    ] {
        dir.ok(command).says(&stages).says(&[" s busy, ", " s waiting for input"]);
    }
}

#[test]
fn a_network_there_is_no_memory_for_is_refused() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(300), 1000);
    for command in ["fit", "inspect"] {
        let ran = dir.fails(2, &format!("{command} in.parquet --hidden 65536,65536,65536"));
        ran.says(&["17181", "parameters takes", "GiB of memory, but", "--hidden"]);
    }
    dir.fails(2, "fit in.parquet --hidden 1000000,1000000").says(&["hidden is 1000000", "1 to 65536 a layer"]);
    assert_eq!(dir.names(), ["in.parquet"]);
}
