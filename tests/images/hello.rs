//! The only program of the image slipway-test/scratch: answers every HTTP request on 127.0.0.1:8080 with one line.
//! No shell, no C library, no files beside it: what such images hold. In: nothing. Out: the line and its own arguments.

use std::io::{Read, Write};
use std::net::TcpListener;

fn main() -> std::io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    println!("hello from scratch {}", words.join(" "));
    if words.first().is_some_and(|word| word == "--version") {
        return Ok(());
    }
    let listener = TcpListener::bind(("127.0.0.1", 8080))?;
    for stream in listener.incoming() {
        let mut stream = stream?;
        let mut request = [0_u8; 4096];
        // One read holds a browser's request head; what follows it is of no interest here.
        let length = stream.read(&mut request)?;
        if length == 0 {
            continue;
        }
        let body = "hello from scratch\n";
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )?;
    }
    Ok(())
}
