//! What a report shows of scored rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Float32Type;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

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
    let figures =
        ["causes", "scores", "what-if", "latents", "kl", "rebuilt", "raises", "column-0", "column-1", "training"];
    assert_eq!((&told["rows"], &told["sampled"]), (&600.into(), &600.into()));
    assert_eq!(told["figures"], serde_json::json!(figures));
    // The file has no times; and a dimension may move nothing.
    let not_shown = told["not_shown"].as_array().unwrap();
    assert!(not_shown.len() <= 2 && not_shown[0].as_str().unwrap().starts_with("odd rows over time"), "{told}");
    let page = text(&dir, "report.html");
    assert_eq!(told["bytes"], page.len());
    assert_eq!((page.matches("<figure>").count(), page.matches("role=\"img\"").count()), (10, 10));
    for foreign in ["http://", "https://", "src=\"", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    // Its one script is the one that its policy allows.
    let script = between(&page, "<script>", "</script>");
    let hash = STANDARD.encode(Sha256::digest(script));
    assert_eq!((between(&page, "script-src 'sha256-", "'"), page.matches("<script").count()), (&*hash, 1));
    // The row that was put off, its score as in the file, what it is called, and the column it is off in.
    let table = between(&page, "the rows of highest score", "</table>");
    let first = table.split("<tr>").nth(2).unwrap();
    let rows = read(&dir.path("scored.parquet"));
    let score = rows.column_by_name("anomaly_score").unwrap().as_primitive::<Float32Type>().value(77);
    assert!(
        first.starts_with(&format!(
            "<td class=\"n\" data-l=\"row\">77</td><td class=\"n\" data-l=\"anomaly_score\">{}",
            &score.to_string()[..3]
        )),
        "{first}"
    );
    let b = rows.column_by_name("b").unwrap().as_primitive::<arrow::datatypes::Float64Type>().value(77);
    let sentence = format!("<b>b {b:.2}</b>, expected ");
    assert!(first.contains("&lt;b&gt;odd&lt;/b&gt;") && first.contains(&sentence), "{sentence} in {first}");
    // The other column decides what is expected of it.
    assert!(first.contains(" ± ") && first.contains(" for &lt;img src=x"), "{first}");
    assert!(between(&page, "<h1>", "</h1>").contains(" of 600 rows "));
    assert_eq!(table.split("<tr>").count(), 2 + 20);
    // Nothing of the data is markup.
    assert!(!page.contains("<img") && !page.contains("<b>odd") && page.contains("&lt;img src=x onerror=alert(1)&gt;"));
    // Twice the same.
    let epoch = [("SOURCE_DATE_EPOCH", "1700000000")];
    dir.ok_with(&epoch, "report scored.parquet -m vae.safetensors --force -q");
    dir.ok_with(&epoch, "report scored.parquet -m vae.safetensors -o again.html --threads 1 -q");
    let page = text(&dir, "report.html");
    assert!(page == text(&dir, "again.html") && page.contains("<dd>2023-11-14</dd>"));
    dir.run_with(&[("SOURCE_DATE_EPOCH", "soon")], "report scored.parquet -o no.html")
        .exits(78)
        .says(&["SOURCE_DATE_EPOCH", "is not a number of seconds since 1970"]);
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
        let line = between(table, &format!(">{name}</td>"), "</tr>");
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

/// Scores 40 days of 100 rows, of which one a day is odd, and nine more from `since` on; in one file, with a column of days.
fn scored_days(dir: &Workdir, since: usize) {
    scored(dir, 1000, "");
    let rows = 4000;
    let mut uniform = Uniform::new(5);
    let t: Vec<f64> = (0..rows).map(|_| uniform.next()).collect();
    let odd = |row: usize| row % 100 == 7 || (row / 100 >= since && row % 10 == 3);
    let a: ArrayRef = Arc::new(Float64Array::from_iter_values(t.iter().map(|t| t + 0.05 * uniform.next())));
    let b: ArrayRef = Arc::new(Float64Array::from_iter_values(
        t.iter().enumerate().map(|(row, t)| 3.0 - 2.0 * t + if odd(row) { 9.0 } else { 0.0 }),
    ));
    // From 2026-01-20.
    let day: ArrayRef = Arc::new(Date32Array::from_iter_values((0..rows).map(|row| 20_473 + row / 100)));
    let id: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows as i64));
    let name: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("row {row}"))));
    let columns = [("day", day), ("id", id), ("name", name), (NAME, a), ("b", b)];
    write(&dir.path("days.parquet"), &RecordBatch::try_from_iter(columns).unwrap(), 1000);
    dir.ok("transform days.parquet scored.parquet --threshold 10 --explain 2 --force");
}

#[test]
fn the_headline_says_how_many_rows_are_odd_since_when_and_why() {
    let dir = Workdir::new();
    scored_days(&dir, 30);
    let odd = read(&dir.path("scored.parquet")).column_by_name("is_anomaly").unwrap().as_boolean().true_count();
    assert_eq!(odd, 40 + 10 * 10);
    // All of it is in the file.
    let told = dir.ok("report scored.parquet --show name,day --summary json").json();
    assert_eq!(told["figures"][0], "history");
    let page = text(&dir, "report.html");
    assert_eq!(between(&page, "<h1>", "</h1>"), "140 of 4,000 rows are odd");
    let lead = between(&page, "<p class=\"lead\">", "</p>");
    assert!(lead.contains("That is 3.5 % of the rows."), "{lead}");
    assert!(lead.contains("Since <b>2026-02-19</b>, 11.0 % of the rows are odd; before, it was 1.0 %."), "{lead}");
    assert!(lead.contains("mostly because of <b>b</b> (140 rows)"), "{lead}");
    // A bar a day, and the numbers of each.
    let figure = between(&page, "id=\"history-title\"", "</svg>");
    assert_eq!(figure.matches("<title>2026-").count(), 40);
    assert!(figure.contains("<title>2026-02-19: 11 of 100 rows, 11 %</title>"));
    // Each odd row is in a group, and most have one main column.
    let groups = between(between(&page, "groups of odd rows by their main columns", "</table>"), "<tbody>", "</tbody>");
    let rows =
        groups.split("data-l=\"rows\">").skip(1).map(|cell| cell.split('<').next().unwrap().parse::<u64>().unwrap());
    assert_eq!(rows.sum::<u64>(), 140, "{groups}");
    assert!(groups.starts_with("\n<tr><td data-l=\"main columns\">b</td>") && groups.contains("<b>b 1"), "{groups}");
    let heads = between(between(&page, "the rows of highest score", "</table>"), "<thead>", "</thead>");
    let heads: Vec<&str> = heads.split("</th>").map(|head| head.rsplit('>').next().unwrap()).collect();
    assert_eq!(heads[2..6], ["why", "p-value", "name", "day"]);
    // An even share has no start.
    scored_days(&dir, 40);
    dir.ok("report scored.parquet --force");
    assert!(
        between(&text(&dir, "report.html"), "<p class=\"lead\">", "</p>").contains("There is no clear rise over time")
    );
}

#[test]
fn several_files_are_compared() {
    let dir = Workdir::new();
    scored_days(&dir, 40);
    std::fs::rename(dir.path("scored.parquet"), dir.path("night-1.parquet")).unwrap();
    scored_days(&dir, 0);
    std::fs::rename(dir.path("scored.parquet"), dir.path("night-2.parquet")).unwrap();
    dir.ok("report night-1.parquet night-2.parquet");
    let page = text(&dir, "report.html");
    let lead = between(&page, "<p class=\"lead\">", "</p>");
    assert!(lead.contains("Since <b>night-2</b>, 11.0 % of the rows are odd; before, it was 1.0 %."), "{lead}");
    let figure = between(&page, "id=\"history-title\"", "</svg>");
    assert!(figure.contains("<title>night-1: 40 of 4000 rows, 1 %</title>"));
    // A row is found by its file and its number there.
    let table = between(&page, "the rows of highest score", "</table>");
    let rows: Vec<&str> = table.split("<tr><td").skip(1).collect();
    assert!(rows.iter().all(|row| row.contains("data-l=\"file\">night-")));
    let number = |row: &&str| between(row, "data-l=\"row\">", "<").parse::<u64>().unwrap();
    assert!(rows.iter().all(|row| number(row) < 4000));
    dir.ok("report night-1.parquet night-2.parquet --time day --force");
    assert_eq!(
        between(&text(&dir, "report.html"), "id=\"history-title\"", "</svg>").matches("<title>2026-").count(),
        40
    );
}

#[test]
fn rows_are_images_if_they_are_said_to_be() {
    let dir = Workdir::new();
    scored(&dir, 500, "");
    dir.ok("report scored.parquet -m vae.safetensors --image 2x1 --svg figures");
    let page = text(&dir, "report.html");
    let images = |title: &str| between(&page, &format!("id=\"{title}-title\""), "</svg>").matches("<image").count();
    assert_eq!((images("traversals"), images("oddest")), (2 * 9, 2 * 9));
    // Where rows lie, on the axes of the rows, which say where to see what they mean.
    assert!((5..=11 * 15).contains(&images("latent-images")), "{}", images("latent-images"));
    let axes = |figure: &str| {
        let figure = between(&page, &format!("id=\"{figure}-title\""), "</svg>");
        figure.lines().map(str::trim).filter(|line| line.starts_with("z_")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(axes("latents"), ["z_1: see What lies where", "z_0: see What lies where"]);
    assert_eq!(axes("latent-images"), ["z_1", "z_0"]);
    dir.ok("fit in.parquet -m grouped.safetensors --exclude label,word --latent-dim 2 --epochs 2 --clusters 2");
    dir.ok("transform in.parquet grouped.parquet -m grouped.safetensors");
    dir.ok("report grouped.parquet -m grouped.safetensors --image 2x1 -o grouped.html");
    let found = between(&text(&dir, "grouped.html"), "id=\"cluster-images-title\"", "</svg>").matches("<image").count();
    assert!((1..=2).contains(&found), "{found}");
    // Each cluster has its number on the map.
    let map = text(&dir, "grouped.html");
    let map = between(&map, "id=\"latents-title\"", "</svg>");
    assert_eq!(map.matches("paint-order=\"stroke\"").count(), found);
    assert!(map.contains("coloured by cluster. A number is a cluster."));
    let svg = text(&dir, "figures/traversals.svg");
    assert!(
        svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && svg.contains("data:image/png;base64,iVBOR")
    );
    assert!(!svg.contains("var(") && svg.ends_with("</svg>\n"));
    dir.fails(2, "report scored.parquet -m vae.safetensors --image 3x3 --force")
        .says(&["image is 3x3 for rows of 2 numbers", "--image sets it"]);
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_written() {
    let dir = Workdir::new();
    scored(&dir, 300, "");
    for (flags, says) in [
        ("scored.parquet --label word", "must be 0 or 1, for an anomaly; or true and false"),
        ("scored.parquet --label id", "must be 0 or 1"),
        ("scored.parquet --color wort", r#"did you mean "word""#),
        ("scored.parquet --color q9", "--color names a column as it is written"),
        ("scored.parquet --show id,wort", r#"did you mean "word""#),
        ("scored.parquet --time labl", r#"did you mean "label""#),
        ("scored.parquet --time word", "dates or times, to count rows by"),
        ("scored.parquet --dimensions 0,2", "dimensions is 2"),
        ("scored.parquet --dimensions 0", "the numbers of two dimensions"),
        ("scored.parquet --top 0", "top is 0, but must be 1 to 1000"),
        ("scored.parquet --image 2by1", "a width and a height"),
        ("in.parquet", "a file that `vaepipe transform` wrote"),
        ("scored.parquet -o scored.parquet --force", "choose another output"),
    ] {
        let wrong_values = ["a number or", "must be 0 or", "dates or times"];
        let code = if wrong_values.iter().any(|it| says.contains(it)) { 65 } else { 2 };
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
    dir.ok("report none.parquet --force");
    // One row; and rows that have no score.
    write(&dir.path("one.parquet"), &rows.slice(77, 1), 10);
    dir.ok("report one.parquet --force");
    assert!(between(&text(&dir, "report.html"), "<h1>", "</h1>").contains("of 1 row is odd"));
    let schema = rows.schema();
    let nulls = rows.columns().iter().zip(schema.fields()).map(|(column, field)| {
        let is_score = field.name() == "anomaly_score";
        (
            field.name().clone(),
            if is_score { arrow::array::new_null_array(column.data_type(), 300) } else { column.clone() },
        )
    });
    write(
        &dir.path("nulls.parquet"),
        &RecordBatch::try_from_iter_with_nullable(nulls.map(|(a, b)| (a, b, true))).unwrap(),
        300,
    );
    dir.ok("report nulls.parquet -m vae.safetensors --force").prints(&["no row has one"]);
    assert!(text(&dir, "report.html").contains("300 rows have no score"));
    // Only what was kept of the input: no comparison with the training.
    dir.ok("report scored.parquet -m vae.safetensors --force").prints(&["lacks some of the columns the model learned"]);
}
