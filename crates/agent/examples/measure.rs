//! Measures an agent through `docker exec`, as the engine reaches it: `measure CONTAINER [watch]`. Prints round trip,
//! keystroke echo and throughput, or with `watch` what an idle port watcher costs; a tool for people, not a test.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::error::Error;
use std::process::Stdio;
use std::time::{Duration, Instant};

use hyper_util::rt::TokioIo;
use slipway_agent_api::v1::agent_client::AgentClient;
use slipway_agent_api::v1::{self, attach_reply, attach_request};
use slipway_agent_api::{AGENT_PATH, CONNECTION_WINDOW, MAX_CHUNK, STREAM_WINDOW};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};

type Agent = AgentClient<Channel>;
type Outcome<T> = Result<T, Box<dyn Error>>;

const FLOOD_MEGABYTES: u64 = 256;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let container = std::env::args().nth(1).ok_or("usage: measure CONTAINER")?;
    let mut agent = connect(container).await?;
    println!("{:?}", agent.hello(v1::HelloRequest { protocol: 1 }).await?.into_inner());
    if std::env::args().nth(2).is_some_and(|word| word == "watch") {
        return watch(&mut agent).await;
    }
    round_trips(&mut agent).await?;
    keystrokes(&mut agent).await?;
    let bytes = format!("{}", FLOOD_MEGABYTES << 20);
    for (what, pty) in [("pty", true), ("pipe", false)] {
        flood(&mut agent, what, pty, &["head", "-c", &bytes, "/dev/zero"]).await?;
    }
    flood(
        &mut agent,
        "pty, short lines",
        true,
        &["sh", "-c", "yes 'a line as programs print them' | head -c 67108864"],
    )
    .await
}

/// Processor time of PID 1 while somebody watches its ports, half a minute at a time.
async fn watch(agent: &mut Agent) -> Outcome<()> {
    let mut events = agent.ports(v1::PortsRequest {}).await?.into_inner();
    tokio::spawn(async move {
        while let Ok(Some(event)) = events.message().await {
            println!("  {event:?}");
        }
    });
    loop {
        let path = "/proc/1/stat".into();
        let mut stat = agent.read(v1::ReadRequest { path, ..Default::default() }).await?.into_inner();
        println!("{:?}", stat.message().await?.map(|part| part.data));
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
}

async fn connect(container: String) -> Outcome<Agent> {
    let connector = tower::service_fn(move |_| {
        let child = Command::new("docker")
            .args(["exec", "-i", &container, AGENT_PATH, "connect"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        async move {
            let mut child = child?;
            let (Some(output), Some(input)) = (child.stdout.take(), child.stdin.take()) else {
                return Err(std::io::Error::other("no pipes"));
            };
            Ok(TokioIo::new(tokio::io::join(output, input)))
        }
    });
    let channel = Endpoint::from_static("http://agent")
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_header_list_size(16 * 1024)
        .connect_with_connector(connector)
        .await?;
    Ok(AgentClient::new(channel).max_decoding_message_size(4 * MAX_CHUNK))
}

async fn round_trips(agent: &mut Agent) -> Outcome<()> {
    let mut times = Vec::new();
    for _ in 0..2000 {
        let start = Instant::now();
        agent.processes(v1::ProcessesRequest {}).await?;
        times.push(start.elapsed());
    }
    report("round trip", times);
    Ok(())
}

async fn keystrokes(agent: &mut Agent) -> Outcome<()> {
    let pty = Some(v1::WindowSize { columns: 80, rows: 24 });
    let argv = vec!["cat".into()];
    let process = agent.exec(v1::ExecRequest { argv, pty, ..Default::default() }).await?.into_inner().process;
    let (input, calls) = attach(&process);
    input.send(opening(&process)).await?;
    let mut replies = agent.attach(calls).await?.into_inner();
    let mut times = Vec::new();
    for _ in 0..1000 {
        // Between keystrokes a person rests, and so does the agent.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let start = Instant::now();
        input.send(v1::AttachRequest { part: Some(attach_request::Part::Input("k".into())) }).await?;
        replies.message().await?.ok_or("the echo ended")?;
        times.push(start.elapsed());
    }
    report("keystroke to echo", times);
    let request = v1::SignalRequest { process, signal: 9, scope: 1 };
    agent.signal(request).await?;
    Ok(())
}

async fn flood(agent: &mut Agent, what: &str, pty: bool, argv: &[&str]) -> Outcome<()> {
    let start = Instant::now();
    let argv = argv.iter().map(|argument| argument.to_string().into()).collect();
    let pty = pty.then_some(v1::WindowSize { columns: 80, rows: 24 });
    let process = agent.exec(v1::ExecRequest { argv, pty, ..Default::default() }).await?.into_inner().process;
    let (input, calls) = attach(&process);
    input.send(opening(&process)).await?;
    let mut replies = agent.attach(calls).await?.into_inner();
    let (mut bytes, mut messages) = (0, 0);
    while let Some(reply) = replies.message().await? {
        match reply.event {
            Some(attach_reply::Event::Output(output)) => {
                bytes += output.data.len() as u64;
                messages += 1;
            }
            Some(attach_reply::Event::Gap(gap)) => println!("  gap {gap:?}"),
            Some(attach_reply::Event::Exit(exit)) => println!("  {exit:?}"),
            None => {}
        }
    }
    let speed = bytes as f64 / start.elapsed().as_secs_f64() / 1e6;
    println!("{what}: {bytes} bytes in {messages} messages, {speed:.0} MB/s");
    Ok(())
}

fn attach(_process: &str) -> (mpsc::Sender<v1::AttachRequest>, ReceiverStream<v1::AttachRequest>) {
    let (input, calls) = mpsc::channel(4);
    (input, ReceiverStream::new(calls))
}

fn opening(process: &str) -> v1::AttachRequest {
    let open = v1::AttachOpen { process: process.to_owned(), offset: 0, lossless: true, acknowledging: None };
    v1::AttachRequest { part: Some(attach_request::Part::Open(open)) }
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!("{what}: p50 {:?}, p99 {:?}, max {:?}", at(0.5), at(0.99), at(1.0));
}
