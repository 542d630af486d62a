//! What a report shows of scored rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Float32Type;

use crate::tables::{Uniform, read, write};
use crate::workdir::Workdir;

/// The name of a column that would be markup.
const NAME: &str = "<img src=x onerror=alert(1)>&\"'";

/// Rows near a line, of which number 77 is far off and called `<b>odd</b>`; scored.
fn scored(dir: &Workdir, rows: usize, flags: &str) {
    let mut uniform = Uniform::new(3);
    let t: Vec<f64> = (0..rows).map(|_| uniform.next()).collect();
    let a: ArrayRef = Arc::new(Float64Array::from_iter_values(t.iter().map(|t| t + 0.05 * uniform.next())));
    let off = |row: usize| if row == 77 { 9.0 } else { 0.0 };
    let b: ArrayRef =
        Arc::new(Float64Array::from_iter_values(t.iter().enumerate().map(|(row, t)| 3.0 - 2.0 * t + off(row))));
    let label: ArrayRef = Arc::new((0..rows).map(|row| Some(row == 77)).collect::<BooleanArray>());
    let id: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows as i64));
    let name = |row: usize| if row == 77 { "<b>odd</b>".to_owned() } else { format!("row {row}") };
    let name: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(name)));
    let word: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| ["red", "blue"][row % 2])));
    let columns = [("id", id), ("name", name), (NAME, a), ("b", b), ("word", word), ("label", label)];
    write(&dir.path("in.parquet"), &RecordBatch::try_from_iter(columns).unwrap(), 1000);
    dir.ok("fit in.parquet --exclude label,word --latent-dim 2 --epochs 30 --force");
    dir.ok(&format!("transform in.parquet scored.parquet --force {flags}"));
}

fn text(dir: &Workdir, name: &str) -> String {
    std::fs::read_to_string(dir.path(name)).unwrap()
}

/// What stands between two texts.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    text.split_once(from).unwrap().1.split_once(to).unwrap().0
}

#[test]
fn a_page_has_its_figures_and_the_oddest_row_first_and_loads_nothing() {
    let dir = Workdir::new();
    scored(&dir, 600, "");
    let told = dir.ok("report scored.parquet -m vae.safetensors --summary json").json();
    let figures = ["scores", "latents", "kl", "rebuilt", "raises", "column-0", "column-1", "training"];
    assert_eq!((&told["rows"], &told["sampled"]), (&600.into(), &600.into()));
    assert_eq!(told["figures"], serde_json::json!(figures));
    // At most that a dimension moves nothing.
    assert!(told["not_shown"].as_array().unwrap().len() <= 1, "{told}");
    let page = text(&dir, "report.html");
    assert_eq!(told["bytes"], page.len());
    assert_eq!((page.matches("<figure>").count(), page.matches("role=\"img\"").count()), (8, 8));
    for foreign in ["http://", "https://", "<script", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    // The row that was put off, its score as in the file, what it is called, and the column it is off in.
    let table = between(&page, "the rows of highest score", "</table>");
    let first = table.split("<tr>").nth(2).unwrap();
    let rows = read(&dir.path("scored.parquet"));
    let score = rows.column_by_name("anomaly_score").unwrap().as_primitive::<Float32Type>().value(77);
    assert!(
        first.starts_with(&format!("<td class=\"n\">77</td><td class=\"n\">{}", &score.to_string()[..3])),
        "{first}"
    );
    assert!(first.contains("&lt;b&gt;odd&lt;/b&gt;") && first.contains("<li><b>b</b> 1"), "{first}");
    assert_eq!(table.split("<tr>").count(), 2 + 20);
    // Nothing of the data is markup.
    assert!(!page.contains("<img") && !page.contains("<b>odd") && page.contains("&lt;img src=x onerror=alert(1)&gt;"));
    // Twice the same.
    dir.ok("report scored.parquet -m vae.safetensors -o again.html --threads 1 -q");
    assert!(page == text(&dir, "again.html"));
}

#[test]
fn counts_are_those_of_the_file() {
    let dir = Workdir::new();
    scored(&dir, 9000, "--contamination 0.01");
    let told = dir.ok("report scored.parquet --label label --top 5 --summary json").json();
    let rows = read(&dir.path("scored.parquet"));
    let odd = rows.column_by_name("is_anomaly").unwrap().as_boolean();
    assert_eq!(told["anomalies"], odd.true_count());
    let sampled = told["sampled"].as_u64().unwrap();
    assert!((3800..4200).contains(&sampled), "{sampled}");
    let page = text(&dir, "report.html");
    // As many bars' rows as there are rows, one of them labelled.
    let bars = between(&page, "rows by score", "</table>").split("<tr><td").skip(1);
    let cells: Vec<Vec<f64>> = bars
        .map(|row| row.split("<td").map(|cell| between(cell, ">", "</td>").replace(',', "").parse().unwrap()).collect())
        .collect();
    assert_eq!(cells.iter().map(|cells| cells[2]).sum::<f64>(), 9000.0);
    assert_eq!(cells.iter().map(|cells| cells[3]).sum::<f64>(), 1.0);
    let circles = between(&page, "id=\"latents-title\"", "</svg>").matches("<circle").count() as u64;
    assert!(circles >= sampled, "a circle each: {circles}");
    assert_eq!(between(&page, "the rows of highest score", "</table>").split("<tr>").count(), 2 + 5);
    dir.ok("report scored.parquet --force").prints(&["not shown", "-m", "transform --explain 3"]);
}

#[test]
fn a_column_that_drifts_is_told_as_drift_has_it() {
    let dir = Workdir::new();
    scored(&dir, 1000, "");
    let rows = read(&dir.path("in.parquet"));
    let moved: ArrayRef = Arc::new(Float64Array::from_iter_values(
        rows.column_by_name("b")
            .unwrap()
            .as_primitive::<arrow::datatypes::Float64Type>()
            .iter()
            .map(|b| b.unwrap() + 2.0),
    ));
    let columns = rows.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let columns = columns.iter().map(|name| match name.as_str() {
        "b" => (name.as_str(), moved.clone()),
        name => (name, rows.column_by_name(name).unwrap().clone()),
    });
    write(&dir.path("moved.parquet"), &RecordBatch::try_from_iter(columns).unwrap(), 300);
    dir.ok("transform moved.parquet scored.parquet --force");
    dir.ok("report scored.parquet -m vae.safetensors");
    let page = text(&dir, "report.html");
    // Of so few rows both look at all.
    let drift = dir.ok("drift scored.parquet --summary json").json();
    let cells = |caption: &str, name: &str| -> Vec<String> {
        let table = between(&page, &format!("<caption>{caption}</caption>"), "</table>");
        let line = between(table, &format!("<td>{name}</td>"), "</tr>");
        line.split("<td").skip(1).map(|cell| between(cell, ">", "</td>").to_owned()).collect()
    };
    let moved = |shift: &serde_json::Value| -> Vec<String> {
        let [psi, chance, ks] = ["psi", "chance", "ks"].map(|key| shift[key].as_f64().unwrap());
        let drifts = if psi > 0.25 && psi > chance { "yes" } else { "" };
        let numbers = [psi, chance, ks].map(|number| format!("{number:.3}"));
        [drifts.to_owned()].into_iter().chain(numbers).collect()
    };
    let [a, b] = [0, 1].map(|n| &drift["columns"][n]);
    assert_eq!((&a["name"], &b["name"]), (&NAME.into(), &"b".into()));
    let escaped = "&lt;img src=x onerror=alert(1)&gt;&amp;&quot;&#39;";
    for (name, shift) in [(escaped, a), ("b", b)] {
        assert_eq!(cells("columns against training", name)[..4], moved(shift), "{name}");
    }
    let shifts = drift["latents"].as_array().unwrap().iter().chain([&drift["score"]]);
    for shift in shifts {
        let name = shift["name"].as_str().unwrap();
        assert_eq!(cells("score and latents against training", name), moved(shift), "{name}");
    }
    // b is uniform over a range of 4: moved by 2, half of it lies beyond. The other column stays.
    assert!((b["ks"].as_f64().unwrap() - 0.5).abs() < 0.05 && moved(b)[0] == "yes", "{b}");
    assert!(a["ks"].as_f64().unwrap() < 0.05 && moved(a)[0].is_empty(), "{a}");
    assert!(page.contains("has a PSI above 0.25 and chance: b, "), "the column first, then the score and latents")
}

#[test]
fn rows_are_images_if_they_are_said_to_be() {
    let dir = Workdir::new();
    scored(&dir, 500, "");
    dir.ok("report scored.parquet -m vae.safetensors --image 2x1 --svg figures");
    let page = text(&dir, "report.html");
    let images = |title: &str| between(&page, &format!("id=\"{title}-title\""), "</svg>").matches("<image").count();
    assert_eq!((images("traversals"), images("oddest")), (2 * 9, 2 * 9));
    let svg = text(&dir, "figures/traversals.svg");
    assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && svg.contains("data:image/bmp;base64,Qk"));
    assert!(!svg.contains("var(") && svg.ends_with("</svg>\n"));
    dir.fails(2, "report scored.parquet -m vae.safetensors --image 3x3 --force")
        .says(&["image is 3x3 for rows of 2 numbers", "--image sets it"]);
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_written() {
    let dir = Workdir::new();
    scored(&dir, 300, "");
    for (flags, says) in [
        ("scored.parquet --label word", "a number or a Boolean"),
        ("scored.parquet --label id", "must be 0 or 1"),
        ("scored.parquet --color wort", r#"did you mean "word""#),
        ("scored.parquet --dimensions 0,2", "dimensions is 2"),
        ("scored.parquet --dimensions 0", "the numbers of two dimensions"),
        ("scored.parquet --top 0", "top is 0, but must be 1 to 1000"),
        ("scored.parquet --image 2by1", "a width and a height"),
        ("in.parquet", "a file that `vaepipe transform` wrote"),
        ("scored.parquet -o scored.parquet --force", "choose another output"),
    ] {
        let code = if says.contains("a number or") || says.contains("must be 0 or") { 65 } else { 2 };
        dir.fails(code, &format!("report {flags}")).says(&[says]);
        assert!(!dir.path("report.html").exists(), "{flags}");
    }
    dir.ok("report scored.parquet --color word --dimensions 1,0 --svg figures");
    assert!(
        between(&text(&dir, "report.html"), "id=\"latents-desc\">", "<")
            .starts_with("z_1 and z_0 of 300 rows, coloured by word")
    );
    dir.fails(2, "report scored.parquet").says(&["report.html", "--force replaces it"]);
    dir.fails(2, "report scored.parquet -o new.html --svg figures").says(&["figures", "--force replaces it"]);
    assert!(!dir.path("new.html").exists());
    dir.ok("report scored.parquet --svg figures --force");
}

#[test]
fn a_file_without_rows_or_latents_has_a_page() {
    let dir = Workdir::new();
    scored(&dir, 300, "--keep name");
    let rows = read(&dir.path("scored.parquet"));
    write(&dir.path("none.parquet"), &rows.slice(0, 0), 10);
    dir.ok("report none.parquet -m vae.safetensors").prints(&["rows      0", "not shown"]);
    // Only what was kept of the input: no comparison with the training.
    dir.ok("report scored.parquet -m vae.safetensors --force").prints(&["lacks some of the columns the model learned"]);
}
