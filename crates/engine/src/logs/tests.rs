//! A log by itself: what is brought twice is kept once, what is torn is cut off, what is too much goes, and a disk that
//! refuses is told of.

use super::{book::Book, read, read::Asked, segment};
use proptest::prelude::*;
use slipway_wire::{LogLevel, LogPage, LogQuery, LogStream, ProcessId};
use std::{fs, path::Path};

fn id(text: &str) -> ProcessId {
    text.parse().unwrap()
}

fn query() -> LogQuery {
    serde_json::from_str("{\"id\":\"w\"}").unwrap()
}

fn ask(book: &Book, query: &LogQuery) -> LogPage {
    read::page(book, &Asked::check(query).unwrap()).unwrap()
}

/// Every line of a log that a program printed.
fn printed(book: &Book) -> Vec<String> {
    let (mut lines, mut asked) = (Vec::new(), query());
    loop {
        let page = ask(book, &asked);
        let own = page.records.into_iter().filter(|record| record.stream != LogStream::Slipway);
        lines.extend(own.map(|record| record.message));
        if !page.more {
            return lines;
        }
        asked.after = Some(page.next);
    }
}

fn numbers(range: std::ops::Range<usize>) -> String {
    range.map(|n| format!("line {n}\r\n")).collect::<Vec<_>>().concat()
}

fn open(dir: &Path, limit: u64) -> Book {
    Book::new(dir.join("w"), limit)
}

#[test]
fn a_log_is_read_back_with_levels_and_found_by_them() {
    let dir = tempfile::tempdir().unwrap();
    let book = open(dir.path(), 1 << 20);
    let dev = id("b1-1");
    assert_eq!(book.begin(1, &dev, "dev", "npm run dev"), 0);
    let text = b"ready\r\n\x1b[31mERROR broke\x1b[0m\r\n    at x.js:1\r\nfine\r\n";
    book.feed(2, &dev, LogStream::Terminal, 0, text);
    book.end(3, &dev, false, "ended with code 1");
    let page = ask(&book, &query());
    let seen: Vec<(u64, LogLevel, &str)> =
        page.records.iter().map(|r| (r.seq, r.level, r.message.as_str())).collect();
    assert_eq!(
        seen,
        [
            (1, LogLevel::Info, "npm run dev"),
            (2, LogLevel::Info, "ready"),
            (3, LogLevel::Error, "ERROR broke"),
            (4, LogLevel::Error, "    at x.js:1"),
            (5, LogLevel::Info, "fine"),
            (6, LogLevel::Error, "ended with code 1"),
        ]
    );
    assert_eq!(page.records[2].coloured.as_deref(), Some("\x1b[31mERROR broke\x1b[0m\x1b[0m"));
    let count = |change: &dyn Fn(&mut LogQuery)| {
        let mut asked = query();
        change(&mut asked);
        ask(&book, &asked).records.len()
    };
    assert_eq!(count(&|q| q.level = Some(LogLevel::Error)), 3);
    assert_eq!(count(&|q| q.grep = Some("^re|x\\.js".into())), 2);
    assert_eq!(count(&|q| q.tail = Some(2)), 2);
    assert_eq!(count(&|q| q.since_ms = Some(3)), 1);
    assert_eq!(count(&|q| q.until_ms = Some(1)), 1);
    assert_eq!(count(&|q| q.process = Some("other".into())), 0);
    assert_eq!(count(&|q| q.after = Some(4)), 2);
    assert!(Asked::check(&LogQuery { grep: Some("(".into()), ..query() }).is_err());
    assert!(Asked::check(&LogQuery { grep: Some("(a{1000}){1000}".into()), ..query() }).is_err());
}

#[test]
fn another_owner_goes_on_where_the_first_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let dev = id("b1-1");
    let all = numbers(0..1000);
    let first = open(dir.path(), 1 << 20);
    first.begin(1, &dev, "dev", "run");
    // In the middle of a line, and a record torn in the middle.
    first.feed(1, &dev, LogStream::Terminal, 0, &all.as_bytes()[..5003]);
    drop(first);
    let (begins, length) = segment::list(&dir.path().join("w")).unwrap()[0];
    let path = segment::path(&dir.path().join("w"), begins);
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 7).unwrap();
    let second = open(dir.path(), 1 << 20);
    let from = second.begin(2, &dev, "dev", "run") as usize;
    assert!(from < 5003 && all.as_bytes()[from - 1] == b'\n');
    second.feed(2, &dev, LogStream::Terminal, from as u64, &all.as_bytes()[from..]);
    // Brought twice, as by a pump that a new one overtakes.
    second.feed(2, &dev, LogStream::Terminal, 100, &all.as_bytes()[100..]);
    assert_eq!(second.end(3, &dev, true, "ended").lines().last(), Some("line 999"));
    second.end(3, &dev, true, "ended");
    assert_eq!(printed(&second), all.lines().map(str::to_owned).collect::<Vec<_>>());
    let seqs: Vec<u64> =
        ask(&second, &LogQuery { limit: Some(10_000), ..query() }).records.iter().map(|r| r.seq).collect();
    assert_eq!(seqs, (1..=1002).collect::<Vec<u64>>());
    let third = open(dir.path(), 1 << 20);
    assert!(third.has_ended(&dev));
    // The container started anew: who never ended is told to be over.
    third.begin(4, &id("b2-1"), "dev", "run");
    drop(third);
    let fourth = open(dir.path(), 1 << 20);
    fourth.begin(5, &id("b3-1"), "dev", "run");
    assert!(fourth.has_ended(&id("b2-1")));
}

#[test]
fn a_disk_that_is_waited_for_holds_up_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let logs = std::sync::Arc::new(super::Logs::new(dir.path()));
    let (slow, other) = ("w1".parse().unwrap(), "w2".parse().unwrap());
    let book = logs.book(&slow, 1);
    // As while it writes.
    let held = book.writer();
    let (tell, told) = std::sync::mpsc::channel();
    let asked = logs.clone();
    std::thread::spawn(move || {
        asked.book(&slow, 2);
        asked.book(&other, 2);
        let begun = asked.book(&slow, 2).begun();
        tell.send(begun)
    });
    assert_eq!(told.recv_timeout(std::time::Duration::from_secs(20)), Ok(0));
    assert_eq!(held.limit, 1 << 20);
    drop(held);
    assert_eq!(book.writer().limit, 2 << 20);
}

#[test]
fn leaving_a_life_late_does_not_close_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let book = open(dir.path(), 1 << 20);
    book.begin(1, &id("b1-1"), "dev", "run");
    let begun = book.begun();
    book.begin(2, &id("b1-2"), "worker", "run");
    book.begin(2, &id("b1-3"), "worker", "run");
    book.leave(3, begun, "the workspace was stopped");
    assert_eq!(["b1-1", "b1-2", "b1-3"].map(|of| book.has_ended(&id(of))), [true, false, false]);
    drop(book);
    // What an earlier owner began is left with the rest.
    let book = open(dir.path(), 1 << 20);
    book.leave(4, book.begun(), "the workspace was stopped");
    assert!(book.has_ended(&id("b1-2")) && book.has_ended(&id("b1-3")));
}

#[test]
fn the_last_lines_that_fit_are_looked_for_within_bounds_and_names_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let book = open(dir.path(), 2 << 20);
    book.begin(1, &id("b1-1"), "first", "run");
    book.feed(1, &id("b1-1"), LogStream::Terminal, 0, b"needle\r\n");
    book.end(1, &id("b1-1"), true, "ended");
    book.begin(2, &id("b1-2"), "dev", "run");
    let near = ask(&book, &LogQuery { tail: Some(1), grep: Some("needle".into()), ..query() });
    assert!(near.records.len() == 1 && !near.more);
    book.feed(2, &id("b1-2"), LogStream::Terminal, 0, numbers(0..20_000).as_bytes());
    let far = ask(&book, &LogQuery { tail: Some(1), grep: Some("needle".into()), ..query() });
    assert!(far.records.is_empty() && far.more, "{far:?}");
    let last = ask(&book, &LogQuery { tail: Some(1), ..query() });
    assert!(last.records.len() == 1 && !last.more);
    assert!(read::knows(&book, "first").unwrap() && read::knows(&book, "b1-2").unwrap());
    assert!(!read::knows(&book, "needle").unwrap() && !read::knows(&book, "run").unwrap());
}

#[test]
fn a_cap_drops_the_oldest_and_a_reader_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let limit = 1 << 20;
    let book = open(dir.path(), limit);
    let dev = id("b1-1");
    book.begin(1, &dev, "dev", "run");
    let all = numbers(0..100_000);
    for (n, chunk) in all.as_bytes().chunks(100_000).enumerate() {
        book.feed(1, &dev, LogStream::Terminal, n as u64 * 100_000, chunk);
        let held: u64 = segment::list(&dir.path().join("w")).unwrap().iter().map(|(_, length)| length).sum();
        assert!(held <= limit, "{held}");
    }
    let page = ask(&book, &LogQuery { after: Some(10), ..query() });
    let gap = page.gap.expect("a gap is told");
    assert_eq!((gap.from, gap.to), (11, page.records[0].seq));
    let kept = printed(&book);
    assert!(kept.len() > 5000 && kept.last().is_some_and(|line| line == "line 99999"), "{}", kept.len());
    let first: usize = kept[0].trim_start_matches("line ").parse().unwrap();
    assert_eq!(kept, (first..100_000).map(|n| format!("line {n}")).collect::<Vec<_>>());
    let tail = ask(&book, &LogQuery { tail: Some(3000), ..query() });
    assert_eq!(tail.records.len(), 3000);
    assert_eq!((tail.records[0].message.as_str(), tail.more), ("line 97000", false));
    // What is just before a line, as one who reads upwards asks; before the first there is nothing.
    let first = tail.records[0].seq;
    let up = ask(&book, &LogQuery { tail: Some(100), before: Some(first), ..query() });
    let said: Vec<_> = up.records.iter().map(|record| record.message.clone()).collect();
    assert_eq!(said, (96_900..97_000).map(|n| format!("line {n}")).collect::<Vec<_>>());
    let none = ask(&book, &LogQuery { tail: Some(100), before: Some(gap.to), ..query() });
    assert!(none.records.is_empty() && !none.more);
    let found = LogQuery { tail: Some(1), before: Some(first), grep: Some("0$".into()), ..query() };
    assert_eq!(ask(&book, &found).records[0].message, "line 96990");
    book.close();
    assert_eq!(segment::list(&dir.path().join("w")).unwrap().len(), 1);
    assert!(printed(&open(dir.path(), 0)).ends_with(&["line 99999".to_owned()]));
}

#[test]
fn what_could_not_be_written_is_told_and_no_number_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    // A file in the way of the folder refuses every write, to root as well.
    let way = dir.path().join("w");
    let book = open(dir.path(), 1 << 20);
    let dev = id("b1-1");
    book.begin(1, &dev, "dev", "run");
    book.feed(1, &dev, LogStream::Terminal, 0, b"before\n");
    fs::rename(&way, dir.path().join("aside")).unwrap();
    fs::write(&way, "in the way").unwrap();
    book.feed(2, &dev, LogStream::Terminal, 7, b"lost one\nlost two\n");
    book.feed(2, &dev, LogStream::Terminal, 25, b"lost three\n");
    fs::remove_file(&way).unwrap();
    fs::rename(dir.path().join("aside"), &way).unwrap();
    book.feed(3, &dev, LogStream::Terminal, 36, b"after\n");
    let page = ask(&book, &query());
    let seen: Vec<(u64, &str, Option<u64>)> =
        page.records.iter().map(|r| (r.seq, r.message.as_str(), r.missing_bytes)).collect();
    assert_eq!(seen[1], (2, "before", None));
    assert_eq!((seen[2].0, seen[2].2), (3, Some(29)));
    assert_eq!(seen[3], (4, "after", None));
    assert_eq!(seen.len(), 4);
}

#[test]
fn output_that_is_gone_is_a_gap_between_whole_lines() {
    let dir = tempfile::tempdir().unwrap();
    let book = open(dir.path(), 1 << 20);
    let dev = id("b1-1");
    book.begin(1, &dev, "dev", "run");
    book.feed(1, &dev, LogStream::Terminal, 0, b"one\nhalf");
    book.skip(1, &dev, 1008);
    book.feed(1, &dev, LogStream::Terminal, 1008, b"two\n");
    let page = ask(&book, &query());
    let seen: Vec<(&str, Option<u64>)> =
        page.records.iter().map(|r| (r.message.as_str(), r.missing_bytes)).collect();
    assert_eq!(seen[1..3], [("one", None), ("half", None)]);
    assert_eq!((seen[3].1, seen[4].0), (Some(1000), "two"));
}

#[test]
fn many_programs_do_not_grow_a_log_without_end() {
    let dir = tempfile::tempdir().unwrap();
    let book = open(dir.path(), 1 << 20);
    for n in 0..500 {
        let program = id(&format!("b1-{n}"));
        book.begin(1, &program, &format!("p{n}"), "run");
        book.feed(1, &program, LogStream::Terminal, 0, format!("from {n}\n").as_bytes());
        book.end(1, &program, true, "ended");
    }
    assert_eq!(printed(&book), (0..500).map(|n| format!("from {n}")).collect::<Vec<_>>());
    let page = ask(&book, &LogQuery { process: Some("p250".into()), ..query() });
    assert_eq!(page.records.len(), 3);
    assert!(read::knows(&book, "b1-7").unwrap() && !read::knows(&book, "p500").unwrap());
    assert_eq!(printed(&open(dir.path(), 1 << 20)).len(), 500);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// However an owner is killed, torn and begun anew, each line is there once and in order.
    #[test]
    fn each_line_once_whatever_happens(
        lines in proptest::collection::vec("[a-z\u{1b}é]{0,40}", 1..60),
        steps in proptest::collection::vec((1..200_usize, 0..4_u8, 0..40_u64), 1..30),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let all = lines.join("\n") + "\n";
        let all = all.as_bytes();
        let dev = id("b1-1");
        let mut book = open(dir.path(), 1 << 20);
        let mut at = book.begin(1, &dev, "dev", "run") as usize;
        for (take, what, torn) in steps {
            match what {
                0 => {
                    drop(book);
                    let folder = dir.path().join("w");
                    if let Some((first, length)) = segment::list(&folder).unwrap().pop() {
                        let file = fs::OpenOptions::new().write(true).open(segment::path(&folder, first)).unwrap();
                        file.set_len(length.saturating_sub(torn)).unwrap();
                    }
                    book = open(dir.path(), 1 << 20);
                    at = book.begin(1, &dev, "dev", "run") as usize;
                }
                // Two pumps overlap.
                1 => at = at.saturating_sub(take),
                _ => {}
            }
            let end = (at + take).min(all.len());
            book.feed(1, &dev, LogStream::Terminal, at as u64, &all[at..end]);
            at = end;
        }
        let from = book.begin(1, &dev, "dev", "run") as usize;
        book.feed(1, &dev, LogStream::Terminal, from as u64, &all[from..]);
        let expected: Vec<String> = lines.iter().map(|line| super::lines::plain(line.as_bytes()).0).collect();
        prop_assert_eq!(printed(&book), expected);
    }

    /// The same where a program's output has two streams: each has its own lines, and neither loses one to the other.
    #[test]
    fn each_stream_keeps_its_lines_whatever_happens(
        chunks in proptest::collection::vec((any::<bool>(), "[a-c\n\r]{1,12}"), 1..60),
        kills in proptest::collection::vec((1..8_usize, 0..30_u64), 0..12),
        long in 0..60_usize,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let exec = id("b1-1");
        let mut offset = 0;
        let mut all: Vec<(LogStream, u64, Vec<u8>)> = Vec::new();
        for (n, (error, text)) in chunks.into_iter().enumerate() {
            let stream = if error { LogStream::Stderr } else { LogStream::Stdout };
            let mut text = text.into_bytes();
            if n == long {
                text.splice(..0, vec![b'x'; 40_000]);
            }
            all.push((stream, offset, text.clone()));
            offset += text.len() as u64;
        }
        let feed = |book: &Book, from: u64, most: usize| {
            let wanted = all.iter().filter(|(_, at, text)| at + text.len() as u64 > from);
            for (stream, at, text) in wanted.take(most) {
                book.feed(1, &exec, *stream, *at, text);
            }
        };
        let mut book = open(dir.path(), 1 << 20);
        for (most, torn) in kills {
            let from = book.begin(1, &exec, "exec", "run");
            feed(&book, from, most);
            drop(book);
            let folder = dir.path().join("w");
            if let Some((first, length)) = segment::list(&folder).unwrap().pop() {
                let file = fs::OpenOptions::new().write(true).open(segment::path(&folder, first)).unwrap();
                file.set_len(length.saturating_sub(torn)).unwrap();
            }
            book = open(dir.path(), 1 << 20);
        }
        let from = book.begin(1, &exec, "exec", "run");
        feed(&book, from, usize::MAX);
        book.end(2, &exec, true, "ended");
        let lines = |book: &Book, of: LogStream| -> Vec<String> {
            let page = ask(book, &LogQuery { limit: Some(10_000), ..query() });
            page.records.into_iter().filter(|line| line.stream == of).map(|line| line.message).collect()
        };
        let whole = Book::new(dir.path().join("whole"), 1 << 20);
        whole.begin(1, &exec, "exec", "run");
        feed(&whole, 0, usize::MAX);
        whole.end(2, &exec, true, "ended");
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            prop_assert_eq!(lines(&book, stream), lines(&whole, stream));
        }
    }

    /// A damaged file never breaks a reader or a writer, and what is before the damage stays.
    #[test]
    fn damage_costs_what_follows_it(at in 0.0..1.0_f64, with in proptest::collection::vec(any::<u8>(), 1..20)) {
        let dir = tempfile::tempdir().unwrap();
        let dev = id("b1-1");
        let book = open(dir.path(), 1 << 20);
        book.begin(1, &dev, "dev", "run");
        book.feed(1, &dev, LogStream::Terminal, 0, numbers(0..200).as_bytes());
        drop(book);
        let folder = dir.path().join("w");
        let path = segment::path(&folder, 1);
        let mut bytes = fs::read(&path).unwrap();
        let place = (bytes.len() as f64 * at) as usize;
        for (byte, new) in bytes[place..].iter_mut().zip(with) {
            *byte = new;
        }
        fs::write(&path, bytes).unwrap();
        let book = open(dir.path(), 1 << 20);
        let from = book.begin(1, &dev, "dev", "run");
        book.feed(1, &dev, LogStream::Terminal, from, b"after\n");
        let lines = printed(&book);
        prop_assert_eq!(lines.last().map(String::as_str), Some("after"));
    }
}
