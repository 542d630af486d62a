//! The clusters of a scored file, and what sets each apart from all other rows.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;

use super::html::{Cell, brief, number_cell, percent, table, text_cell};
use super::page::ReportPage;
use super::sampled_rows::{SampledRows, are_numbers, numbers, read_rows, texts};
use super::{ReportConfig, ScoredColumns, cluster_images};
use crate::analysis::figure::{CATEGORIES, short};
use crate::analysis::scored_columns::features;
use crate::artifact::Model;
use crate::error::Result;
use crate::pipeline::Stop;
use crate::source::ParquetSource;

/// Most columns that are compared, and most that are named of a cluster.
const COLUMNS: usize = 256;
const NAMED: usize = 4;

/// The least difference that is named, on a scale from 0 to 1.
const LEAST: f64 = 0.2;

/// Most clusters in the table.
const LINES: usize = 64;

const EXPLAIN: &str = "Rows of one cluster have latents close to each other, with fewer rows between clusters. For each: the columns that \
     differ most from all other rows, a number by its median, a word by its share of the rows. The greatest difference is named \
     first: by how much more often a value of one side is above one of the other, or by the difference of the shares.";

/// A difference between a cluster and all other rows.
struct Difference {
    /// From 0 to 1.
    size: f64,
    text: String,
}

/// Adds the table of clusters, if the file has some.
pub(super) fn show(
    page: &mut ReportPage,
    source: &ParquetSource,
    columns: &ScoredColumns,
    sample: &SampledRows,
    (config, model): (&ReportConfig, Option<&Model>),
    stop: &Stop,
) -> Result<()> {
    let path = source.path();
    let Some(name) = &columns.cluster else { return Ok(()) };
    let Some(clusters) = sample.column(name).map(|column| numbers(path, name, column)).transpose()? else {
        return Ok(());
    };
    let clusters: Vec<Option<usize>> =
        clusters.into_iter().map(|cluster| cluster.filter(|it| *it >= 0.0).map(|it| it as usize)).collect();
    let count = clusters.iter().flatten().max().map_or(0, |last| (last + 1).min(LINES));
    let mut rows_in = vec![0_u64; count];
    clusters.iter().flatten().filter(|it| **it < count).for_each(|cluster| rows_in[*cluster] += 1);
    let all = clusters.iter().flatten().count();
    if all == 0 {
        return Ok(());
    }
    let mut differences: Vec<Vec<Difference>> = (0..count).map(|_| Vec::new()).collect();
    for names in compared(source, columns, config).chunks(32) {
        stop.check()?;
        let read = read_rows(source, names.iter().cloned(), sample.rows.clone(), stop)?;
        for name in names {
            let Some(column) = read.column(name) else { continue };
            let is_carried = columns.carried.contains(name);
            for (all, own) in differences.iter_mut().zip(of_column(path, (name, is_carried), column, &clusters, count)?)
            {
                all.extend(own);
            }
        }
    }
    let odd = columns.is_anomaly.as_ref().and_then(|name| Some((name, sample.column(name)?)));
    let odd = odd.map(|(name, column)| numbers(path, name, column)).transpose()?;
    let lines = differences.into_iter().enumerate().filter(|(cluster, _)| rows_in[*cluster] > 0);
    let lines: Vec<Vec<Cell>> = lines
        .map(|(cluster, mut differences)| {
            // The sort is stable: ties stay in the order of the columns.
            differences.sort_by(|a, b| b.size.total_cmp(&a.size));
            let named: Vec<String> = differences.into_iter().take(NAMED).map(|it| it.text).collect();
            let rows = rows_in[cluster] as f64;
            let mut line = vec![number_cell(Some(cluster as f64)), Cell::Number(percent(rows / all as f64))];
            if let Some(odd) = &odd {
                let own = clusters.iter().zip(odd).filter(|(of, odd)| **of == Some(cluster) && **odd == Some(1.0));
                line.push(Cell::Number(percent(own.count() as f64 / rows)));
            }
            line.push(text_cell(if named.is_empty() { "little".to_owned() } else { named.join("; ") }));
            line
        })
        .collect();
    let heads = ["cluster", "of the rows", "anomalies", "what sets it apart"];
    let heads: Vec<&str> = heads.into_iter().filter(|head| *head != "anomalies" || odd.is_some()).collect();
    page.section("clusters", "Clusters", EXPLAIN);
    page.html(&table("clusters", &heads, &lines));
    match (config.image, model) {
        (Some(size), Some(model)) => {
            cluster_images::show(page, (source, columns, model), sample, (&clusters, count), size, stop)
        }
        _ => Ok(()),
    }
}

/// The columns to compare: learned ones, unless they are pixels, and carried ones.
fn compared(source: &ParquetSource, columns: &ScoredColumns, config: &ReportConfig) -> Vec<String> {
    let learned = if config.image.is_some() { Vec::new() } else { features(source, &columns.prefix) };
    let carried = columns.carried.iter().filter(|name| !learned.contains(name)).cloned().collect::<Vec<_>>();
    let schema = source.schema();
    let is_plain = |name: &String| {
        let field = schema.field_with_name(name);
        field.is_ok_and(|field| are_numbers(field.data_type()) || is_word(field.data_type()))
    };
    learned.into_iter().chain(carried).filter(is_plain).take(COLUMNS).collect()
}

fn is_word(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_word(values),
        DataType::Boolean | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        _ => false,
    }
}

/// How each cluster differs in a column, if it does. A few whole numbers that are carried are names, such as labels.
fn of_column(
    path: &Path,
    (name, is_carried): (&str, bool),
    column: &ArrayRef,
    clusters: &[Option<usize>],
    count: usize,
) -> Result<Vec<Option<Difference>>> {
    let values = if is_word(column.data_type()) { None } else { Some(numbers(path, name, column)?) };
    match values {
        Some(values) if !is_carried || !are_names(&values) => Ok(of_numbers(name, &values, clusters, count)),
        _ => Ok(of_words(name, &texts(path, name, column)?, clusters, count)),
    }
}

/// Whether all are whole numbers, and there are few of them.
fn are_names(values: &[Option<f64>]) -> bool {
    let mut known: Vec<f64> = values.iter().flatten().copied().collect();
    known.sort_by(f64::total_cmp);
    known.dedup();
    known.len() <= CATEGORIES && known.iter().all(|value| value.fract() == 0.0)
}

/// By how much more often a number of the cluster is above one of the other rows than below it (Cliff's delta).
fn of_numbers(name: &str, values: &[Option<f64>], clusters: &[Option<usize>], count: usize) -> Vec<Option<Difference>> {
    let mut known: Vec<(f64, usize)> =
        values.iter().zip(clusters).filter_map(|(value, cluster)| Some(((*value)?, (*cluster)?))).collect();
    known.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Twice the rank of each: ties share the mean.
    let mut ranks = vec![(0.0, 0_u64); count];
    let mut from = 0;
    while from < known.len() {
        let equal = known[from..].iter().take_while(|it| it.0 == known[from].0).count().max(1);
        for (_, cluster) in known[from..from + equal].iter().filter(|it| it.1 < count) {
            let (sum, rows) = &mut ranks[*cluster];
            (*sum, *rows) = (*sum + (2 * from + equal + 1) as f64 / 2.0, *rows + 1);
        }
        from += equal;
    }
    let median = |is_own: &dyn Fn(usize) -> bool| {
        let side: Vec<f64> = known.iter().filter(|it| is_own(it.1)).map(|it| it.0).collect();
        side[side.len() / 2]
    };
    let of_cluster = |(cluster, (sum, rows)): (usize, (f64, u64))| {
        let others = known.len() as u64 - rows;
        if rows == 0 || others == 0 {
            return None;
        }
        let (n, m) = (rows as f64, others as f64);
        let above = (sum - n * (n + 1.0) / 2.0) / (n * m);
        let size = (2.0 * above - 1.0).abs();
        let [here, there] = [median(&|it| it == cluster), median(&|it| it != cluster)].map(short);
        (size >= LEAST).then(|| Difference { size, text: format!("{} {here} (others {there})", brief(name)) })
    };
    ranks.into_iter().enumerate().map(of_cluster).collect()
}

/// By how much the share of the word differs that differs most.
fn of_words(name: &str, words: &[Option<String>], clusters: &[Option<usize>], count: usize) -> Vec<Option<Difference>> {
    let mut totals = vec![0_u64; count];
    let mut counts = BTreeMap::<&str, (u64, Vec<u64>)>::new();
    let mut all = 0;
    for (word, cluster) in words.iter().zip(clusters).filter_map(|(word, cluster)| Some((word.as_ref()?, (*cluster)?)))
    {
        all += 1;
        let (total, of_clusters) = counts.entry(word).or_insert_with(|| (0, vec![0; count]));
        *total += 1;
        if cluster < count {
            totals[cluster] += 1;
            of_clusters[cluster] += 1;
        }
    }
    let of_cluster = |cluster: usize| {
        let (own, others) = (totals[cluster], all - totals[cluster]);
        if own == 0 || others == 0 {
            return None;
        }
        let shares = counts.iter().map(|(word, (total, of_clusters))| {
            let here = of_clusters[cluster];
            (*word, here as f64 / own as f64, (total - here) as f64 / others as f64)
        });
        let size = |(_, here, there): &(&str, f64, f64)| (here - there).abs();
        // Of two words that differ as much, what the cluster has rather than what it lacks.
        let rank = |word: &(&str, f64, f64)| size(word) + if word.1 > word.2 { 1e-9 } else { 0.0 };
        let most = shares.reduce(|best, other| if rank(&other) > rank(&best) { other } else { best })?;
        let (word, here, there) = most;
        let text = || format!("{} = {}: {} (others {})", brief(name), brief(word), percent(here), percent(there));
        (size(&most) >= LEAST).then(|| Difference { size: size(&most), text: text() })
    };
    (0..count).map(of_cluster).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_that_differ_are_named_in_their_units() {
        let clusters = [0, 0, 0, 1, 1, 1, 1].map(Some);
        let values = [5.0, 6.0, 7.0, 1.0, 2.0, 3.0, 4.0].map(Some);
        let found = of_numbers("mass", &values, &clusters, 2);
        let texts: Vec<_> = found.iter().map(|it| it.as_ref().map(|it| (it.size, it.text.as_str()))).collect();
        assert_eq!(texts, [Some((1.0, "mass 6 (others 3)")), Some((1.0, "mass 3 (others 6)"))]);
        let even = [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 2.0].map(Some);
        assert!(of_numbers("even", &even, &clusters, 2).iter().all(Option::is_none));
        let words = ["a", "a", "b", "b", "b", "b", "b"].map(|word| Some(word.to_owned()));
        let found = of_words("kind", &words, &clusters, 2);
        assert_eq!(found[0].as_ref().unwrap().text, "kind = a: 66.7 % (others 0.0 %)");
        // A single cluster, and missing values, differ from nothing.
        assert!(of_words("kind", &words, &[Some(0); 7], 1)[0].is_none());
        assert!(of_numbers("none", &[None; 7], &clusters, 2).iter().all(Option::is_none));
    }
}
