//! Which names are URLs.

use std::path::Path;

/// Of what stands before the colon, the stores there are.
const SCHEMES: [&str; 8] = ["s3", "s3a", "gs", "az", "abfs", "abfss", "http", "https"];

/// Whether a name is the URL of an object or of a prefix, as `s3://lake/a.parquet`, and no path.
pub fn is_url(path: &Path) -> bool {
    parts(path).is_some()
}

/// Scheme, authority and the rest of a URL, in which nothing is escaped.
pub(super) fn parts(path: &Path) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = path.to_str()?.split_once("://")?;
    let (authority, key) = rest.split_once('/').unwrap_or((rest, ""));
    SCHEMES.contains(&scheme).then_some((scheme, authority, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_begins_as_one() {
        let parts = |text| parts(Path::new(text));
        assert_eq!(parts("s3://lake/year=2013/a.parquet"), Some(("s3", "lake", "year=2013/a.parquet")));
        assert_eq!((parts("gs://lake"), parts("lake/s3"), parts("c:/lake")), (Some(("gs", "lake", "")), None, None));
        assert!(!is_url(Path::new("ftp://lake/a")) && is_url(Path::new("https://there/a.parquet")));
    }
}
