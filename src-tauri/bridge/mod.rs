//! The interface's one command, `rpc`: product commands go to the engine by the commands table, `desktop.*` and
//! `stream.*` are this app's own. Calls come in from webviews named `ui*` only: Tauri's capabilities see to that, and so
//! does this door.

mod attach;
pub(crate) mod carry;
mod desktop;
pub(crate) mod events;
pub(crate) mod host;
mod log_file;
mod outlet;
pub(crate) mod owner;
pub(crate) mod streams;
mod unfinished;

use serde::Deserialize;
use serde_json::Value;
use slipway_wire::{Code, Problem};
use tauri::{
    Manager, Webview, Wry,
    ipc::{Invoke, InvokeBody, InvokeResolver, Response},
};

use crate::app::Desktop;

/// A call with a JSON body.
#[derive(Deserialize)]
struct Call {
    name: String,
    #[serde(default)]
    body: Value,
    /// A Tauri channel, as the interface's side writes one.
    #[serde(default)]
    channel: Option<String>,
}

/// Answers a call. Runs where the call arrives, in order, so that keystrokes are queued as they were typed.
pub(crate) fn handle(invoke: Invoke<Wry>) -> bool {
    let webview = invoke.message.webview();
    if invoke.message.command() != "rpc" || !webview.label().starts_with("ui") {
        return false;
    }
    let header = |name: &str| invoke.message.headers().get(name)?.to_str().ok().map(str::to_owned);
    let resolver = invoke.resolver;
    match invoke.message.payload() {
        InvokeBody::Raw(bytes) => {
            input(&webview, header("name").as_deref(), header("stream").as_deref(), bytes.clone(), resolver);
        }
        // Where the raw way is closed, Tauri sends the same bytes as numbers.
        InvokeBody::Json(Value::Array(numbers)) => match numbers.iter().map(byte).collect() {
            Some(bytes) => {
                input(&webview, header("name").as_deref(), header("stream").as_deref(), bytes, resolver);
            }
            None => resolver.reject(Problem::new(Code::Invalid, "The bytes of a call could not be read.")),
        },
        InvokeBody::Json(value) => match Call::deserialize(value) {
            Ok(call) => {
                resolver.respond_async(async move { answer(webview, call).await.map_err(Into::into) });
            }
            Err(error) => {
                resolver.reject(Problem::new(Code::Invalid, format!("A call could not be read: {error}.")));
            }
        },
    }
    true
}

fn byte(number: &Value) -> Option<u8> {
    number.as_u64()?.try_into().ok()
}

fn input(
    webview: &Webview,
    name: Option<&str>,
    stream: Option<&str>,
    bytes: Vec<u8>,
    resolver: InvokeResolver<Wry>,
) {
    let number = stream.and_then(|text| text.parse().ok());
    match (name, number) {
        (Some("stream.input"), Some(number)) => streams::input(webview, number, bytes, resolver),
        _ => resolver.reject(Problem::new(Code::Invalid, "Raw bytes need the name and number of a stream.")),
    }
}

async fn answer(webview: Webview, call: Call) -> Result<Response, Problem> {
    let json = match call.name.as_str() {
        name if name.starts_with("desktop.") => desktop::answer(&webview, name, call.body).await?,
        name if name.starts_with("stream.") => {
            streams::answer(&webview, name, call.body, call.channel).await?
        }
        name => {
            let engine = webview.state::<Desktop>().owner.engine().await?;
            let body = match call.body {
                Value::Null => Vec::new(),
                body => serde_json::to_vec(&body).map_err(|e| unreadable(&e))?,
            };
            let reply = engine.dispatch(name, &body).await?;
            String::from_utf8(reply)
                .map_err(|_| Problem::new(Code::Internal, "The engine's reply is not text."))?
        }
    };
    Ok(Response::new(json))
}

/// The request of a call that is not what it should be.
fn unreadable(error: &serde_json::Error) -> Problem {
    Problem::new(Code::Invalid, format!("The request could not be read: {error}."))
}

fn json(value: &impl serde::Serialize) -> Result<String, Problem> {
    serde_json::to_string(value)
        .map_err(|e| Problem::new(Code::Internal, format!("A reply could not be written: {e}.")))
}
