//! The pages that are ours: shown where a program would answer and cannot. Plain, calm, scriptless; whatever comes from a
//! container or a person is escaped. A page says what is the matter and what happens next.

use std::{fmt::Write as _, sync::LazyLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use sha2::{Digest as _, Sha256};
use slipway_wire::Problem;

use super::{body::Download, target::Misdirected};

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1d2733;--dim:#5d6b7a;--paper:#f7f8fa;--line:#dfe4ea;--link:#0b62c4}\
@media(prefers-color-scheme:dark){:root{--ink:#e6ebf1;--dim:#94a1b0;--paper:#14181d;--line:#2b323b;--link:#7ab4f5}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:2rem;background:var(--paper);color:var(--ink);\
font:16px/1.55 system-ui,sans-serif}\
main{max-width:34rem;width:100%}\
h1{font-size:1.35rem;font-weight:600;margin:0 0 .5rem;overflow-wrap:anywhere}\
p{margin:.4rem 0;color:var(--dim);overflow-wrap:anywhere}\
pre{margin:1rem 0 0;padding:.8rem 1rem;border:1px solid var(--line);border-radius:8px;overflow:auto;max-height:40vh;\
font:13px/1.5 ui-monospace,monospace;white-space:pre-wrap}\
ul{margin:.6rem 0 0;padding:0;list-style:none}\
li{display:inline-block;margin:0 .9rem .3rem 0}\
a{color:var(--link)}\
i{display:block;width:100%;height:2px;margin:0 0 1.4rem;background:linear-gradient(90deg,var(--line),var(--link),var(--line));\
background-size:200% 100%;animation:s 2.4s linear infinite}\
@keyframes s{to{background-position:-200% 0}}\
@media(prefers-reduced-motion:reduce){i{animation:none}}";

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    // Base64 and ASCII make a header value; refusing everything is the safe reading of anything else.
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// Longest foreign text on a page, characters.
const LONGEST: usize = 4096;
/// Seconds after which a page of something under way looks again.
const AGAIN: u32 = 1;

/// One of our pages, before it is written.
pub(super) struct Page {
    status: StatusCode,
    title: String,
    lines: Vec<String>,
    detail: Option<String>,
    links: Vec<(String, String)>,
    /// Seconds until it looks again.
    again: Option<u32>,
    busy: bool,
}

impl Page {
    fn new(status: StatusCode, title: impl Into<String>, line: impl Into<String>) -> Self {
        Self {
            status,
            title: title.into(),
            lines: vec![line.into()],
            detail: None,
            links: Vec::new(),
            again: None,
            busy: false,
        }
    }

    pub(super) fn starting(name: &str, phase: &str) -> Self {
        let mut page = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{name} is starting"),
            format!("It is {phase}. The page appears here as soon as it listens."),
        );
        page.again = Some(AGAIN);
        page.busy = true;
        page
    }

    pub(super) fn failed(name: &str, problem: &Problem) -> Self {
        let title = format!("{name} did not start");
        let mut page = Self::new(StatusCode::BAD_GATEWAY, title, problem.message.clone());
        page.lines.extend(problem.hint.clone());
        page.detail.clone_from(&problem.detail);
        page
    }

    pub(super) fn stopped(name: &str) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{name} is stopped"),
            "Start it in Slipway to see it here.",
        )
    }

    pub(super) fn paused(name: &str) -> Self {
        let mut page = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{name} is paused"),
            "Everything in it stands still. Resume it in Slipway; this page keeps looking.",
        );
        page.again = Some(2 * AGAIN);
        page
    }

    pub(super) fn unknown() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "There is no such workspace",
            "It was removed, or the address has a slip of the pen. Slipway lists the workspaces there are.",
        )
    }

    /// `others`: ports that do listen, each with its address.
    pub(super) fn nothing_listens(port: u16, others: Vec<(u16, String)>) -> Self {
        let mut page = Self::new(
            StatusCode::BAD_GATEWAY,
            format!("Nothing listens on port {port}"),
            "The program may be starting again, or has ended: its terminal says which. This page keeps looking.",
        );
        if !others.is_empty() {
            page.lines.push("These ports answer:".to_owned());
            page.links = others.into_iter().map(|(port, url)| (format!("port {port}"), url)).collect();
        }
        page.again = Some(2 * AGAIN);
        page
    }

    pub(super) fn hung_up(port: u16) -> Self {
        Self::new(
            StatusCode::BAD_GATEWAY,
            "The program hung up",
            format!(
                "It took the request on port {port} and closed the connection without an answer. Its terminal may say why."
            ),
        )
    }

    pub(super) fn not_http(port: u16) -> Self {
        Self::new(
            StatusCode::BAD_GATEWAY,
            format!("Port {port} does not speak HTTP"),
            "What came back is not a web page's answer; a database or HTTPS would look like this. Try another port.",
        )
    }

    pub(super) fn lost() -> Self {
        let mut page = Self::new(
            StatusCode::BAD_GATEWAY,
            "The container does not answer",
            "Slipway is connecting to it again. This page keeps looking.",
        );
        page.again = Some(2 * AGAIN);
        page
    }

    pub(super) fn crowded() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many open requests",
            "This workspace has as many requests open as the preview allows. Close some of its pages and try again.",
        )
    }

    pub(super) fn misdirected(why: Misdirected) -> Self {
        let (title, line) = match why {
            Misdirected::Ambiguous => {
                ("This request cannot be read", "It names no host, or more than one. Nothing was passed on.")
            }
            Misdirected::Tunnel => ("This is no proxy", "Previews are opened by their own address."),
            Misdirected::Foreign => (
                "This address shows no workspace",
                "Previews live at addresses such as http://5173-my-shop.localhost. Slipway shows yours.",
            ),
            Misdirected::Unreadable => (
                "This address shows no workspace",
                "It is not written as Slipway writes them: port, hyphen, workspace.",
            ),
            Misdirected::Sibling => (
                "Another workspace asked for this",
                "Workspaces do not reach each other. Nothing was passed on.",
            ),
        };
        Self::new(why.status(), title, line)
    }

    /// Writes it: HTML for a browser that shows pages, one sentence for anything else.
    pub(super) fn write(self, html: bool) -> Response<Download> {
        let (kind, text) = if html {
            ("text/html; charset=utf-8", self.html())
        } else {
            ("text/plain; charset=utf-8", self.text())
        };
        let mut response = Response::new(Download::own(text));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert("x-slipway", HeaderValue::from_static("page"));
        if let Some(seconds) = self.again {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn text(&self) -> String {
        let mut text = format!("{}. {}\n", self.title, self.lines.join(" "));
        for (_, url) in &self.links {
            text.push_str(url);
            text.push('\n');
        }
        text
    }

    fn html(&self) -> String {
        let mut html = String::from("<!doctype html><html lang=en><meta charset=utf-8>");
        html.push_str("<meta name=viewport content=\"width=device-width,initial-scale=1\">");
        if let Some(seconds) = self.again {
            add(&mut html, format_args!("<meta http-equiv=refresh content={seconds}>"));
        }
        let title = escaped(&self.title);
        add(&mut html, format_args!("<title>{title}</title><style>{STYLE}</style><main>"));
        if self.busy {
            html.push_str("<i></i>");
        }
        add(&mut html, format_args!("<h1>{title}</h1>"));
        for line in &self.lines {
            add(&mut html, format_args!("<p>{}</p>", escaped(line)));
        }
        if !self.links.is_empty() {
            html.push_str("<ul>");
            for (name, url) in &self.links {
                add(&mut html, format_args!("<li><a href=\"{}\">{}</a></li>", escaped(url), escaped(name)));
            }
            html.push_str("</ul>");
        }
        if let Some(detail) = &self.detail {
            add(&mut html, format_args!("<pre>{}</pre>", escaped(detail)));
        }
        html.push_str("</main></html>\n");
        html
    }
}

/// Whether who asks shows pages.
pub(super) fn wants_html(asking: &HeaderMap) -> bool {
    let accepts = asking.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accepts.is_some_and(|accepts| accepts.contains("text/html"))
}

/// Writing to a `String` cannot fail.
fn add(html: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = html.write_fmt(what);
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().take(LONGEST) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use slipway_wire::Code;

    async fn written(page: Page, accept: &'static str) -> (Response<()>, String) {
        let asking = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
        let (head, body) = page.write(wants_html(&asking)).into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (Response::from_parts(head, ()), String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn foreign_text_stays_text() {
        let evil = "<script>alert(1)</script>\u{1b}[2J\" onload='x";
        let problem = Problem::new(Code::StartFailed, evil).hint(evil).detail(evil);
        let (head, html) = written(Page::failed(evil, &problem), "text/html").await;
        assert!(!html.contains("<script"), "{html}");
        assert!(!html.contains('\u{1b}'));
        assert_eq!(html.matches("&lt;script&gt;").count(), 5, "title twice, message, hint, detail");
        let policy = head.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe"));
    }

    #[tokio::test]
    async fn each_state_has_its_status_and_a_way_on() {
        for (page, status, again) in [
            (Page::starting("shop", "installing"), 503, true),
            (Page::stopped("shop"), 503, false),
            (Page::unknown(), 404, false),
            (Page::nothing_listens(3000, vec![(5173, "http://x/".into())]), 502, true),
            (Page::hung_up(1), 502, false),
            (Page::not_http(1), 502, false),
            (Page::lost(), 502, true),
            (Page::crowded(), 503, false),
            (Page::misdirected(Misdirected::Foreign), 421, false),
            (Page::misdirected(Misdirected::Ambiguous), 400, false),
            (Page::misdirected(Misdirected::Unreadable), 404, false),
            (Page::misdirected(Misdirected::Tunnel), 405, false),
            (Page::misdirected(Misdirected::Sibling), 403, false),
        ] {
            let (head, html) = written(page, "text/html,*/*").await;
            assert_eq!(head.status(), status);
            assert_eq!(head.headers().contains_key("retry-after"), again);
            assert_eq!(html.contains("http-equiv=refresh"), again);
            assert_eq!(head.headers()["cache-control"], "no-store");
        }
    }

    #[tokio::test]
    async fn what_is_no_browser_gets_a_sentence() {
        let (head, text) = written(Page::starting("shop", "installing"), "application/json").await;
        assert_eq!(head.headers()["content-type"], "text/plain; charset=utf-8");
        assert_eq!(
            text,
            "shop is starting. It is installing. The page appears here as soon as it listens.\n"
        );
    }
}
