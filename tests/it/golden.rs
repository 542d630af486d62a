//! Models of every format released so far are read, and give the numbers they gave then.

use crate::tables::{floats, names, read};
use crate::workdir::{Workdir, repository};

#[test]
fn a_model_of_version_1_scores_as_it_did() {
    let dir = Workdir::new();
    for file in ["tests/golden/v1.safetensors", "sample_data/flights.parquet"] {
        let name = file.rsplit('/').next().unwrap();
        std::fs::copy(repository(file), dir.path(name)).unwrap();
    }
    let output = dir
        .command("transform flights.parquet out.parquet -m v1.safetensors --keep flight --score all --where")
        .arg("month = 1 AND day = 1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (then, now) = (read(&repository("tests/golden/v1.parquet")), read(&dir.path("out.parquet")));
    assert!(then.num_rows() > 20 && names(&then) == names(&now));
    // Kernels differ from CPU to CPU, and their sums in the last bits.
    for name in names(&then).iter().filter(|name| !["flight", "is_anomaly", "p_value"].contains(&name.as_str())) {
        for (then, now) in floats(&then, name).into_iter().zip(floats(&now, name)) {
            let (Some(then), Some(now)) = (then, now) else { panic!("{name} is null") };
            assert!((then - now).abs() <= 1e-5 * then.abs().max(1.0), "{name}: {then} {now}");
        }
    }
    dir.ok("drift v1.safetensors flights.parquet").prints(&["z_1", "anomaly_score"]);
}
