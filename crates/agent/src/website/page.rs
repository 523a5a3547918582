//! The pages the server makes itself: directory listings and plain errors. Every name is escaped; no script, no request
//! to anywhere.

use std::path::Path;

/// Entries listed; a directory with more says so.
const ENTRIES: usize = 5000;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2430;--soft:#667085;--line:#e4e7ec;--back:#fff;--hover:#f5f7fa;--accent:#0b63ce}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--soft:#98a2b3;--line:#2b313b;--back:#14181f;--hover:#1c222b;--accent:#6cb0ff}}\
*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,sans-serif}\
main{max-width:760px;margin:0 auto;padding:48px 24px}h1{font-size:20px;font-weight:600;margin:0 0 16px;overflow-wrap:anywhere}\
p{color:var(--soft);margin:0 0 12px}ul{list-style:none;margin:0;padding:0;border-top:1px solid var(--line)}\
li{border-bottom:1px solid var(--line)}a{color:var(--accent);text-decoration:none}\
li a{display:flex;justify-content:space-between;gap:16px;padding:8px;overflow-wrap:anywhere}li a:hover{background:var(--hover)}\
li span{color:var(--soft);white-space:nowrap;font-variant-numeric:tabular-nums}\
.big{font-size:56px;font-weight:600;letter-spacing:-.02em;margin:0 0 8px}";

/// A listing of `directory`, shown as `path`. Blocking.
pub(super) fn listing(directory: &Path, path: &str) -> std::io::Result<String> {
    let mut entries = Vec::new();
    let mut more = false;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entries.len() == ENTRIES {
            more = true;
            break;
        }
        // Links are shown as what they lead to; broken ones as files of no size.
        let meta = entry.path().metadata();
        let is_directory = meta.as_ref().is_ok_and(std::fs::Metadata::is_dir);
        entries.push((!is_directory, entry.file_name(), meta.map_or(0, |meta| meta.len())));
    }
    entries.sort();
    let mut rows = String::new();
    if path != "/" {
        rows.push_str("<li><a href=\"../\">..<span>up</span></a></li>");
    }
    for (is_file, name, size) in entries {
        let (slash, size) = if is_file { ("", human(size)) } else { ("/", String::new()) };
        let href = encode(name.as_encoded_bytes());
        let shown = escape(&name.to_string_lossy());
        // A leading `./` keeps a name with a colon from being read as a scheme.
        let row = format!("<li><a href=\"./{href}{slash}\">{shown}{slash}<span>{size}</span></a></li>");
        rows.push_str(&row);
    }
    let note =
        if more { format!("<p>Only the first {ENTRIES} entries are shown.</p>") } else { String::new() };
    let empty = if rows.is_empty() { "<p>This directory is empty.</p>" } else { "" };
    let title = escape(path);
    Ok(page(&title, &format!("<h1>{title}</h1>{note}{empty}<ul>{rows}</ul>")))
}

/// A page for a status that has no page of the project's own.
pub(super) fn error(status: http::StatusCode, explanation: &str) -> String {
    let title = escape(&status.to_string());
    let body = format!("<div class=\"big\">{}</div><h1>{}</h1>", status.as_u16(), escape(explanation));
    page(&title, &format!("{body}<p><a href=\"/\">Go to the start page</a></p>"))
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Control characters and those that turn the reading direction would make a name look like another.
            '\u{0}'..='\u{1f}'
            | '\u{7f}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => {
                escaped.push('\u{fffd}');
            }
            other => escaped.push(other),
        }
    }
    escaped
}

fn encode(name: &[u8]) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            let digit = |value: u8| char::from(b"0123456789ABCDEF"[usize::from(value)]);
            encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    encoded
}

fn human(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1000.0;
    let mut unit = 0;
    while size >= 999.5 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_the_page() {
        let directory = tempfile::tempdir().expect("a directory");
        let hostile = "<img src=x onerror=\"alert('1')\">&\u{202e}gpj.exe";
        std::fs::write(directory.path().join(hostile), "x").expect("a file");
        std::fs::create_dir(directory.path().join("javascript:alert(1)")).expect("a directory");
        let page = listing(directory.path(), "/<script>/").expect("a listing");
        assert!(!page.contains("<img") && !page.contains("<script>") && !page.contains('\u{202e}'), "{page}");
        assert!(page.contains("&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;&amp;"), "{page}");
        assert!(page.contains("href=\"./javascript%3Aalert%281%29/\""), "{page}");
        assert!(page.contains("href=\"./%3Cimg%20src"), "{page}");
    }

    #[test]
    fn sizes_read_well() {
        for (bytes, expected) in
            [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_500, "1.0 MB"), (5 << 40, "5.5 TB")]
        {
            assert_eq!(human(bytes), expected);
        }
    }
}
