//! Ctrl-C, listened to without a gap from the moment this is made: one pressed while something else was awaited is
//! there at the next look.

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
#[cfg(windows)]
use tokio::signal::windows::{CtrlC, ctrl_c};

/// Presses of Ctrl-C.
pub(crate) struct Interrupts {
    #[cfg(unix)]
    presses: Signal,
    #[cfg(windows)]
    presses: CtrlC,
}

impl Interrupts {
    pub(crate) fn listen() -> std::io::Result<Self> {
        #[cfg(unix)]
        let presses = signal(SignalKind::interrupt())?;
        #[cfg(windows)]
        let presses = ctrl_c()?;
        Ok(Self { presses })
    }

    /// The next press. May be dropped while waiting; nothing is lost.
    pub(crate) async fn next(&mut self) {
        if self.presses.recv().await.is_none() {
            // No more can come.
            std::future::pending::<()>().await;
        }
    }
}
