//! `static`: the real server over real sockets.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};

struct Site {
    child: Child,
    log: BufReader<ChildStdout>,
    port: u16,
    root: tempfile::TempDir,
    banner: String,
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("an address").port()
}

fn site(files: &[(&str, &str)], port: u16, options: &[&str]) -> Site {
    let root = tempfile::tempdir().expect("a root");
    for (name, content) in files {
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, content).expect("a file");
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_slipway-agent"))
        .arg("static")
        .arg("--root")
        .arg(root.path())
        .args(["--port", &port.to_string()])
        .args(options)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut log = BufReader::new(child.stdout.take().expect("stdout"));
    let mut banner = String::new();
    while !banner.contains("Serving ") || !banner.ends_with('\n') {
        assert_ne!(log.read_line(&mut banner).expect("a line"), 0, "it ended: {banner}");
    }
    let port = banner.trim_end().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    Site { child, log, port, root, banner }
}

impl Site {
    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        stream.write_all(request.as_bytes()).expect("room");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        String::from_utf8(answer).expect("text")
    }

    fn get(&self, path: &str, headers: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"))
    }
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    head.lines().find_map(|line| {
        line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    })
}

#[test]
fn files_are_sent_with_their_type_and_can_be_asked_for_again() {
    let mut site = site(&[("index.html", "<h1>start</h1>"), ("a.js", "0123456789")], free_port(), &[]);
    assert!(site.banner.contains(&format!(
        "Serving {} on http://127.0.0.1:{}",
        site.root.path().display(),
        site.port
    )));
    let start = site.get("/", "");
    assert!(start.starts_with("HTTP/1.1 200 ") && start.ends_with("<h1>start</h1>"), "{start}");
    assert_eq!(header(&start, "content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(header(&start, "cache-control"), Some("no-cache"));
    let script = site.get("/a.js", "");
    assert_eq!(header(&script, "content-type"), Some("text/javascript; charset=utf-8"));
    let tag = header(&script, "etag").expect("a tag").to_owned();
    let again = site.get("/a.js", &format!("If-None-Match: {tag}\r\n"));
    assert!(again.starts_with("HTTP/1.1 304 ") && again.ends_with("\r\n\r\n"), "{again}");
    let modified = header(&script, "last-modified").expect("a date");
    assert!(site.get("/a.js", &format!("If-Modified-Since: {modified}\r\n")).starts_with("HTTP/1.1 304 "));
    let part = site.get("/a.js", "Range: bytes=2-4\r\n");
    assert!(part.starts_with("HTTP/1.1 206 ") && part.ends_with("\r\n\r\n234"), "{part}");
    assert_eq!(header(&part, "content-range"), Some("bytes 2-4/10"));
    let beyond = site.get("/a.js", "Range: bytes=10-\r\n");
    assert!(beyond.starts_with("HTTP/1.1 416 "), "{beyond}");
    assert_eq!(header(&beyond, "content-range"), Some("bytes */10"));
    let head = site.ask("HEAD /a.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    assert_eq!(header(&head, "content-length"), Some("10"));
    let post = site.ask("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    assert!(post.starts_with("HTTP/1.1 405 "), "{post}");
    let mut lines = Vec::new();
    for _ in 0..8 {
        let mut line = String::new();
        site.log.read_line(&mut line).expect("a line");
        lines.push(line);
    }
    assert!(lines[0].starts_with("GET / 200 ") && lines[0].ends_with(" ms\n"), "{lines:?}");
    assert!(lines[7].starts_with("POST / 405 "), "{lines:?}");
}

#[test]
fn directories_redirect_and_list_and_nothing_leads_outside() {
    let site = site(&[("docs/index.html", "docs"), ("bare/<b>.txt", "x")], free_port(), &[]);
    let redirect = site.get("/docs?x=1", "");
    assert!(redirect.starts_with("HTTP/1.1 301 "), "{redirect}");
    assert_eq!(header(&redirect, "location"), Some("/docs/?x=1"));
    assert_eq!(header(&site.get("//docs", ""), "location"), Some("/docs/"));
    let listing = site.get("/bare/", "");
    assert!(listing.contains("&lt;b&gt;.txt") && listing.contains("%3Cb%3E.txt"), "{listing}");
    assert!(site.get("/bare/%3Cb%3E.txt", "").ends_with("\r\n\r\nx"));
    std::os::unix::fs::symlink("/etc", site.root.path().join("etc")).expect("a link");
    for path in ["/../../etc/passwd", "/etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/missing"] {
        let answer = site.get(path, "");
        assert!(
            answer.starts_with("HTTP/1.1 404 ") && answer.contains("nothing at this address"),
            "{path}: {answer}"
        );
    }
}

#[test]
fn a_single_page_app_answers_every_page_and_its_own_404_is_used_otherwise() {
    let app = site(&[("index.html", "app"), ("x.js", "1")], free_port(), &["--spa"]);
    assert!(app.get("/some/route", "").ends_with("\r\n\r\napp"));
    assert!(app.get("/user/jane.doe", "Accept: text/html\r\n").ends_with("\r\n\r\napp"));
    assert!(app.get("/missing.js", "").starts_with("HTTP/1.1 404 "));
    let pages = site(&[("404.html", "own"), ("about.html", "about")], free_port(), &[]);
    let missing = pages.get("/missing", "");
    assert!(missing.starts_with("HTTP/1.1 404 ") && missing.ends_with("\r\n\r\nown"), "{missing}");
    assert!(pages.get("/about", "").ends_with("\r\n\r\nabout"));
}

#[test]
fn a_taken_port_is_told_and_the_next_free_one_used() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = taken.local_addr().expect("an address").port();
    let site = site(&[("index.html", "x")], port, &[]);
    assert_ne!(site.port, port);
    assert!(
        site.banner.starts_with(&format!("Port {port} is taken; using {} instead.\n", site.port)),
        "{}",
        site.banner
    );
    assert!(site.get("/", "").starts_with("HTTP/1.1 200 "));
}
