//! The period of a series, estimated as `find_length_rank` of TSB-AD does.

/// The period of a series that shows none.
const DEFAULT: usize = 125;

/// Values that the estimate looks at.
const VALUES: usize = 20_000;

/// Largest lag of the autocorrelation.
const LAGS: usize = 400;

/// Lags of the first and last local maximum that is a period.
const PERIODS: std::ops::RangeInclusive<usize> = 6..=303;

/// The lag of the highest local maximum of the autocorrelation, in rows; 125 if there is none or it lies outside of 6 to 303.
pub(super) fn period(values: &[f64]) -> usize {
    let values = &values[..values.len().min(VALUES)];
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let centred: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let autocovariance = |lag: usize| centred.iter().zip(&centred[lag..]).map(|(now, later)| now * later).sum::<f64>();
    let correlations: Vec<f64> = (0..values.len().min(LAGS + 1)).map(autocovariance).collect();
    let is_peak = |lag: &usize| {
        let at = correlations[*lag];
        at > correlations[lag - 1] && at > correlations[lag + 1]
    };
    let peaks = (4..correlations.len().saturating_sub(1)).filter(is_peak);
    let highest = peaks.max_by(|a, b| correlations[*a].total_cmp(&correlations[*b]));
    highest.filter(|lag| PERIODS.contains(lag)).unwrap_or(DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::period;

    #[test]
    fn periods_are_those_of_tsb_ad() {
        // find_length_rank(x.reshape(-1, 1), rank=1) of TSB-AD 1.5, with i = np.arange(rows):
        let of = |rows: usize, value: fn(f64) -> f64| period(&(0..rows).map(|i| value(i as f64)).collect::<Vec<_>>());
        assert_eq!(of(500, |i| (std::f64::consts::TAU * i / 37.0).sin()), 37); // np.sin(2 * np.pi * i / 37)
        assert_eq!(of(500, |i| i * 7.0 % 24.0), 24); // i * 7 % 24
        assert_eq!(of(3000, |i| i * 617.0 % 1009.0), 18); // i * 617 % 1009
        assert_eq!(of(3000, |i| (std::f64::consts::TAU * i / 350.0).sin()), 125); // np.sin(2 * np.pi * i / 350)
        assert_eq!((of(500, |i| i), of(500, |_| 1.0), of(0, |i| i), of(1, |i| i)), (125, 125, 125, 125));
    }
}
