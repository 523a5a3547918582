//! How much a line matters, read from its text as the common loggers write it. A guess from foreign text: it never fails,
//! looks at a bounded beginning, and says nothing rather than something doubtful.

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use slipway_wire::LogLevel;
use std::{borrow::Cow, fmt};

/// So much of a line's beginning may tell its level, characters.
const BEGINNING: usize = 160;

/// The level a line tells of itself.
pub(super) fn of(line: &str) -> Option<LogLevel> {
    let text = line.trim_start();
    if text.starts_with('{') && text.ends_with('}') {
        return json(text);
    }
    let end = text.char_indices().nth(BEGINNING).map_or(text.len(), |(at, _)| at);
    let text = &text[..end];
    failure(text).or_else(|| pair(text)).or_else(|| short(text)).or_else(|| word_in(text))
}

/// Whether a line belongs to the one before it: a stack's frames are indented.
pub(super) fn goes_on(line: &str) -> bool {
    line.starts_with([' ', '\t']) && !line.trim_start().is_empty()
}

/// A JSON line: winston, pino, bunyan, zap, slog, `structlog`, ECS.
fn json(text: &str) -> Option<LogLevel> {
    // Every key has one of these in it; most lines without a level are not parsed at all.
    if !["level", "severity", "lvl"].iter().any(|part| text.contains(part)) {
        return None;
    }
    let Fields(fields) = serde_json::from_str(text).ok()?;
    match fields.into_iter().flatten().next()? {
        serde_json::Value::String(word) => word.parse().map_or_else(|_| named(&word), number),
        serde_json::Value::Number(level) => number(level.as_u64()?),
        _ => None,
    }
}

/// Where JSON loggers put the level; the first that is there counts.
const KEYS: [&str; 8] =
    ["level", "severity", "lvl", "log.level", "levelname", "loglevel", "severity_text", "@level"];

/// What a line has below the keys; everything else in it is passed over.
#[derive(Default)]
struct Fields([Option<serde_json::Value>; KEYS.len()]);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Picking;
        impl<'de> Visitor<'de> for Picking {
            type Value = Fields;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Fields::default();
                while let Some(Key(key)) = map.next_key()? {
                    match KEYS.iter().position(|wanted| *wanted == key) {
                        Some(place) => fields.0[place] = Some(map.next_value()?),
                        None => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(fields)
            }
        }
        from.deserialize_map(Picking)
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// Pino's and bunyan's tens; below ten syslog's severities.
fn number(level: u64) -> Option<LogLevel> {
    Some(match level {
        0..=2 | 60..=100 => LogLevel::Fatal,
        3 | 50..60 => LogLevel::Error,
        4 | 40..50 => LogLevel::Warn,
        5 | 6 | 30..40 => LogLevel::Info,
        7 | 20..30 => LogLevel::Debug,
        10..20 => LogLevel::Trace,
        _ => return None,
    })
}

/// The level of that name, in any case. Asked of every word of a line's beginning: length and first letter rule most out.
fn named(word: &str) -> Option<LogLevel> {
    use LogLevel::{Debug, Error, Fatal, Info, Trace, Warn};
    if !(3..=11).contains(&word.len()) {
        return None;
    }
    let names: &[(&str, LogLevel)] = match word.as_bytes()[0].to_ascii_lowercase() {
        b'a' => &[("alert", Fatal)],
        b'c' => &[("critical", Fatal), ("crit", Fatal)],
        b'd' => &[("debug", Debug), ("dbg", Debug), ("debu", Debug)],
        b'e' => &[("error", Error), ("err", Error), ("err!", Error), ("emerg", Fatal)],
        b'f' => &[("fatal", Fatal), ("fine", Debug), ("finest", Trace)],
        b'h' => &[("http", Info)],
        b'i' => &[("info", Info), ("inf", Info), ("information", Info)],
        b'l' => &[("log", Info)],
        b'n' => &[("notice", Info)],
        b's' => &[("severe", Error), ("silly", Trace)],
        b't' => &[("trace", Trace)],
        b'v' => &[("verbose", Debug)],
        b'w' => &[("warn", Warn), ("warning", Warn), ("wrn", Warn)],
        _ => return None,
    };
    names.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, level)| *level)
}

/// What languages print when something broke.
fn failure(text: &str) -> Option<LogLevel> {
    const FATAL: [&str; 4] = ["panic: ", "fatal error: ", "FATAL ERROR: ", "Segmentation fault"];
    const ERROR: [&str; 6] = ["Traceback (most recent call last)", "Uncaught ", "npm ERR!", "✖ ", "✘ ", "❌"];
    if FATAL.iter().any(|words| text.starts_with(words))
        || text.starts_with("thread '") && text.contains("panicked")
    {
        return Some(LogLevel::Fatal);
    }
    if ERROR.iter().any(|words| text.starts_with(words)) {
        return Some(LogLevel::Error);
    }
    // `TypeError: …`, `requests.exceptions.ConnectionError: …`, `Error [ERR_X]: …`
    let name = text.split([':', ' ']).next().unwrap_or_default();
    let rest = &text[name.len()..];
    let kind = ["Error", "Exception"].iter().any(|end| name.ends_with(end));
    let identifier = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'));
    (kind && identifier && (rest.starts_with(": ") || rest == ":" || rest.starts_with(" [")))
        .then_some(LogLevel::Error)
}

/// logfmt: `level=warn`, `lvl="error"`.
fn pair(text: &str) -> Option<LogLevel> {
    ["level=", "lvl=", "severity="].iter().find_map(|key| {
        let at = text.find(key)?;
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| !c.is_whitespace() && c != ',') {
            return None;
        }
        let value = text[at + key.len()..].trim_start_matches('"');
        named(value.split([' ', '\t', '"', ',']).next().unwrap_or_default())
    })
}

/// Marks of one or two characters: `<3>` of systemd, `E0102` of klog, `⚠`.
fn short(text: &str) -> Option<LogLevel> {
    if text.starts_with('⚠') {
        return Some(LogLevel::Warn);
    }
    let bytes = text.as_bytes();
    if let [b'<', digit @ b'0'..=b'7', b'>', ..] = bytes {
        return number(u64::from(digit - b'0'));
    }
    let level = match bytes.first()? {
        b'I' => LogLevel::Info,
        b'W' => LogLevel::Warn,
        b'E' => LogLevel::Error,
        b'F' => LogLevel::Fatal,
        _ => return None,
    };
    let dated =
        bytes.get(1..6).is_some_and(|rest| rest[..4].iter().all(u8::is_ascii_digit) && rest[4] == b' ');
    dated.then_some(level)
}

/// A level's name where loggers put it: alone in capitals, in brackets, or before a colon. The first one counts.
fn word_in(text: &str) -> Option<LogLevel> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '!' | '_');
    let mut from = 0;
    while let Some(begin) = text[from..].find(word).map(|at| from + at) {
        let end = text[begin..].find(|c| !word(c)).map_or(text.len(), |at| begin + at);
        from = end;
        let name = &text[begin..end];
        let Some(level) = named(name) else { continue };
        let before = text[..begin].chars().next_back();
        let mut after = text[end..].chars();
        let (next, then) = (after.next(), after.next());
        let parted = |c: Option<char>| c.is_none_or(|c| c.is_whitespace() || "[](){}<>|:,;-".contains(c));
        if !parted(before) || !parted(next) {
            continue;
        }
        let capitals = name.chars().all(|c| !c.is_ascii_lowercase());
        let bracketed = matches!(
            (before, next),
            (Some('['), Some(']')) | (Some('('), Some(')')) | (Some('<'), Some('>'))
        );
        let tabbed = before == Some('\t') && next == Some('\t');
        let titled = next == Some(':') && then.is_none_or(char::is_whitespace) && distinct(name);
        // `npm warn deprecated …`, `npm error code …`
        let npm = &text[..begin] == "npm " && next == Some(' ');
        if capitals && distinct(name) || bracketed || tabbed || titled || npm {
            return Some(level);
        }
    }
    None
}

/// Not a word of other sentences and protocols.
fn distinct(name: &str) -> bool {
    !["http", "log", "fine", "finest", "silly", "alert"].iter().any(|other| other.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn common_formats_are_recognised() {
        use LogLevel::{Debug, Error, Fatal, Info, Trace, Warn};
        for (line, level) in [
            ("ERROR something broke", Error),
            ("[ERROR] something broke", Error),
            ("[error] something broke", Error),
            ("2026-01-02 10:11:12,345 - app.db - WARNING - slow", Warn),
            ("WARNING:root:careful", Warn),
            ("INFO:     Uvicorn running on http://127.0.0.1:8000 (Press CTRL+C to quit)", Info),
            ("ERROR:    Exception in ASGI application", Error),
            ("[2026-01-02T10:11:12Z DEBUG hyper::proto] parsed", Debug),
            ("2026-01-02T10:11:12.123Z  WARN tower: late", Warn),
            ("2026-01-02T10:11:12Z\terror\tmain.go:7\tno", Error),
            ("npm ERR! code ENOENT", Error),
            ("npm error code ENOENT", Error),
            ("npm WARN deprecated har@1", Warn),
            ("npm warn deprecated har@1", Warn),
            ("[vite] Internal server error: Failed to resolve import", Error),
            ("warning: unused variable: `x`", Warn),
            ("info: listening", Info),
            ("error: connection refused", Error),
            ("TypeError: x is not a function", Error),
            ("Error [ERR_MODULE_NOT_FOUND]: Cannot find package", Error),
            ("requests.exceptions.ConnectionError: refused", Error),
            ("Traceback (most recent call last):", Error),
            ("thread 'main' panicked at src/main.rs:1:1:", Fatal),
            ("panic: runtime error: index out of range", Fatal),
            ("E0102 15:04:05.123456 1 main.go:1] no", Error),
            ("<4>careful", Warn),
            ("time=2026-01-02T10:11:12Z level=warn msg=\"slow\"", Warn),
            ("lvl=\"fatal\" msg=gone", Fatal),
            ("{\"level\":\"warn\",\"message\":\"slow\"}", Warn),
            ("{\"level\":50,\"time\":1,\"msg\":\"no\"}", Error),
            ("{\"level\":10,\"msg\":\"step\"}", Trace),
            ("{\"severity\":\"CRITICAL\",\"message\":\"no\"}", Fatal),
            ("{\"severity\":\"info\",\"deep\":{\"level\":[1,{}]},\"level\":\"error\"}", Error),
            ("{\"level\":\"info\",\"level\":\"warn\"}", Warn),
            ("{\"log.level\":\"debug\",\"message\":\"no\"}", Debug),
            ("[12:00:00.000] FATAL (123): gone", Fatal),
        ] {
            assert_eq!(of(line), Some(level), "{line}");
        }
    }

    #[test]
    fn what_tells_nothing_is_left_alone() {
        for line in [
            "",
            "GET /error HTTP/1.1 200",
            "0 errors, 0 warnings",
            "compiled without error in 3 s",
            "the log is in /var/log",
            "http: //x",
            "  ➜  Local:   http://localhost:5173/",
            "{\"message\":\"no level\"}",
            "{not json}",
            "{\"level\":{}}",
            "{\"deep\":{\"level\":\"error\"}}",
            "{\"level\":\"error\" \"x\"}",
            "informational",
            "E0102x",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
        assert!(goes_on("    at f (x.js:1)") && goes_on("\tat x") && !goes_on("at f") && !goes_on("   "));
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(line in "\\PC{0,300}", around in "[\\[\\](){}<>:|,;= \t-]{0,6}", name in "(?i)(error|warn|info|level=|npm )") {
            let _any = of(&line);
            let _any = of(&format!("{line}{around}{name}{around}{line}"));
        }

        #[test]
        fn a_bracketed_level_is_found_behind_any_date(date in "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.,]{5,12}Z?", name in "(TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL)", rest in "[a-z ]{0,40}") {
            let expected = of(&name);
            prop_assert!(expected.is_some());
            prop_assert_eq!(of(&format!("{date} [{name}] {rest}")), expected);
            prop_assert_eq!(of(&format!("{date} {name} {rest}")), expected);
            prop_assert_eq!(of(&format!("{{\"time\":\"{date}\",\"level\":\"{name}\",\"msg\":\"{rest}\"}}")), expected);
        }
    }
}
