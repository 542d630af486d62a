//! The time of a run.

use std::time::{Duration, SystemTime};

use crate::cli::failure::{Failure, Origin};

/// The time of the run in UTC, in seconds as RFC 3339 has it, or that of the variable by which builds are reproduced.
///
/// # Errors
/// [`Failure::Configuration`] for a variable that holds no time.
pub(crate) fn now() -> Result<String, Failure> {
    const VARIABLE: &str = "SOURCE_DATE_EPOCH";
    // The last second that has four digits for its year.
    const LAST: u64 = 253_402_300_799;
    let time = match std::env::var_os(VARIABLE) {
        Some(text) => {
            let seconds = text.to_str().and_then(|text| text.trim().parse().ok()).filter(|seconds| *seconds <= LAST);
            let seconds: u64 = seconds.ok_or_else(|| Failure::Configuration {
                origin: Some(Origin::Variable(VARIABLE.to_owned())),
                fault: format!("{text:?} is not a number of seconds since 1970"),
                hint: None,
            })?;
            SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
        }
        None => SystemTime::now(),
    };
    Ok(humantime::format_rfc3339_seconds(time).to_string())
}
