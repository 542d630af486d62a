//! What a run says of drift.

use serde_json::{Value, json};
use vaepipe::{Drift, Shift};

use crate::cli::output::shown;

/// Columns that a summary tells of, those that moved most.
const SHOWN: usize = 20;

/// What moved by more than `limit`, in a line: the first few; `None` if nothing did.
pub(crate) fn moved(drift: &Drift, limit: f64) -> Option<String> {
    const NAMED: usize = 5;
    let moved = drift.beyond(limit);
    let named = moved.iter().take(NAMED).map(|shift| format!("{} (PSI {:.2})", shown(&shift.name), shift.psi));
    let named = named.collect::<Vec<_>>().join(", ");
    let more = if moved.len() > NAMED { format!(", … {} more", moved.len() - NAMED) } else { String::new() };
    (!moved.is_empty()).then(|| format!("{named}{more}"))
}

/// What a summary says of drift: of the columns those that moved most.
pub(crate) fn json(drift: &Drift) -> Value {
    let most = |shifts: &[Shift]| {
        let mut shifts = shifts.to_vec();
        shifts.sort_by(|a, b| b.psi.total_cmp(&a.psi));
        shifts.truncate(SHOWN);
        shifts
    };
    let Drift { sampled, columns, latents, score, .. } = drift;
    let (of_columns, of_latents) = (most(columns), most(latents));
    json!({
        "sampled": sampled,
        "worst": drift.worst(),
        "columns": of_columns,
        "latents": of_latents,
        "score": score,
    })
}
