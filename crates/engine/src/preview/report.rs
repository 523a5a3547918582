//! What a page says about itself (`POST /.well-known/slipway/page`). The JSON is the hostile page's own: bounded, stripped
//! of control characters, limited in rate, and only ever shown to people as text.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderMap, header};
use serde::Deserialize;
use slipway_wire::WorkspaceId;
use tokio::time::Instant;

use super::host::Site;

/// Largest report, bytes.
pub(super) const LARGEST: usize = 16 * 1024;
/// Reports taken per second and workspace.
const PER_SECOND: u32 = 20;
/// Workspaces counted at a time; those silent for a second are dropped first.
const COUNTED: usize = 1024;
/// Longest text and source kept, characters.
const TEXT: usize = 4096;
const SOURCE: usize = 1024;

/// What kind of thing happened in the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PageReportKind {
    /// `console.error`.
    ConsoleError,
    /// An error nobody caught, or a promise nobody handled.
    Exception,
    /// Something the page wanted did not load.
    RequestFailed,
}

/// Something a page says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PageReport {
    /// What kind of thing happened.
    pub kind: PageReportKind,
    /// What it says; at most 4,096 characters, no control characters but line breaks and tabs.
    pub text: String,
    /// Where: an address; at most 1,024 characters.
    #[serde(default)]
    pub source: Option<String>,
    /// The line there.
    #[serde(default)]
    pub line: Option<u32>,
    /// The port of the page.
    #[serde(skip)]
    pub port: u16,
}

/// Reads a report; `None` for what is none.
pub(super) fn read(body: &[u8], site: &Site) -> Option<PageReport> {
    let report: PageReport = serde_json::from_slice(body).ok()?;
    let source = report.source.map(|source| plain(&source, SOURCE).replace(['\n', '\t'], " "));
    Some(PageReport { text: plain(&report.text, TEXT), source, port: site.port, ..report })
}

fn plain(text: &str, longest: usize) -> String {
    // Marks that reorder text on screen could make one thing read as another.
    let reorders =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let fine = |c: &char| matches!(c, '\n' | '\t') || !(c.is_control() || reorders(*c));
    text.chars().filter(fine).take(longest).collect()
}

/// Whether the page itself sends this, not another site's.
pub(super) fn same_origin(headers: &HeaderMap, site: &Site, gateway: u16) -> bool {
    let field = |name: &str| headers.get(name).map(|value| value.as_bytes().to_ascii_lowercase());
    let site_says = field("sec-fetch-site").is_none_or(|value| value == b"same-origin");
    site_says
        && field(header::ORIGIN.as_str()).is_some_and(|origin| origin == site.origin(gateway).as_bytes())
}

/// Counts reports per workspace and second.
#[derive(Default)]
pub(super) struct Rate {
    windows: Mutex<HashMap<WorkspaceId, (Instant, u32)>>,
}

impl Rate {
    /// Whether one more is taken.
    pub(super) fn take(&self, workspace: &WorkspaceId) -> bool {
        let second = Duration::from_secs(1);
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= COUNTED && !windows.contains_key(workspace) {
            windows.retain(|_, (since, _)| since.elapsed() < second);
            if windows.len() >= COUNTED {
                return false;
            }
        }
        let (since, count) = windows.entry(workspace.clone()).or_insert((Instant::now(), 0));
        if since.elapsed() >= second {
            (*since, *count) = (Instant::now(), 0);
        }
        *count += 1;
        *count <= PER_SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        Site::parse("5173-shop.localhost", 7420).unwrap()
    }

    #[test]
    fn reports_are_bounded_and_cleaned() {
        let body = br#"{"kind":"exception","text":"a\u001b[31mb\nc\u202ed","source":"http://x/\r\ny","line":3,"more":1}"#;
        let expected = PageReport {
            kind: PageReportKind::Exception,
            text: "a[31mb\ncd".into(),
            source: Some("http://x/ y".into()),
            line: Some(3),
            port: 5173,
        };
        assert_eq!(read(body, &site()), Some(expected));
        let long = format!(r#"{{"kind":"console-error","text":"{}"}}"#, "x".repeat(10_000));
        assert_eq!(read(long.as_bytes(), &site()).unwrap().text.len(), TEXT);
        for wrong in [
            &b""[..],
            b"{}",
            br#"{"kind":"other","text":""}"#,
            br#"{"kind":"exception","text":"x","line":-1}"#,
        ] {
            assert_eq!(read(wrong, &site()), None);
        }
    }

    #[test]
    fn only_the_page_itself_reports() {
        for (fields, fine) in [
            (&[("origin", "http://5173-shop.localhost:7420")][..], true),
            (&[("origin", "http://5173-shop.localhost:7420"), ("sec-fetch-site", "same-origin")], true),
            (&[("origin", "http://5173-shop.localhost:7420"), ("sec-fetch-site", "cross-site")], false),
            (&[("origin", "http://3000-shop.localhost:7420")], false),
            (&[("origin", "null")], false),
            (&[], false),
        ] {
            let headers: HeaderMap = fields
                .iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
                .collect();
            assert_eq!(same_origin(&headers, &site(), 7420), fine, "{fields:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn twenty_a_second_and_no_more() {
        let rate = Rate::default();
        let (shop, other) = ("shop".parse().unwrap(), "other".parse().unwrap());
        assert_eq!((0..100).filter(|_| rate.take(&shop)).count(), 20);
        assert!(rate.take(&other));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(rate.take(&shop));
    }
}
