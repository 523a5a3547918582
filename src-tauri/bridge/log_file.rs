//! A workspace's log written to a file that a person chose, page by page, however long it is. Comes in: a question and a
//! path. The file is complete or not there: it is written beside its place and renamed.

use serde::Deserialize;
use slipway_wire::{Api, Code, LogGap, LogPage, LogQuery, LogRecord, LogStream, Problem};
use std::{
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use super::unfinished::Unfinished;

/// Lines asked for at once.
const LINES: u32 = 5000;
/// The last moment a date of four digits can tell, milliseconds.
const LAST_MS: u64 = 253_402_300_799_000;

/// What is written, and where.
#[derive(Deserialize)]
pub(super) struct LogFile {
    query: LogQuery,
    path: PathBuf,
    /// Every record as JSON, one a line; otherwise lines for people.
    json: bool,
}

/// Writes it and answers with the number of lines.
pub(super) async fn save(
    engine: &impl Api,
    notes: &Path,
    LogFile { query, path, json }: LogFile,
) -> Result<u64, Problem> {
    if !path.is_absolute() {
        return Err(Problem::new(Code::Invalid, "A file is written to a full path only."));
    }
    let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
    let mut file = BufWriter::new(Unfinished::begin(notes, &folder).map_err(|e| cannot(&path, &e))?);
    let mut query = LogQuery { after: None, tail: None, limit: Some(LINES), wait_ms: None, ..query };
    let mut lines = 0;
    // What is printed while it is written is left out, or a flood would never end.
    let end = engine.workspace_logs(LogQuery { tail: Some(0), ..query.clone() }).await?.next;
    loop {
        let LogPage { records, next, gap, more, .. } = engine.workspace_logs(query.clone()).await?;
        let mut write = |line: String| file.write_all(line.as_bytes()).map_err(|e| cannot(&path, &e));
        if let Some(gap) = gap {
            write(gap_line(gap, json))?;
        }
        for record in records.iter().filter(|record| record.seq <= end) {
            write(line(record, json)?)?;
            lines += 1;
        }
        if !more || next >= end {
            break;
        }
        query.after = Some(next);
    }
    let file = file.into_inner().map_err(|e| cannot(&path, e.error()))?;
    file.finish(&path).map_err(|e| cannot(&path, &e))?;
    Ok(lines)
}

fn line(record: &LogRecord, json: bool) -> Result<String, Problem> {
    if json {
        return Ok(super::json(record)? + "\n");
    }
    let at = humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(record.at_ms.min(LAST_MS)));
    let level = format!("{:?}", record.level).to_uppercase();
    let stream = match record.stream {
        LogStream::Terminal | LogStream::Stdout => "",
        LogStream::Stderr => " stderr",
        LogStream::Slipway => " slipway",
    };
    Ok(format!("{at} {level:<5} {}{stream}: {}\n", record.process, record.message))
}

fn gap_line(LogGap { from, to }: LogGap, json: bool) -> String {
    let count = to.saturating_sub(from);
    if json {
        return format!("{{\"gap\":{{\"from\":{from},\"to\":{to}}}}}\n");
    }
    format!("-- {count} lines are no longer kept --\n")
}

fn cannot(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(Code::Storage, format!("{} could not be written.", path.display()))
        .hint("See that its folder is there, belongs to you and has room, or choose another.")
        .detail(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_wire::LogLevel;

    fn record(message: &str) -> LogRecord {
        LogRecord {
            seq: 7,
            at_ms: 1_700_000_000_999,
            level: LogLevel::Warn,
            process: "dev".into(),
            process_id: "p-1".parse().unwrap(),
            stream: LogStream::Stderr,
            message: message.into(),
            coloured: None,
            cut: false,
            missing_bytes: None,
        }
    }

    #[test]
    fn a_line_for_people_tells_when_how_much_it_matters_and_who_said_it() {
        let text = line(&record("low on memory"), false).unwrap();
        assert_eq!(text, "2023-11-14T22:13:20.999Z WARN  dev stderr: low on memory\n");
    }

    #[test]
    fn a_line_for_programs_is_the_record_and_a_gap_is_told_in_both() {
        let text = line(&record("a \"b\""), true).unwrap();
        assert_eq!(serde_json::from_str::<LogRecord>(text.trim()).unwrap(), record("a \"b\""));
        let gap = LogGap { from: 3, to: 5 };
        assert_eq!(gap_line(gap, false), "-- 2 lines are no longer kept --\n");
        assert_eq!(gap_line(gap, true), "{\"gap\":{\"from\":3,\"to\":5}}\n");
    }
}
