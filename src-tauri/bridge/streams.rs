//! Streams between the interface and the engine: events, and processes' output and input; those of the host tab too. A stream belongs to the
//! interface that opened it and ends with it, with its page, or when closed.

use bytes::Bytes;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::Value;
use slipway_engine::{EventStream, Taken};
use slipway_host_shell::HostShell;
use slipway_wire::{Code, Event, Frame, Problem, ProcessId, ProcessRef, WorkspaceId};
use std::{
    collections::HashMap,
    str::FromStr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tauri::{
    AppHandle, Manager, Webview, Wry,
    async_runtime::{JoinHandle, spawn},
    ipc::{Channel, InvokeResolver, InvokeResponseBody, JavaScriptChannelId},
};
use tokio::{sync::mpsc, time::Instant};

use super::{
    attach::{self, Credit, Input, Way},
    events, host, json,
    outlet::Outlet,
    unreadable,
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
    /// Where each interface takes output.
    outlets: HashMap<String, Outlet>,
}

struct Stream {
    ui: String,
    tasks: Vec<JoinHandle<()>>,
    credit: Option<Arc<Credit>>,
    input: Option<Keys>,
    /// It is a shell of this machine, which ends with the stream.
    host: Option<Arc<HostShell>>,
}

/// Input that waits for a process.
#[derive(Clone)]
struct Keys {
    waiting: mpsc::Sender<(Bytes, InvokeResolver<Wry>)>,
    /// Raised by input, lowered by the next output.
    typed: Arc<AtomicBool>,
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
    let mut open = lock(app);
    open.streams.retain(|_, stream| stream.ui != ui);
    open.outlets.remove(ui);
}

/// Ends every shell of this machine.
pub(crate) fn close_hosts(app: &AppHandle) {
    lock(app).streams.retain(|_, stream| stream.host.is_none());
}

/// Ends every stream.
pub(crate) fn close_all(app: &AppHandle) {
    let mut open = lock(app);
    open.streams.clear();
    open.outlets.clear();
}

impl Open {
    fn next(&mut self) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.last
    }

    fn put(&mut self, number: u32, stream: Stream) -> Result<String, Problem> {
        if self.streams.len() >= MOST {
            return Err(Problem::new(Code::Limit, format!("More than {MOST} streams are open.")));
        }
        self.streams.insert(number, stream);
        json(&serde_json::json!({ "stream": number }))
    }
}

/// Opens a stream that is only listened to.
fn open(webview: &Webview, tasks: Vec<JoinHandle<()>>) -> Result<String, Problem> {
    let stream = Stream { ui: webview.label().to_owned(), tasks, credit: None, input: None, host: None };
    let mut open = lock(webview.app_handle());
    let number = open.next();
    open.put(number, stream)
}

/// Opens a stream of output and input: of a process, or of a shell of this machine.
fn open_line(
    webview: &Webview,
    offset: u64,
    output: mpsc::Receiver<Frame<Bytes>>,
    input: Input,
    host: Option<Arc<HostShell>>,
    taken: Option<Taken>,
) -> Result<String, Problem> {
    let mut open = lock(webview.app_handle());
    let outlet = open.outlets.get(webview.label()).cloned();
    let outlet = outlet.ok_or_else(|| Problem::new(Code::WrongState, "Output needs an outlet before it."))?;
    let number = open.next();
    let (credit, typed) = (Arc::new(Credit::new(offset)), Arc::<AtomicBool>::default());
    let (waiting, keys) = mpsc::channel(WAITING_INPUT);
    let way = Way { stream: number, outlet, typed: Arc::clone(&typed) };
    let mut tasks =
        vec![spawn(attach::pump_output(output, credit.clone(), way)), spawn(attach::pump_input(input, keys))];
    tasks.extend(taken.map(|taken| spawn(credit.clone().report(taken))));
    let (credit, input) = (Some(credit), Some(Keys { waiting, typed }));
    open.put(number, Stream { ui: webview.label().to_owned(), tasks, credit, input, host })
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

/// What was drawn of each stream since the last time: its number, bytes, and how many such bytes one frame has time for.
#[derive(Deserialize)]
struct Ack {
    drawn: Vec<(u32, usize, u64)>,
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
    match name {
        "stream.events" => {
            let (Events { since }, channel) = (read(&body)?, channel()?);
            let events = webview.state::<Desktop>().owner.engine().await?.events(since);
            open(webview, vec![spawn(pump_events(events, channel))])
        }
        "stream.attach" => {
            let Attach { id, process, offset } = read(&body)?;
            let engine = webview.state::<Desktop>().owner.engine().await?;
            let process = ProcessRef { id, process };
            let attached = engine.attach_acknowledging(&process, offset, attach::FIRST_AHEAD).await?;
            let typed = Input::Process(attached.input);
            open_line(webview, offset, attached.output, typed, None, Some(attached.taken))
        }
        "stream.host" => {
            let Grid { columns, rows } = read(&body)?;
            let host::Opened { shell, output } = host::start(&webview.state::<Desktop>(), columns, rows)?;
            open_line(webview, 0, output, Input::Host(Arc::clone(&shell)), Some(shell), None)
        }
        "stream.outlet" => {
            let (outlet, carried) = Outlet::new(channel()?);
            lock(webview.app_handle()).outlets.insert(webview.label().to_owned(), outlet);
            open(webview, vec![spawn(carried)])
        }
        "stream.host-size" => {
            let (Close { stream }, Grid { columns, rows }) = (read(&body)?, read(&body)?);
            let shell = own(webview, stream, |stream| stream.host.clone())?;
            host::resize(&*shell.ok_or_else(no_output)?, columns, rows)?;
            Ok("null".into())
        }
        "stream.ack" => {
            let Ack { drawn } = read(&body)?;
            let open = lock(webview.app_handle());
            for (number, bytes, fits) in drawn {
                // One that was closed meanwhile has nothing to take any more.
                let stream = open.streams.get(&number).filter(|stream| stream.ui == webview.label());
                if let Some(credit) = stream.and_then(|stream| stream.credit.as_ref()) {
                    credit.give(bytes, fits);
                }
            }
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
            open(webview, Vec::new())
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
    let Some(Keys { waiting, typed }) = queue else { return resolver.reject(no_output()) };
    typed.store(true, Ordering::Relaxed);
    match waiting.try_send((bytes.into(), resolver)) {
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
