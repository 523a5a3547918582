//! Conditional and partial requests (RFC 9110, sections 13 and 14): what the client has already, and which part it wants.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::time::SystemTime;

use http::header::{self, HeaderMap};

/// One version of a file.
pub(super) struct Version {
    pub(super) tag: String,
    pub(super) modified: Option<SystemTime>,
}

/// Which bytes to send.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// First and last byte, both included.
    Range(u64, u64),
    /// A range that the file does not have.
    Unsatisfiable,
}

impl Version {
    /// Told apart by time, size and identity of the file.
    pub(super) fn of(meta: &Metadata) -> Self {
        let tag = format!("\"{:x}.{:x}-{:x}-{:x}\"", meta.mtime(), meta.mtime_nsec(), meta.len(), meta.ino());
        Self { tag, modified: meta.modified().ok() }
    }

    /// Whether the client has this version already.
    pub(super) fn is_known(&self, headers: &HeaderMap) -> bool {
        if let Some(tags) = text(headers, header::IF_NONE_MATCH) {
            let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
            return tags.trim() == "*" || tags.split(',').any(|tag| bare(tag) == self.tag);
        }
        let since =
            text(headers, header::IF_MODIFIED_SINCE).and_then(|date| httpdate::parse_http_date(date).ok());
        matches!((since, self.modified), (Some(since), Some(modified)) if seconds(modified) <= seconds(since))
    }

    /// The part asked for of a file of `length` bytes. Several ranges at once are answered with the whole.
    pub(super) fn part(&self, headers: &HeaderMap, length: u64) -> Part {
        let Some(range) = text(headers, header::RANGE) else { return Part::Whole };
        if let Some(only_if) = text(headers, header::IF_RANGE) {
            let same_time = || {
                let date = httpdate::parse_http_date(only_if).ok();
                date.is_some() && date.map(seconds) == self.modified.map(seconds)
            };
            if only_if != self.tag && !same_time() {
                return Part::Whole;
            }
        }
        parse(range, length)
    }
}

fn parse(range: &str, length: u64) -> Part {
    let Some((first, last)) = range.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Part::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(first) || !digits(last) {
        return Part::Whole;
    }
    // A number too large for us is beyond the end of any file.
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    match (first.is_empty(), last.is_empty()) {
        (true, true) => Part::Whole,
        (true, false) => match number(last).min(length) {
            0 => Part::Unsatisfiable,
            suffix => Part::Range(length - suffix, length - 1),
        },
        (false, _) => {
            let first = number(first);
            let last = if last.is_empty() { u64::MAX } else { number(last) };
            if last < first {
                return Part::Whole;
            }
            if first >= length { Part::Unsatisfiable } else { Part::Range(first, last.min(length - 1)) }
        }
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// HTTP dates have no fractions.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn version() -> Version {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_500);
        Version { tag: "\"a-b\"".into(), modified: Some(modified) }
    }

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).expect("a value")))
            .collect()
    }

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        for (range, expected) in [
            ("bytes=0-99", Part::Range(0, 99)),
            ("bytes=0-", Part::Range(0, 999)),
            ("bytes=990-2000", Part::Range(990, 999)),
            ("bytes=-10", Part::Range(990, 999)),
            ("bytes=-5000", Part::Range(0, 999)),
            ("bytes=999-", Part::Range(999, 999)),
            ("bytes=1000-", Part::Unsatisfiable),
            ("bytes=-0", Part::Unsatisfiable),
            ("bytes=99999999999999999999999-", Part::Unsatisfiable),
            ("bytes=0-1,5-6", Part::Whole),
            ("bytes=5-1", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("items=0-1", Part::Whole),
        ] {
            assert_eq!(parse(range, 1000), expected, "{range}");
        }
        assert_eq!(parse("bytes=0-0", 0), Part::Unsatisfiable);
    }

    #[test]
    fn known_versions_are_recognised() {
        let known = |pairs| version().is_known(&headers(pairs));
        assert!(known(&[(header::IF_NONE_MATCH, "\"x\", W/\"a-b\"")]));
        assert!(known(&[(header::IF_NONE_MATCH, "*")]));
        assert!(!known(&[(header::IF_NONE_MATCH, "\"x\"")]));
        assert!(known(&[(header::IF_MODIFIED_SINCE, "Tue, 14 Nov 2023 22:13:20 GMT")]));
        assert!(!known(&[(header::IF_MODIFIED_SINCE, "Tue, 14 Nov 2023 22:13:19 GMT")]));
        // The tag decides where both are given.
        assert!(!known(&[
            (header::IF_NONE_MATCH, "\"x\""),
            (header::IF_MODIFIED_SINCE, "Tue, 14 Nov 2033 22:13:20 GMT")
        ]));
        assert!(!known(&[]));
    }

    #[test]
    fn a_range_of_another_version_gets_the_whole() {
        let part = |only_if| {
            version().part(&headers(&[(header::RANGE, "bytes=0-9"), (header::IF_RANGE, only_if)]), 1000)
        };
        assert_eq!(part("\"a-b\""), Part::Range(0, 9));
        assert_eq!(part("\"old\""), Part::Whole);
        assert_eq!(part("Tue, 14 Nov 2023 22:13:20 GMT"), Part::Range(0, 9));
        assert_eq!(part("Tue, 14 Nov 2023 22:13:21 GMT"), Part::Whole);
    }

    proptest! {
        #[test]
        fn ranges_lie_within_the_file(range in "bytes=[0-9]{0,22}-[0-9]{0,22}|\\PC{0,20}", length in 0..5_000_u64) {
            if let Part::Range(first, last) = parse(&range, length) {
                prop_assert!(first <= last && last < length);
            }
        }
    }
}
