//! The proxy's listener on the container's loopback: tells HTTP from SOCKS by the first byte and hands the connection on.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::{Gate, http, socks};

/// Connections of programs at one time, those included that have not asked for anything yet.
const CONNECTIONS: usize = 1024;

/// How long a program may take to say what it wants.
pub(super) const HEAD: Duration = Duration::from_secs(30);

/// Listens on the container's loopback.
pub(crate) async fn bind(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
}

/// Serves programs for as long as the agent runs.
pub(crate) async fn serve(listener: TcpListener, gate: Arc<Gate>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let gate = Arc::clone(&gate);
                tokio::spawn(async move {
                    // What went wrong the program knows: it was told, or it left.
                    let _ = connection(stream, gate).await;
                    drop(slot);
                });
            }
            // Out of file descriptors or memory: both come back, and asking at once would spin.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn connection(stream: TcpStream, gate: Arc<Gate>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut first = [0];
    let length = tokio::time::timeout(HEAD, stream.peek(&mut first)).await??;
    match (length, first[0]) {
        (0, _) => Ok(()),
        (_, socks::VERSION) => socks::serve(stream, &gate).await,
        _ => http::serve(stream, gate).await,
    }
}
