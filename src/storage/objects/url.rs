//! Object URLs: parses them, rejects those with secrets, and removes secrets from messages.

use std::path::{Path, PathBuf};

use crate::error::{Error, Place, Result, Unsupported};

/// The schemes of supported stores.
const SCHEMES: [&str; 8] = ["s3", "s3a", "gs", "az", "abfs", "abfss", "http", "https"];

/// The schemes in which the name before an @ is a container.
const CONTAINER_SCHEMES: [&str; 2] = ["abfs", "abfss"];

/// Name endings of query parameters that sign a URL; a ? alone may be a wildcard.
const SIGNATURE_PARAMETERS: [&str; 3] = ["sig", "signature", "token"];

/// Whether a name is the URL of an object or prefix, like `s3://lake/a.parquet`, and not a path.
pub fn is_url(path: &Path) -> bool {
    parts(path).is_some()
}

/// Rejects a URL with a password or a signature in its query, since names appear in messages, logs and metrics. The error has
/// the name without them.
pub(crate) fn check_url(path: &Path) -> Result<()> {
    let refuse = |shown: String, what| Err(Error::Unsupported { place: Place::file(PathBuf::from(shown)), what });
    let Some((scheme, rest)) = path.to_str().and_then(|text| text.split_once("://")) else { return Ok(()) };
    let known = scheme.to_lowercase();
    let (known, web) = (known.as_str(), known.starts_with("http"));
    let is_scheme = !scheme.is_empty() && scheme.bytes().all(|it| it.is_ascii_alphanumeric() || b"+-.".contains(&it));
    if !is_scheme {
        return Ok(());
    }
    let end = |text: &str| text.find(['/', '?', '#']).unwrap_or(text.len());
    let authority = &rest[..end(rest)];
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    // The port of an IPv6 address is after its bracket.
    let port = host.rsplit(']').next().and_then(|host| host.split_once(':')).map(|(_, port)| port);
    // The start of a password with a slash looks like a port, which only web URLs have.
    let odd_port = port.is_some_and(|port| {
        let is_port = web && !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit());
        !is_port || (user.is_empty() && rest.contains('@'))
    });
    if odd_port || (!user.is_empty() && (!CONTAINER_SCHEMES.contains(&known) || user.contains(':'))) {
        let shown = rest.rsplit_once('@').map_or("", |(_, shown)| &shown[..shown.find('?').unwrap_or(shown.len())]);
        return refuse(format!("{scheme}://***@{shown}"), Unsupported::UrlUser);
    }
    let Some((shown, query)) = rest.split_once('?') else { return Ok(()) };
    let is_signature = |part: &str| {
        let name = part.split_once('=').map_or("", |(name, _)| name).to_lowercase();
        let is_name = name.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it));
        is_name && SIGNATURE_PARAMETERS.iter().any(|ending| name.ends_with(ending))
    };
    if web || query.split('&').any(is_signature) {
        return refuse(format!("{scheme}://{shown}?***"), Unsupported::UrlQuery);
    }
    Ok(())
}

/// Splits a URL into scheme, authority and key; escapes are not decoded.
pub(super) fn parts(path: &Path) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = path.to_str()?.split_once("://")?;
    let (authority, key) = rest.split_once('/').unwrap_or((rest, ""));
    SCHEMES.contains(&scheme).then_some((scheme, authority, key))
}

/// Removes secrets from an error message: keeps only the status, code and message of a server's answer, and drops user and
/// query of URLs.
#[cfg(any(feature = "cloud", test))]
pub(super) fn without_secrets(text: &str) -> String {
    const ANSWERS: [&str; 2] = ["status code: ", "error response: "];
    let answer = ANSWERS.iter().filter_map(|begin| Some(text.find(begin)? + begin.len())).min();
    let (said, answer) = text.split_at(answer.unwrap_or(text.len()));
    let mut shown: String = said.split_inclusive(' ').map(without_user_and_query).collect();
    let status = answer.split([':', '\n']).next().filter(|status| !status.contains(['<', '{']));
    shown.push_str(status.unwrap_or_default().trim_end());
    for tag in ["Code", "Message"] {
        let inner = answer.split_once(&format!("<{tag}>")).and_then(|(_, rest)| rest.split_once('<'));
        shown.extend(inner.map(|(inner, _)| format!(": {}", inner.lines().next().unwrap_or_default())));
    }
    shown
}

#[cfg(any(feature = "cloud", test))]
fn without_user_and_query(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    let host = rest[..end].rfind('@').map_or(rest, |at| &rest[at + 1..]);
    let space = if word.ends_with(' ') { " " } else { "" };
    format!("{scheme}://{}{space}", host.split('?').next().unwrap_or_default().trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_told_from_paths() {
        let parts = |text| parts(Path::new(text));
        assert_eq!(parts("s3://lake/year=2013/a.parquet"), Some(("s3", "lake", "year=2013/a.parquet")));
        assert_eq!((parts("gs://lake"), parts("lake/s3"), parts("c:/lake")), (Some(("gs", "lake", "")), None, None));
        assert!(!is_url(Path::new("ftp://lake/a")) && is_url(Path::new("https://there/a.parquet")));
    }

    #[test]
    fn a_url_with_a_secret_is_rejected_without_showing_it() {
        for (url, shown) in [
            ("https://me:hush@there:80/a/b.parquet", "https://***@there:80/a/b.parquet"),
            ("HTTPS://me@there/a", "HTTPS://***@there/a"),
            ("s3://AKIA:hu/sh+hush@lake/a", "s3://***@lake/a"),
            ("s3://AKIA:hu/sh", "s3://***@"),
            ("https://me:hu?sh@there/a?b=hush", "https://***@there/a"),
            ("abfss://lake:hush@account.dfs.core.windows.net/a", "abfss://***@account.dfs.core.windows.net/a"),
            ("postgres://me:hush@there/db", "postgres://***@there/db"),
            ("s3://KEY:/hush@lake/a", "s3://***@lake/a"),
            ("s3://KEY:12/hush@lake/a", "s3://***@lake/a"),
            ("S3://KEY:/hush", "S3://***@"),
            ("https://me:/hush@there/a", "https://***@there/a"),
            ("https://me:12/hush@there/a", "https://***@there/a"),
            ("https://there/a?X-Amz-Signature=hush", "https://there/a?***"),
            ("az://lake/a.parquet?sv=2024&sig=hush", "az://lake/a.parquet?***"),
            ("gs://lake/a?X-Goog-Signature=hush", "gs://lake/a?***"),
        ] {
            let said = check_url(Path::new(url)).unwrap_err().to_string();
            assert!(said.starts_with(&format!("{shown}: ")) && !said.contains("hu"), "{url}: {said}");
        }
        for url in [
            "s3://lake/year=202?/month=1/a@b.parquet",
            "s3://lake/[?]token=*/a.parquet",
            "s3://lake/day=?/token=*/a.parquet",
            "abfss://lake@account.dfs.core.windows.net/a",
            "http://localhost:9000/a",
            "http://[::1]:9000/a",
            "gs://lake",
            "a/b:c@d?sig=e",
            "-",
        ] {
            check_url(Path::new(url)).unwrap();
        }
    }

    #[test]
    fn messages_of_failed_requests_have_no_secrets() {
        let xml = "<?xml version=\"1.0\"?>\n<Error><Code>InvalidToken</Code><Message>The token is bad.</Message>\
                   <Token-0>hush</Token-0><StringToSign>hush</StringToSign></Error>";
        let begin = "Error performing GET http://me:hush@there:9000/lake/a?sig=hush in 1.2ms - Server returned non-2xx";
        let said = without_secrets(&format!("{begin} status code: 403 Forbidden: {xml}"));
        let url = "http://there:9000/lake/a";
        let error = format!("Error performing GET {url} in 1.2ms - Server returned non-2xx status code: 403 Forbidden");
        assert_eq!(said, format!("{error}: InvalidToken: The token is bad."));
        let said = without_secrets(&format!("{begin} status code: 403 Forbidden: {{\"authorization\": \"hush\"}}"));
        assert_eq!(said, error);
        assert_eq!(
            without_secrets("Server returned error response: <Error>hush</Error>"),
            "Server returned error response: "
        );
        assert_eq!(without_secrets("HTTP error: error sending request"), "HTTP error: error sending request");
    }
}
