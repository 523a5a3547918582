//! `slipway logs`: the lines a workspace's programs printed, from the owner's disk, a page at a time; with `-f` also what
//! comes, over changes of the owner too. Lines are plain text when they come; colours go to a terminal only.

use crate::{
    args::Logs,
    exit::{Code, Failure},
    out,
    session::Session,
    text::{self, Paint},
};
use slipway_wire::{
    Api as _, Code as Why, LogGap, LogLevel, LogPage, LogQuery, LogRecord, LogStream, Problem,
};
use std::{
    io::{IsTerminal as _, Write as _},
    path::Path,
    time::{Duration, Instant},
};

/// How long one question of a follower waits for lines, milliseconds.
const WAIT_MS: u64 = 2000;
/// How long the owner may be away.
const PATIENCE: Duration = Duration::from_secs(15);
const BETWEEN: Duration = Duration::from_millis(100);

pub(crate) async fn run(args: Logs) -> Result<Code, Failure> {
    let mut session = Session::open().await?;
    let mut query = LogQuery {
        id: session.find_any(&args.id).await?.id,
        after: None,
        before: None,
        tail: args.tail,
        since_ms: args.since,
        until_ms: args.until,
        level: args.level.map(LogLevel::from),
        process: args.process.clone(),
        grep: args.grep.clone(),
        limit: Some(2000),
        wait_ms: args.follow.then_some(0),
    };
    let mut target = Target::open(&args)?;
    let mut lines = 0_u64;
    loop {
        let page = ask(&mut session, &query, args.follow).await?;
        if let Some(gap) = page.gap {
            target.gap(gap)?;
        }
        for record in &page.records {
            lines += u64::from(target.line(record)?);
        }
        target.flush()?;
        if query.tail.is_some() && page.more {
            out::note(
                "slipway: only the newest 256 MiB of the log were searched; without --tail all of it is.",
            );
        }
        let over = if args.follow { !page.live } else { true };
        if over && !page.more {
            break;
        }
        query.after = Some(page.next);
        query.tail = None;
        query.wait_ms = args.follow.then_some(WAIT_MS);
    }
    target.done(lines)?;
    Ok(if lines == 0 && args.grep.is_some() { Code::FAILED } else { Code::OK })
}

/// A page. A follower waits for an owner that went away, or starts another.
async fn ask(session: &mut Session, query: &LogQuery, patient: bool) -> Result<LogPage, Failure> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let problem = match session.api.workspace_logs(query.clone()).await {
            Ok(page) => return Ok(page),
            Err(problem) => problem,
        };
        if !patient || problem.code != Why::OwnerBusy || Instant::now() >= deadline {
            return Err(problem.into());
        }
        tracing::debug!(%problem, "asking again");
        tokio::time::sleep(BETWEEN).await;
        if let Ok(again) = Session::at(session.places.clone()).await {
            *session = again;
        }
    }
}

/// Where lines go, and how they look there.
struct Target {
    json: bool,
    timestamps: bool,
    /// A person's terminal: names in front, colours, Slipway's own lines.
    terminal: bool,
    paint: Paint,
    file: Option<tempfile::NamedTempFile>,
    export: Option<std::path::PathBuf>,
    buffer: Vec<u8>,
}

impl Target {
    fn open(args: &Logs) -> Result<Self, Failure> {
        let file = match &args.export {
            None => None,
            Some(path) => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                let file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")));
                Some(file.map_err(|e| cannot(path, &e))?)
            }
        };
        let terminal = file.is_none() && std::io::stdout().is_terminal();
        let (json, timestamps, export) = (args.json, args.timestamps, args.export.clone());
        Ok(Self { json, timestamps, terminal, paint: Paint::stdout(), file, export, buffer: Vec::new() })
    }

    /// Whether the line was one to show.
    fn line(&mut self, record: &LogRecord) -> Result<bool, Failure> {
        if self.json {
            serde_json::to_writer(&mut self.buffer, record).map_err(std::io::Error::from)?;
            self.buffer.push(b'\n');
            return Ok(true);
        }
        let own = record.stream == LogStream::Slipway;
        if own && !self.terminal {
            if record.missing_bytes.is_some() {
                out::note(&format!(
                    "slipway: {}: {}",
                    text::clean(&record.process),
                    text::clean(&record.message)
                ));
            }
            return Ok(false);
        }
        let mut line = String::new();
        if self.timestamps {
            line.push_str(&self.paint.dim(&text::rfc3339_ms(record.at_ms)));
            line.push(' ');
        }
        if self.terminal {
            let name = format!("{:>8} │ ", text::clean(&record.process));
            line.push_str(&match record.level {
                LogLevel::Error | LogLevel::Fatal => self.paint.red(&name),
                LogLevel::Warn => self.paint.yellow(&name),
                _ => self.paint.cyan(&name),
            });
        }
        match &record.coloured {
            _ if own => line.push_str(&self.paint.dim(&text::clean(&record.message))),
            Some(coloured) if self.paint.wanted() => {
                // The owner lets colours through and nothing else; here it is made sure.
                let shown = text::OutputFilter::default().pass(coloured.as_bytes());
                line.push_str(&String::from_utf8_lossy(&shown));
            }
            _ => line.push_str(&record.message),
        }
        line.push('\n');
        self.buffer.extend_from_slice(line.as_bytes());
        Ok(!own)
    }

    fn gap(&mut self, gap: LogGap) -> Result<(), Failure> {
        if self.json {
            serde_json::to_writer(&mut self.buffer, &serde_json::json!({ "gap": gap }))
                .map_err(std::io::Error::from)?;
            self.buffer.push(b'\n');
        } else {
            let count = gap.to.saturating_sub(gap.from);
            out::note(&format!("slipway: {count} lines are no longer kept here (log_limit_mb)."));
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let written = match &mut self.file {
            Some(file) => file.write_all(&self.buffer),
            None => out::bytes(&self.buffer),
        };
        self.buffer.clear();
        match (written, &self.export) {
            (Err(error), Some(path)) => Err(cannot(path, &error)),
            (written, _) => Ok(written?),
        }
    }

    fn done(self, lines: u64) -> Result<(), Failure> {
        if let (Some(file), Some(path)) = (self.file, self.export) {
            file.persist(&path).map_err(|e| cannot(&path, &e.error))?;
            out::note(&format!("{lines} lines in {}", path.display()));
        }
        Ok(())
    }
}

fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    Problem::new(Why::Storage, format!("{} cannot be written: {error}.", path.display()))
        .hint("Name another file, or see that its folder is there and has room.")
        .into()
}
