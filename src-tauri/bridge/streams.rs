//! Streams between the interface and the engine: events, and processes' output and input; those of the host tab too. A stream belongs to the
//! interface that opened it and ends with it, with its page, or when closed.

use bytes::Bytes;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::Value;
use slipway_engine::EventStream;
use slipway_host_shell::HostShell;
use slipway_wire::{Code, Event, Problem, ProcessId, ProcessRef, WorkspaceId};
use std::{
    collections::HashMap,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tauri::{
    AppHandle, Manager, Webview, Wry,
    async_runtime::JoinHandle,
    ipc::{Channel, InvokeResolver, InvokeResponseBody, JavaScriptChannelId},
};
use tokio::{sync::mpsc, time::Instant};

use super::{
    attach::{self, Credit, Input},
    events, host, json, unreadable,
};
use crate::{app::Desktop, window::window_of};

/// Least time between two messages of events.
const FRAME: Duration = Duration::from_millis(16);
/// Events in one message, at most.
const EVENTS_AT_ONCE: usize = 512;
/// Streams of one app, at most.
const MOST: usize = 512;
/// Largest piece of input, bytes. The interface cuts a paste.
const LARGEST_INPUT: usize = 1 << 20;
/// Pieces of input that may wait for a process.
const WAITING_INPUT: usize = 64;

/// The open streams.
#[derive(Default)]
pub(crate) struct Streams(Mutex<Open>);

#[derive(Default)]
struct Open {
    last: u32,
    streams: HashMap<u32, Stream>,
}

struct Stream {
    ui: String,
    tasks: Vec<JoinHandle<()>>,
    credit: Option<Arc<Credit>>,
    input: Option<mpsc::Sender<(Bytes, InvokeResolver<Wry>)>>,
    /// It is a shell of this machine, which ends with the stream.
    host: Option<Arc<HostShell>>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn lock(app: &AppHandle) -> MutexGuard<'_, Open> {
    app.state::<Desktop>().inner().streams.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the streams of one interface.
pub(crate) fn close_all_of(app: &AppHandle, ui: &str) {
    lock(app).streams.retain(|_, stream| stream.ui != ui);
}

/// Ends every shell of this machine.
pub(crate) fn close_hosts(app: &AppHandle) {
    lock(app).streams.retain(|_, stream| stream.host.is_none());
}

/// Ends every stream.
pub(crate) fn close_all(app: &AppHandle) {
    lock(app).streams.clear();
}

fn open(webview: &Webview, stream: Stream) -> Result<String, Problem> {
    let mut open = lock(webview.app_handle());
    if open.streams.len() >= MOST {
        return Err(Problem::new(Code::Limit, format!("More than {MOST} streams are open.")));
    }
    open.last = open.last.wrapping_add(1);
    let number = open.last;
    open.streams.insert(number, stream);
    json(&serde_json::json!({ "stream": number }))
}

#[derive(Deserialize)]
struct Events {
    since: Option<u64>,
}

#[derive(Deserialize)]
struct Attach {
    id: WorkspaceId,
    process: ProcessId,
    #[serde(default)]
    offset: u64,
}

/// Of the host tab's terminal.
#[derive(Deserialize)]
struct Grid {
    columns: u16,
    rows: u16,
}

#[derive(Deserialize)]
struct Ack {
    stream: u32,
    bytes: usize,
}

#[derive(Deserialize)]
struct Close {
    stream: u32,
}

fn read<'a, T: Deserialize<'a>>(body: &'a Value) -> Result<T, Problem> {
    T::deserialize(body).map_err(|e| unreadable(&e))
}

/// Answers a `stream.*` call.
pub(super) async fn answer(
    webview: &Webview,
    name: &str,
    body: Value,
    channel: Option<String>,
) -> Result<String, Problem> {
    let channel = || -> Result<Channel<InvokeResponseBody>, Problem> {
        let id = channel.as_deref().and_then(|text| JavaScriptChannelId::from_str(text).ok());
        let id = id.ok_or_else(|| Problem::new(Code::Invalid, "A stream needs a channel."))?;
        Ok(id.channel_on(webview.clone()))
    };
    let ui = || webview.label().to_owned();
    match name {
        "stream.events" => {
            let (Events { since }, channel) = (read(&body)?, channel()?);
            let events = webview.state::<Desktop>().owner.engine().await?.events(since);
            open(
                webview,
                Stream {
                    ui: ui(),
                    tasks: vec![tauri::async_runtime::spawn(pump_events(events, channel))],
                    credit: None,
                    input: None,
                    host: None,
                },
            )
        }
        "stream.attach" => {
            let (Attach { id, process, offset }, channel) = (read(&body)?, channel()?);
            let engine = webview.state::<Desktop>().owner.engine().await?;
            let attached =
                engine.attach_acknowledging(&ProcessRef { id, process }, offset, attach::FIRST_AHEAD).await?;
            let (credit, (input, waiting)) = (Arc::new(Credit::new(offset)), mpsc::channel(WAITING_INPUT));
            open(
                webview,
                Stream {
                    ui: ui(),
                    tasks: vec![
                        tauri::async_runtime::spawn(attach::pump_output(
                            attached.output,
                            credit.clone(),
                            channel,
                        )),
                        tauri::async_runtime::spawn(attach::pump_input(
                            Input::Process(attached.input),
                            waiting,
                        )),
                        tauri::async_runtime::spawn(credit.clone().report(attached.taken)),
                    ],
                    credit: Some(credit),
                    input: Some(input),
                    host: None,
                },
            )
        }
        "stream.host" => {
            let (Grid { columns, rows }, channel) = (read(&body)?, channel()?);
            let host::Opened { shell, output } = host::start(&webview.state::<Desktop>(), columns, rows)?;
            let (credit, (input, waiting)) = (Arc::new(Credit::new(0)), mpsc::channel(WAITING_INPUT));
            let typed = Input::Host(Arc::clone(&shell));
            open(
                webview,
                Stream {
                    ui: ui(),
                    tasks: vec![
                        tauri::async_runtime::spawn(attach::pump_output(output, credit.clone(), channel)),
                        tauri::async_runtime::spawn(attach::pump_input(typed, waiting)),
                    ],
                    credit: Some(credit),
                    input: Some(input),
                    host: Some(shell),
                },
            )
        }
        "stream.host-size" => {
            let (Close { stream }, Grid { columns, rows }) = (read(&body)?, read(&body)?);
            let shell = own(webview, stream, |stream| stream.host.clone())?;
            host::resize(&*shell.ok_or_else(no_output)?, columns, rows)?;
            Ok("null".into())
        }
        "stream.ack" => {
            let Ack { stream, bytes } = read(&body)?;
            let credit = own(webview, stream, |stream| stream.credit.clone())?;
            credit.ok_or_else(no_output)?.give(bytes);
            Ok("null".into())
        }
        "stream.close" => {
            let Close { stream } = read(&body)?;
            let mut open = lock(webview.app_handle());
            if open.streams.get(&stream).is_some_and(|found| found.ui == webview.label()) {
                open.streams.remove(&stream);
            }
            Ok("null".into())
        }
        "stream.desktop" => {
            events::listen(webview.app_handle(), &window_of(webview.label()), channel()?);
            open(webview, Stream { ui: ui(), tasks: Vec::new(), credit: None, input: None, host: None })
        }
        _ => Err(Problem::new(Code::NotFound, format!("There is no command {name:?}."))),
    }
}

fn own<T>(webview: &Webview, number: u32, then: impl FnOnce(&Stream) -> T) -> Result<T, Problem> {
    match lock(webview.app_handle()).streams.get(&number) {
        Some(stream) if stream.ui == webview.label() => Ok(then(stream)),
        _ => Err(Problem::new(Code::NotFound, format!("Stream {number} is not open."))),
    }
}

fn no_output() -> Problem {
    Problem::new(Code::Invalid, "That stream is not a process.")
}

/// Queues input in the order it arrives; the call is answered when the process has taken it.
pub(super) fn input(webview: &Webview, number: u32, bytes: Vec<u8>, resolver: InvokeResolver<Wry>) {
    if bytes.len() > LARGEST_INPUT {
        return resolver.reject(Problem::new(Code::Limit, "A piece of input is over 1 MiB."));
    }
    let queue = match own(webview, number, |stream| stream.input.clone()) {
        Ok(queue) => queue,
        Err(problem) => return resolver.reject(problem),
    };
    let Some(queue) = queue else { return resolver.reject(no_output()) };
    match queue.try_send((bytes.into(), resolver)) {
        Ok(()) => (),
        Err(mpsc::error::TrySendError::Full((_, resolver))) => resolver.reject(
            Problem::new(Code::Limit, "The program does not read its input.")
                .hint("Wait for it, or press Ctrl+C."),
        ),
        Err(mpsc::error::TrySendError::Closed((_, resolver))) => {
            resolver.reject(Problem::new(Code::WrongState, "The program has ended."));
        }
    }
}

/// At most one message per frame; what comes meanwhile goes together.
async fn pump_events(mut events: EventStream, channel: Channel<InvokeResponseBody>) {
    let mut batch = Vec::new();
    while let Some(event) = events.next().await {
        batch.push(event);
        let frame = Instant::now() + FRAME;
        let send = |batch: &mut Vec<Event>| {
            let sent = json(batch).is_ok_and(|text| channel.send(InvokeResponseBody::Json(text)).is_ok());
            batch.clear();
            sent
        };
        if !send(&mut batch) {
            return;
        }
        while batch.len() < EVENTS_AT_ONCE {
            match tokio::time::timeout_at(frame, events.next()).await {
                Ok(Some(event)) => batch.push(event),
                Ok(None) | Err(_) => break,
            }
        }
        tokio::time::sleep_until(frame).await;
        if !batch.is_empty() && !send(&mut batch) {
            return;
        }
    }
}
