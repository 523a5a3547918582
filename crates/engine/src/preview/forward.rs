//! One request to a program and its response back, streamed both ways. In: a request whose site is settled. Out: the
//! program's response, or why there is none. Only here are connections to programs made.

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, uri::PathAndQuery};
use http_body_util::{Either, Empty};
use hyper::{
    body::{Body as _, Incoming},
    client::conn::http1,
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use tokio::{io::copy_bidirectional_with_sizes, sync::OwnedSemaphorePermit};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    AgentClient, DialError, DialStream, Traffic,
    body::{Download, Noting, Place, Upload, Used},
    headers,
    host::Site,
    pool::{Pool, Sender},
};

/// Most fields of a response, and its largest head, bytes.
const FIELDS: usize = 256;
const HEAD: usize = 256 * 1024;
/// Bytes held per direction of an upgraded connection.
const TUNNEL: usize = 64 * 1024;

/// Why a program's answer did not come.
#[derive(Debug, thiserror::Error)]
pub(super) enum ForwardError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the program hung up without an answer")]
    HungUp,
    #[error("what the program says is no HTTP")]
    NotHttp,
}

/// Sends requests to programs.
pub(super) struct Forwarder {
    pub(super) pool: Pool,
    pub(super) tracker: TaskTracker,
    pub(super) cancel: CancellationToken,
    pub(super) gateway: u16,
}

/// What a request holds on to while it is open.
pub(super) struct Held {
    pub(super) place: Place,
    pub(super) used: Used,
    pub(super) _connection: Arc<OwnedSemaphorePermit>,
}

impl Forwarder {
    /// Passes the request on to a program, by its agent and with where its bytes are counted, and the response back.
    pub(super) async fn forward(
        &self,
        program: (&AgentClient, Option<Arc<Traffic>>),
        site: &Site,
        path: PathAndQuery,
        mut request: Request<Incoming>,
        held: Held,
    ) -> Result<Response<Download>, ForwardError> {
        let asked =
            headers::upgrade(request.headers()).map(|protocol| (protocol, hyper::upgrade::on(&mut request)));
        headers::forward(request.headers_mut(), site, self.gateway);
        *request.uri_mut() = Uri::from(path);
        *request.version_mut() = Version::HTTP_11;
        let mut response = self.exchange(program, site, request.map(Either::Left)).await?;
        *response.version_mut() = Version::HTTP_11;
        let switched = match asked {
            Some((_, browser)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => Some(browser),
            // A switch nobody asked for: the browser would not know what to do with it.
            None if response.status() == StatusCode::SWITCHING_PROTOCOLS => return Err(ForwardError::HungUp),
            _ => None,
        };
        let protocol: Option<HeaderValue> =
            switched.as_ref().and_then(|_| response.headers().get(http::header::UPGRADE).cloned());
        headers::backward(response.headers_mut(), site, self.gateway, protocol);
        let Some(browser) = switched else {
            return Ok(response.map(|body| Download::live(body, held.place, held.used)));
        };
        let program = hyper::upgrade::on(&mut response);
        self.tunnel(browser, program, held);
        Ok(response.map(|_| Download::own(Bytes::new())))
    }

    /// Uses an idle connection where one is left, else makes one. An idle one may have been closed by the program at
    /// the same moment: what was not sent is sent again, and what was sent is sent once more if it may be (no body, and
    /// a method whose repetition changes nothing).
    async fn exchange(
        &self,
        (client, traffic): (&AgentClient, Option<Arc<Traffic>>),
        site: &Site,
        request: Request<Upload>,
    ) -> Result<Response<Incoming>, ForwardError> {
        let mut request = request;
        while let Some(mut idle) = self.pool.take(site) {
            let again = repeatable(&request);
            match idle.try_send_request(request).await {
                Ok(response) => {
                    self.pool.give(site.clone(), idle);
                    return Ok(response);
                }
                Err(mut failed) => match (failed.take_message(), again) {
                    (Some(unsent), _) => request = unsent,
                    (None, Some(again)) => {
                        request = again;
                        break;
                    }
                    (None, None) => return Err(why(&failed.into_error(), false)),
                },
            }
        }
        let stream = DialStream::open(client, site.port).await?.counted(traffic);
        let heard = stream.heard();
        let why = |error| why(&error, heard.load(Ordering::Relaxed));
        let mut fresh = self.connect(stream).await.map_err(why)?;
        let response = fresh.send_request(request).await.map_err(why)?;
        self.pool.give(site.clone(), fresh);
        Ok(response)
    }

    async fn connect(&self, stream: DialStream) -> Result<Sender, hyper::Error> {
        let (sender, connection) = http1::Builder::new()
            .preserve_header_case(true)
            .max_headers(FIELDS)
            .max_buf_size(HEAD)
            .handshake(TokioIo::new(stream))
            .await?;
        let cancel = self.cancel.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                ended = connection.with_upgrades() => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection to a program ended");
                }
            }
        });
        Ok(sender)
    }

    fn tunnel(&self, browser: OnUpgrade, program: OnUpgrade, held: Held) {
        let cancel = self.cancel.clone();
        self.tracker.spawn(async move {
            let Held { place: _place, used, _connection } = held;
            let copying = async {
                let (browser, program) = tokio::try_join!(browser, program)?;
                let (mut browser, mut program) =
                    (Noting::new(TokioIo::new(browser), used), TokioIo::new(program));
                copy_bidirectional_with_sizes(&mut browser, &mut program, TUNNEL, TUNNEL).await?;
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
            };
            tokio::select! {
                () = cancel.cancelled() => {}
                ended = copying => if let Err(error) = ended {
                    tracing::debug!(%error, "an upgraded connection was cut");
                }
            }
        });
    }
}

/// A copy to send again, where that is harmless.
fn repeatable(request: &Request<Upload>) -> Option<Request<Upload>> {
    let harmless = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
    (harmless && request.body().is_end_stream()).then(|| {
        let mut copy = Request::new(Either::Right(Empty::new()));
        request.method().clone_into(copy.method_mut());
        request.uri().clone_into(copy.uri_mut());
        request.headers().clone_into(copy.headers_mut());
        copy
    })
}

/// Bytes that make no answer (a greeting before the request, say) are another protocol; none at all is a hang-up.
fn why(error: &hyper::Error, heard: bool) -> ForwardError {
    if error.is_parse() || heard { ForwardError::NotHttp } else { ForwardError::HungUp }
}
