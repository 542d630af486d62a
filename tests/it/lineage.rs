//! `--openlineage`: events of the start and the end of a run. Their form is checked by the classes of OpenLineage's own client in
//! tests/readers.py.

use serde_json::Value;

use crate::tables::{curve, write};
use crate::workdir::Workdir;

fn events(dir: &Workdir) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.path("events.jsonl")).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn names(event: &Value, of: &str) -> Vec<String> {
    event[of].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_run_says_what_it_reads_and_writes() {
    let dir = Workdir::new();
    write(&dir.path("past.parquet"), &curve(600), 200);
    dir.ok("fit past.parquet -m vae.safetensors --exclude id,name --epochs 2 --openlineage events.jsonl");
    dir.ok_with(
        &[
            ("OPENLINEAGE_NAMESPACE", "nights"),
            ("OPENLINEAGE_PARENT_ID", "air/flow.dag.task/0195d0c4-5bd0-7000-8000-000000000001"),
        ],
        "transform past.parquet out.parquet -m vae.safetensors --quarantine odd.parquet --alpha 0.2 --job score \
         --openlineage events.jsonl --run-id 0195d0c4-5bd0-7000-8000-000000000002",
    );
    dir.ok("drift past.parquet -m vae.safetensors --openlineage events.jsonl");
    let events = events(&dir);
    let kinds: Vec<&str> = events.iter().map(|event| event["eventType"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["START", "COMPLETE"].repeat(3));
    let path = |name: &str| dir.path(name).display().to_string();
    for (start, end) in [(0, 1), (2, 3), (4, 5)] {
        assert_eq!(events[start]["run"]["runId"], events[end]["run"]["runId"]);
        assert_eq!(names(&events[start], "inputs"), names(&events[end], "inputs"));
    }
    assert_ne!(events[0]["run"]["runId"], events[4]["run"]["runId"]);
    let [fit, transform, drift] = [&events[1], &events[3], &events[5]];
    assert_eq!(
        (names(fit, "inputs"), names(fit, "outputs")),
        (vec![path("past.parquet")], vec![path("vae.safetensors")])
    );
    assert_eq!((&fit["job"]["name"], &fit["job"]["namespace"]), (&"vaepipe.fit".into(), &"default".into()));
    assert_eq!(fit["run"]["facets"]["vaepipe_fit"]["rows"], 600);
    assert_eq!(
        (&transform["job"]["name"], &transform["job"]["namespace"]),
        (&"score.transform".into(), &"nights".into())
    );
    assert_eq!(transform["run"]["runId"], "0195d0c4-5bd0-7000-8000-000000000002");
    assert_eq!(transform["run"]["facets"]["parent"]["job"]["name"], "flow.dag.task");
    assert_eq!(names(transform, "inputs"), [path("past.parquet"), path("vae.safetensors")]);
    assert_eq!(names(transform, "outputs"), [path("out.parquet"), path("odd.parquet")]);
    let rows = |output: usize| transform["outputs"][output]["outputFacets"]["outputStatistics"]["rowCount"].as_u64();
    let (rest, odd) = (rows(0).unwrap(), rows(1).unwrap());
    assert_eq!((rest + odd, transform["run"]["facets"]["vaepipe_anomalies"]["anomalies"].as_u64()), (600, Some(odd)));
    assert_eq!(transform["inputs"][0]["inputFacets"]["dataQualityMetrics"]["rowCount"], 600);
    let columns = |event: &Value, of: &str| event[of][0]["facets"]["schema"]["fields"].as_array().unwrap().len();
    assert_eq!(columns(transform, "inputs"), 7);
    assert!(columns(transform, "outputs") > 7);
    assert!(drift["run"]["facets"]["vaepipe_drift"]["worst"].is_number());
    assert!(names(drift, "outputs").is_empty());
}

#[test]
fn a_run_that_fails_says_so() {
    let dir = Workdir::new();
    write(&dir.path("past.parquet"), &curve(600), 200);
    dir.fails(1, "transform past.parquet out.parquet -m none.safetensors --openlineage events.jsonl");
    dir.ok("fit past.parquet -m vae.safetensors --exclude id,name --epochs 2");
    // An alert is of a complete output.
    dir.fails(
        3,
        "transform past.parquet out.parquet -m vae.safetensors --alpha 0.5 --fail-on-anomaly-rate 0 --openlineage events.jsonl",
    );
    let events = events(&dir);
    let said = |event: &Value| event["run"]["facets"]["errorMessage"]["message"].as_str().unwrap().to_owned();
    assert_eq!(events[1]["eventType"], "FAIL");
    assert!(said(&events[1]).contains("none.safetensors"), "{}", said(&events[1]));
    assert_eq!(events[3]["eventType"], "COMPLETE");
    assert!(said(&events[3]).contains("of the rows are anomalies"));
    // A fit that makes its model worse writes none.
    dir.fails(
        3,
        "fit past.parquet --init vae.safetensors -m worse.safetensors --lr 0.9 --epochs 1 --openlineage worse.jsonl",
    );
    let worse = std::fs::read_to_string(dir.path("worse.jsonl")).unwrap();
    assert!(worse.lines().last().unwrap().contains(r#""eventType":"FAIL""#), "{worse}");
    // No event goes into what is read, nor facts of one file to another.
    std::fs::write(dir.path("in.jsonl"), "{\"x1\": 1}\n").unwrap();
    dir.fails(2, "transform in.jsonl y.parquet -m vae.safetensors --openlineage in.jsonl").says(&["in.jsonl"]);
    dir.fails(2, "transform . out/ -m vae.safetensors --openlineage events.jsonl")
        .says(&["events.jsonl", "input directory"]);
    dir.ok("transform past.parquet - -m vae.safetensors --quarantine odd.csv --openlineage parts.jsonl");
    let parts = std::fs::read_to_string(dir.path("parts.jsonl")).unwrap();
    let end: Value = serde_json::from_str(parts.lines().last().unwrap()).unwrap();
    let odd = std::fs::read_to_string(dir.path("odd.csv")).unwrap().lines().count() - 1;
    assert_eq!(end["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"], odd);
    // A long event is one, too.
    let long = format!("{{\"a\": \"{}\"}}\n", "b".repeat(100_000));
    std::fs::write(dir.path("long.jsonl"), long).unwrap();
    dir.ok("drift past.parquet -m vae.safetensors --openlineage long.jsonl");
    std::fs::write(dir.path("notes.txt"), "notes\n").unwrap();
    dir.fails(2, "fit past.parquet -m b.safetensors --openlineage notes.txt").says(&["JSON lines", "--openlineage"]);
    assert_eq!(std::fs::read_to_string(dir.path("notes.txt")).unwrap(), "notes\n");
    dir.fails(2, "transform past.parquet x.jsonl -m vae.safetensors --openlineage x.jsonl").says(&["x.jsonl"]);
}
