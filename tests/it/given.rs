//! Given columns are circumstances: the network sees them, rows are compared with those of the same circumstances, and they
//! are never scored, blamed or counted as drift.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Float64Type, TimeUnit};

use crate::model_file::take_apart;
use crate::scores::top;
use crate::tables::{Uniform, floats, keys, names, new_bits, read, write};
use crate::workdir::Workdir;

const DEVICES: usize = 24;
const HOUR: i64 = 3_600_000_000;

/// The level of a device: from 10 to 10,000, the busier ones in no order.
fn level(device: usize) -> f64 {
    10_f64.powf(1.0 + 3.0 * ((device * 7) % DEVICES) as f64 / DEVICES as f64)
}

/// A normal number, nearly.
fn normal(uniform: &mut Uniform) -> f64 {
    (0..12).map(|_| uniform.next()).sum::<f64>() / 2.0
}

/// A row: its device and hour since 2024-01-01, and the factor of its load.
#[derive(Clone, Copy)]
struct Hour {
    device: Option<usize>,
    hour: i64,
    factor: f64,
}

/// Loads of devices with a profile of the day, a count that depends on the profile, and a word that depends on nothing.
fn table(seed: u64, rows: &[Hour]) -> RecordBatch {
    let mut uniform = Uniform::new(seed);
    let (mut load, mut errors, mut mode) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let of_day = 1.0 + 0.5 * ((row.hour % 24 - 9) as f64 / 24.0 * std::f64::consts::TAU).sin();
        let level = row.device.map_or(300.0, level);
        load.push(row.factor * level * of_day * (0.08 * normal(&mut uniform)).exp());
        errors.push((5.0 * of_day + normal(&mut uniform)).round().max(0.0));
        mode.push(["auto", "manual"][usize::from(uniform.next() > 0.5)]);
    }
    let devices = rows.iter().map(|row| row.device.map(|device| format!("d{device}")));
    let times = rows.iter().map(|row| 1_704_067_200_000_000 + row.hour * HOUR + 17);
    let float = |values: Vec<f64>| Arc::new(Float64Array::from(values)) as ArrayRef;
    RecordBatch::try_from_iter_with_nullable([
        ("device", Arc::new(devices.collect::<StringArray>()) as ArrayRef, true),
        ("ts", Arc::new(TimestampMicrosecondArray::from_iter_values(times)), true),
        ("load", float(load), true),
        ("errors", float(errors), true),
        ("mode", Arc::new(StringArray::from(mode)), true),
    ])
    .unwrap()
}

/// Every device in every one of some hours.
fn all_devices(hours: std::ops::Range<i64>) -> Vec<Hour> {
    hours.flat_map(|hour| (0..DEVICES).map(move |device| Hour { device: Some(device), hour, factor: 1.0 })).collect()
}

/// A folder with `january.parquet`.
fn january() -> Workdir {
    let dir = Workdir::new();
    write(&dir.path("january.parquet"), &table(1, &all_devices(0..28 * 24)), 5000);
    dir
}

fn p_values(batch: &RecordBatch) -> Vec<f64> {
    batch.column_by_name("p_value").unwrap().as_primitive::<Float64Type>().values().to_vec()
}

/// The share of some p-values that are at most `most`.
fn share(p: impl Iterator<Item = f64>, most: f64) -> f64 {
    let (mut below, mut all) = (0.0, 0.0);
    p.for_each(|p| (below, all) = (below + f64::from(u8::from(p <= most)), all + 1.0));
    below / all
}

#[test]
fn a_device_far_below_its_own_normal_is_found_and_busy_ones_are_not() {
    let dir = january();
    // Every device of another week, and in its turn one at a fifth of its normal for an hour.
    let fallen = |n: usize| n % DEVICES == n / DEVICES % DEVICES;
    let mut rows = all_devices(28 * 24..35 * 24);
    rows.iter_mut().enumerate().filter(|(n, _)| fallen(*n)).for_each(|(_, row)| row.factor = 0.2);
    write(&dir.path("week.parquet"), &table(2, &rows), 5000);
    for preset in ["reduce", "anomaly"] {
        let p_of = |flags: &str| {
            dir.ok(&format!("fit january.parquet --force --preset {preset} {flags}"));
            dir.ok("transform week.parquet out.parquet --force");
            p_values(&read(&dir.path("out.parquet")))
        };
        let (given, pooled) = (p_of("--given device,ts"), p_of("--exclude device"));
        let of = |p: &[f64], found: bool| share((0..p.len()).filter(|n| fallen(*n) == found).map(|n| p[n]), 0.03);
        assert!(
            of(&given, true) >= 0.9 && of(&pooled, true) <= 0.2,
            "{preset} {} {}",
            of(&given, true),
            of(&pooled, true)
        );
        assert!(of(&given, false) <= 0.06, "{}", of(&given, false));
        for device in 0..DEVICES {
            let own = (0..given.len()).filter(|n| n % DEVICES == device && !fallen(*n)).map(|n| given[n]);
            assert!(share(own, 0.05) <= 0.15, "device {device}");
        }
    }
}

#[test]
fn rows_of_devices_that_the_fit_did_not_see_are_counted_and_compared_with_all() {
    for preset in ["reduce", "anomaly"] {
        let dir = january();
        dir.ok(&format!("fit january.parquet --given device,ts --preset {preset}"));
        // The same rows under other names, some without.
        let rows: Vec<Hour> = all_devices(28 * 24..31 * 24);
        let batch = table(3, &rows);
        let renamed: ArrayRef = Arc::new(
            batch
                .column(0)
                .as_string::<i32>()
                .iter()
                .enumerate()
                .map(|(n, name)| name.filter(|_| n % 10 > 0).map(|name| format!("new {name}")))
                .collect::<StringArray>(),
        );
        let columns = [renamed].into_iter().chain(batch.columns()[1..].iter().cloned()).collect();
        let batch = RecordBatch::try_new(batch.schema(), columns).unwrap();
        write(&dir.path("new.parquet"), &batch, 5000);
        let ran = dir.ok("transform new.parquet out.parquet --summary json");
        let unseen = rows.len() - rows.len().div_ceil(10);
        ran.says(&[&format!(
            "{0} values are missing, unlike in the training data: \"device\" ({0})",
            rows.len().div_ceil(10)
        )]);
        let found = ran.json()["found"].as_array().unwrap().clone();
        assert!(found.iter().any(|it| it["column"] == "device" && it["unseen"] == unseen), "{found:?}");
        let flagged = share(p_values(&read(&dir.path("out.parquet"))).into_iter(), 0.01);
        assert!(flagged <= 0.03, "{preset} {flagged}");
    }
}

#[test]
fn given_columns_are_shown_and_never_scored_blamed_or_drifting() {
    let dir = january();
    dir.ok("inspect january.parquet --given device").prints(&["give it: 24 groups", "give it: hour, weekday"]);
    let fitted = dir.ok("fit january.parquet --given device --preset anomaly --summary json");
    assert_eq!(fitted.json()["given"], serde_json::json!(["device", "ts"]));
    dir.ok("inspect vae.safetensors").prints(&["given   as", "24 groups", "hour, weekday"]);
    let (metadata, _) = take_apart(&dir.path("vae.safetensors"));
    let columns = |key: &str| -> Vec<String> {
        metadata[key].as_array().unwrap().iter().map(|it| it["column"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((columns("given"), columns("features").len()), (vec!["device".to_owned(), "ts".to_owned()], 3));
    let schema = dir.ok("schema january.parquet --summary json").json()["columns"].clone();
    let roles: Vec<&str> = schema.as_array().unwrap().iter().map(|it| it["role"].as_str().unwrap()).collect();
    assert_eq!(roles[..6], ["given", "given", "learned", "learned", "learned", "new"]);
    // A night of one device in June.
    let night: Vec<Hour> =
        (3620..3628).flat_map(|hour| (0..40).map(move |_| Hour { device: Some(5), hour, factor: 1.0 })).collect();
    write(&dir.path("night.parquet"), &table(4, &night), 5000);
    let ran = dir.ok("transform night.parquet out.parquet --explain 3 --explain-rows all --summary json");
    let drift = ran.json()["drift"]["columns"].as_array().unwrap().clone();
    let mut named: Vec<&str> = drift.iter().map(|shift| shift["name"].as_str().unwrap()).collect();
    named.sort_unstable();
    assert_eq!(named, ["errors", "load", "mode"], "the largest first");
    let load = drift.iter().find(|shift| shift["name"] == "load").unwrap()["psi"].as_f64().unwrap();
    // One device of 24, and the hours of a night: given both, little has moved.
    assert!(load < 0.25, "{drift:?}");
    let out = read(&dir.path("out.parquet"));
    assert!(out.column_by_name("device").is_some(), "given columns stay");
    for row in 0..out.num_rows() {
        assert!(top(&out, row).iter().all(|(feature, ..)| ["load", "errors", "mode"].contains(&feature.as_str())));
    }
    dir.ok("transform night.parquet few.parquet --drop-features");
    assert_eq!(names(&read(&dir.path("few.parquet")))[..3], ["device", "ts", "z_0"]);
    assert_eq!(keys(&dir.path("few.parquet"))["vaepipe.features"], r#"["load","errors","mode"]"#);
}

#[test]
fn scores_with_given_columns_do_not_depend_on_neighbours_threads_or_row_groups() {
    let dir = january();
    dir.ok("fit january.parquet -m one.st --given device,ts --preset anomaly --epochs 2 --threads 1");
    let rows = read(&dir.path("january.parquet"));
    write(&dir.path("split.parquet"), &rows, 977);
    dir.ok("fit split.parquet -m two.st --given device,ts --preset anomaly --epochs 2 --threads 3");
    let bytes = |name: &str| std::fs::read(dir.path(name)).unwrap();
    assert_eq!(bytes("one.st"), bytes("two.st"));
    dir.ok("transform january.parquet whole.parquet -m one.st");
    write(&dir.path("some.parquet"), &rows.slice(1001, 300), 50);
    dir.ok("transform some.parquet some-out.parquet -m one.st --threads 2");
    let (whole, some) = (new_bits(&read(&dir.path("whole.parquet"))), new_bits(&read(&dir.path("some-out.parquet"))));
    assert_eq!(whole[1001..1301], some[..]);
}

#[test]
fn generated_rows_are_those_of_given_circumstances() {
    let dir = january();
    dir.ok("fit january.parquet --given device,ts");
    dir.ok("generate -n 2000 any.parquet");
    let any = read(&dir.path("any.parquet"));
    assert_eq!(names(&any), ["device", "ts", "load", "errors", "mode"]);
    let devices: std::collections::BTreeSet<&str> = any.column(0).as_string::<i32>().iter().flatten().collect();
    assert_eq!(devices.len(), DEVICES);
    assert_eq!(any.column(1).data_type(), &DataType::Timestamp(TimeUnit::Microsecond, None));
    let mean = |batch: &RecordBatch| {
        let load = batch.column_by_name("load").unwrap().as_primitive::<Float64Type>();
        load.iter().flatten().sum::<f64>() / load.len() as f64
    };
    for device in [3, 12] {
        dir.ok(&format!("generate -n 500 at.parquet --force --at device=d{device}"));
        let at = read(&dir.path("at.parquet"));
        assert!(at.column(0).as_string::<i32>().iter().all(|name| name == Some(&format!("d{device}"))));
        assert!((mean(&at) / level(device) - 1.0).abs() < 0.25, "{device}: {} {}", mean(&at), level(device));
        dir.ok(&format!("traverse along.parquet --force --at device=d{device},ts=2024-01-05T03:00:00"));
        assert!((mean(&read(&dir.path("along.parquet"))) / level(device) - 0.5).abs() < 0.35);
    }
    dir.fails(2, "generate -n 5 no.parquet --at load=3")
        .says(&["\"load\" is not given; the model is given \"device\", \"ts\""]);
    dir.fails(2, "generate -n 5 no.parquet --at ts=noon").says(&["ts=noon"]);
    dir.fails(2, "generate -n 5 no.parquet --at device").says(&["COL=VALUE"]);
    dir.ok("generate -n 5 new.parquet --at device=unheard").says(&["device unheard is not in the training data"]);
}

#[test]
fn missing_values_are_filled_and_rows_rebuilt_as_usual_for_their_device() {
    let dir = january();
    dir.ok("fit january.parquet --given device,ts");
    let rows: Vec<Hour> = all_devices(40 * 24..41 * 24);
    let whole = table(5, &rows);
    let load = whole.column(2).as_primitive::<Float64Type>();
    let holes: ArrayRef =
        Arc::new(load.iter().enumerate().map(|(n, x)| x.filter(|_| n % 5 > 0)).collect::<Float64Array>());
    let columns: Vec<ArrayRef> = whole
        .columns()
        .iter()
        .enumerate()
        .map(|(n, column)| if n == 2 { holes.clone() } else { column.clone() })
        .collect();
    write(&dir.path("holes.parquet"), &RecordBatch::try_new(whole.schema(), columns).unwrap(), 1000);
    dir.ok("impute holes.parquet filled.parquet");
    let near = |name: &str, which: &dyn Fn(usize) -> bool| {
        let batch = read(&dir.path(name));
        let found = batch.column_by_name("load").unwrap().as_primitive::<Float64Type>().clone();
        for n in (0..rows.len()).filter(|n| which(*n)) {
            let (found, level) = (found.value(n), level(rows[n].device.unwrap()));
            assert!((0.2 * level..2.0 * level).contains(&found), "{name} {n}: {found} of {level}");
        }
    };
    near("filled.parquet", &|_| true);
    dir.ok("transform holes.parquet z.parquet --drop-features");
    dir.ok("reconstruct z.parquet from-latents.parquet");
    near("from-latents.parquet", &|_| true);
    dir.ok("reconstruct filled.parquet rebuilt.parquet");
    near("rebuilt.parquet", &|_| true);
    dir.ok("transform holes.parquet bare.parquet --drop-features --keep z_*,load");
    dir.fails(65, "reconstruct bare.parquet no.parquet --latents").says(&["device"]);
}

#[test]
fn what_is_expected_is_expected_of_that_device() {
    let dir = january();
    dir.ok("fit january.parquet --given device,ts --preset anomaly");
    let rows: Vec<Hour> = (0..DEVICES).map(|device| Hour { device: Some(device), hour: 700, factor: 0.1 }).collect();
    write(&dir.path("low.parquet"), &table(6, &rows), 1000);
    dir.ok("transform low.parquet out.parquet --explain 1 --explain-rows all");
    let out = read(&dir.path("out.parquet"));
    for device in 0..DEVICES {
        let (feature, _, _, expected) = top(&out, device).remove(0);
        let (expected, level) = (expected.parse::<f64>().unwrap(), level(device));
        assert_eq!(feature, "load");
        assert!((0.05 * level..2.0 * level).contains(&expected), "{device}: {expected} of {level}");
    }
}

#[test]
fn integers_are_groups_if_they_repeat_and_given_numbers_keep_within_their_range() {
    let dir = Workdir::new();
    let mut uniform = Uniform::new(8);
    let rows = 4000;
    let heat: Vec<f64> = (0..rows).map(|_| 20.0 + 5.0 * uniform.next()).collect();
    let x: Vec<f64> = heat.iter().map(|heat| 3.0 * heat + normal(&mut uniform)).collect();
    let batch = |heat: Vec<f64>, x: Vec<f64>| {
        let rows = x.len() as i64;
        RecordBatch::try_from_iter([
            ("site", Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row % 7 * 1000))) as ArrayRef),
            ("serial", Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row * 37 % 9973))) as ArrayRef),
            ("heat", Arc::new(Float64Array::from(heat)) as ArrayRef),
            ("x", Arc::new(Float64Array::from(x)) as ArrayRef),
        ])
        .unwrap()
    };
    write(&dir.path("rows.parquet"), &batch(heat.clone(), x.clone()), 1000);
    dir.ok("inspect rows.parquet --given site,serial,heat").prints(&["give it: 7 groups", "give it: number"]);
    dir.ok("fit rows.parquet --given site,heat --exclude serial");
    let z = |heat: f64| {
        write(&dir.path("one.parquet"), &batch(vec![heat; 7], vec![75.0; 7]), 10);
        dir.ok("transform one.parquet out.parquet --force");
        floats(&read(&dir.path("out.parquet")), "anomaly_score")
    };
    assert_eq!(z(1e6), z(heat.iter().copied().fold(f64::MIN, f64::max)), "what was never given counts as the closest");
    assert_ne!(z(15.5), z(24.5));
    dir.fails(2, "fit rows.parquet --given nothing -m no.st").says(&["no column \"nothing\""]);
    dir.fails(2, "fit rows.parquet --given * -m no.st").says(&["leaves no column to learn"]);
}

#[test]
fn a_fit_that_goes_on_keeps_what_is_given_and_how_groups_are_standardised() {
    let dir = january();
    dir.ok("fit january.parquet --given device,ts");
    write(&dir.path("week.parquet"), &table(9, &all_devices(28 * 24..35 * 24)), 5000);
    // The week is like January: there is little to learn from it.
    dir.ok("fit --init vae.safetensors week.parquet -m next.st --accept-worse");
    let tensor = |model: &str, wanted: &str| {
        let (_, tensors) = take_apart(&dir.path(model));
        tensors.into_iter().find(|(name, ..)| name == wanted).unwrap().3
    };
    assert_eq!(tensor("vae.safetensors", "groups.0.level"), tensor("next.st", "groups.0.level"));
    dir.ok("fit --init vae.safetensors week.parquet -m other.st --refit-scaling --accept-worse");
    assert_ne!(tensor("vae.safetensors", "groups.0.level"), tensor("other.st", "groups.0.level"));
    dir.fails(2, "fit --init vae.safetensors week.parquet -m no.st --given mode").says(&["it is not given \"mode\""]);
    dir.fails(2, "fit --init vae.safetensors week.parquet -m no.st --exclude device").says(&["it is given \"device\""]);
}

#[test]
fn time_that_goes_on_is_no_anomaly() {
    for preset in ["reduce", "anomaly"] {
        let dir = Workdir::new();
        let month = |seed: u64, month: i64, rows: usize| {
            let mut uniform = Uniform::new(seed);
            let hours = (0..rows).map(|_| month * 720 + ((uniform.next() + 1.0) * 336.0) as i64);
            table(seed, &hours.map(|hour| Hour { device: None, hour, factor: 1.0 }).collect::<Vec<_>>())
        };
        write(&dir.path("january.parquet"), &month(1, 0, 8000), 5000);
        dir.ok(&format!("fit january.parquet --exclude device --preset {preset}"));
        for later in 1..7 {
            write(&dir.path("later.parquet"), &month(10 + later as u64, later, 3000), 5000);
            dir.ok("transform later.parquet out.parquet --force");
            let flagged = share(p_values(&read(&dir.path("out.parquet"))).into_iter(), 0.01);
            assert!((0.003..0.03).contains(&flagged), "{preset}, month {later}: {flagged}");
        }
        // Named, a time is learned as any other column.
        dir.ok("inspect january.parquet --columns ts,load,errors").prints(&["learn it: time: elapsed, hour, weekday"]);
    }
}

#[test]
fn batches_of_one_row_and_of_no_anomaly_are_explained() {
    let dir = january();
    dir.ok("fit january.parquet --given device,ts --preset anomaly --epochs 2");
    for (name, rows) in [("one", 1), ("none", 0)] {
        let rows = vec![Hour { device: Some(3), hour: 700, factor: 1.0 }; rows];
        write(&dir.path(&format!("{name}.parquet")), &table(11, &rows), 10);
        dir.ok(&format!("transform {name}.parquet {name}-out.parquet --explain 2"));
        dir.ok(&format!("transform {name}.parquet {name}-fdr.parquet --explain 2 --fdr 0.1"));
        assert_eq!(read(&dir.path(&format!("{name}-out.parquet"))).num_rows(), rows.len());
    }
}

#[test]
fn scores_are_standardised_by_group_whatever_is_learned_and_leaves_of_structs_are_given() {
    let dir = Workdir::new();
    let mut uniform = Uniform::new(12);
    let rows = 4000;
    let sites = (0..rows).map(|row| Some(["north", "south", "west"][row % 3])).collect::<StringArray>();
    let words = (0..rows).map(|row| Some(if uniform.next() > [0.9, 0.0, -0.5][row % 3] { "on" } else { "off" }));
    let words: ArrayRef = Arc::new(words.collect::<StringArray>());
    let field = Arc::new(arrow::datatypes::Field::new("site", DataType::Utf8, true));
    let place: ArrayRef = Arc::new(StructArray::from(vec![(field, Arc::new(sites) as ArrayRef)]));
    write(&dir.path("rows.parquet"), &RecordBatch::try_from_iter([("place", place), ("mode", words)]).unwrap(), 1000);
    dir.ok("fit rows.parquet --given place.site");
    let (_, tensors) = take_apart(&dir.path("vae.safetensors"));
    let names: Vec<&str> =
        tensors.iter().map(|tensor| tensor.0.as_str()).filter(|name| name.starts_with("groups.")).collect();
    assert_eq!(names, ["groups.0.score_level", "groups.0.score_spread"]);
    dir.ok("generate -n 100 north.parquet --at place.site=north");
    let drawn = read(&dir.path("north.parquet"));
    let sites = drawn.column(0).as_struct().column(0).as_string::<i32>();
    assert!(sites.iter().all(|site| site == Some("north")));
    let off = drawn.column(1).as_string::<i32>().iter().filter(|word| *word == Some("off")).count();
    assert!(off > 80, "{off} of 100, and 95 of 100 in the rows");
}

#[test]
fn strings_that_hardly_repeat_are_no_groups() {
    let dir = Workdir::new();
    let mut uniform = Uniform::new(13);
    let names: ArrayRef = Arc::new((0..600).map(|row| Some(format!("row {row}"))).collect::<StringArray>());
    let x: ArrayRef = Arc::new((0..600).map(|_| uniform.next()).collect::<Float64Array>());
    write(&dir.path("rows.parquet"), &RecordBatch::try_from_iter([("name", names), ("x", x)]).unwrap(), 1000);
    dir.ok("fit rows.parquet --given name --epochs 2").prints(&["name: hardly repeats: 600 groups in 600 rows"]);
}

#[test]
fn the_column_of_a_score_stays_what_it_is_where_groups_standardise_the_anomaly_score() {
    let dir = january();
    dir.ok("fit january.parquet --given device,ts --anomaly-score recon_error --epochs 2");
    dir.ok("transform january.parquet out.parquet");
    let out = read(&dir.path("out.parquet"));
    let [errors, ranks] = ["recon_error", "anomaly_score"].map(|name| floats(&out, name));
    assert!(errors.iter().flatten().all(|error| *error >= 0.0));
    assert!(ranks.iter().flatten().any(|rank| *rank < 0.0), "below its own group's mean");
}
