//! Parts of error messages.

pub(super) fn did_you_mean(near: &[String]) -> String {
    if near.is_empty() {
        return String::new();
    }
    format!("; did you mean {}?", near.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" or "))
}

pub(super) fn those_given(columns: &[String]) -> String {
    if columns.is_empty() {
        return "the model is given none".to_owned();
    }
    format!("the model is given {}", columns.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", "))
}

pub(super) fn of_types(columns: &[(String, String)]) -> String {
    if columns.is_empty() {
        return String::new();
    }
    let columns = columns.iter().map(|(column, data_type)| format!("{column:?} is {data_type}"));
    format!(" ({})", columns.collect::<Vec<_>>().join(", "))
}

pub(super) fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

pub(super) fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

pub(super) fn because(reasons: &[(String, String)]) -> String {
    const SHOWN: usize = 5;
    let mut text = String::new();
    for (column, reason) in reasons.iter().take(SHOWN) {
        text.push_str(if text.is_empty() { ": " } else { "; " });
        text.push_str(&format!("{column:?} {reason}"));
    }
    if reasons.len() > SHOWN {
        text.push_str(&format!("; and {} more", reasons.len() - SHOWN));
    }
    text
}
