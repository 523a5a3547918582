//! The agent's socket: connections in, HTTP/2 with the contract's windows on each, bounded in number. What is asked over
//! them is the service's business.

use std::convert::Infallible;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use slipway_agent_api::v1::agent_server::AgentServer;
use slipway_agent_api::{CONNECTION_WINDOW, MAX_FRAME, STREAM_WINDOW};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tonic::codegen::Service as _;

use crate::service::Service;
use crate::stdio::Link;

/// Connections at one time: an engine, the one it replaces, and room for code in the container that plays with the
/// socket.
const CONNECTIONS: usize = 64;

/// Calls at one time on one connection.
const STREAMS: u32 = 1024;

/// One message, in bytes.
const MESSAGE: usize = 1024 * 1024;

/// Bytes of one stream that wait in memory to be written.
const SEND_BUFFER: usize = 1024 * 1024;

/// Listens on the abstract name.
pub(crate) fn bind(name: &[u8]) -> io::Result<UnixListener> {
    let listener = StdListener::bind_addr(&SocketAddr::from_abstract_name(name)?).map_err(|error| {
        io::Error::new(error.kind(), format!("another agent holds the socket's name: {error}"))
    })?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// The service with the contract's bounds on its messages.
pub(crate) fn server(service: Service) -> AgentServer<Service> {
    AgentServer::new(service).max_decoding_message_size(MESSAGE).max_encoding_message_size(MESSAGE)
}

/// Serves connections for as long as the program runs.
pub(crate) async fn serve(listener: UnixListener, server: AgentServer<Service>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let server = server.clone();
                tokio::spawn(async move {
                    connection(stream, server, None).await;
                    drop(slot);
                });
            }
            // Out of file descriptors or memory: both come back, and asking at once would spin.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Serves one connection to its end. Its calls know the link, if it is one.
pub(crate) async fn connection(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    server: AgentServer<Service>,
    link: Option<Arc<Link>>,
) {
    let served = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .max_frame_size(MAX_FRAME)
        .max_send_buf_size(SEND_BUFFER)
        // A paused container must find its connection as it left it.
        .keep_alive_interval(None)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(move |mut request| {
                let mut server = server.clone();
                if let Some(link) = &link {
                    request.extensions_mut().insert(Arc::clone(link));
                }
                async move {
                    let Ok::<_, Infallible>(response) = server.call(request).await;
                    Ok::<_, Infallible>(response)
                }
            }),
        )
        .await;
    // How a connection ends is of no interest here: its calls have ended with it.
    drop(served);
}
