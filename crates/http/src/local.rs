//! The local transport: a Unix socket of mode 0600 whose peers must be the same user, or a named pipe on Windows.
//! Bytes only; what is said over it is not known here.

#[cfg(unix)]
pub(crate) use unix::{Listener, Stream, connect};
#[cfg(windows)]
pub(crate) use windows::{Listener, Stream, connect};

#[cfg(unix)]
mod unix {
    use std::{
        fs, io,
        os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
        path::{Path, PathBuf},
    };
    use tokio::net::{UnixListener, UnixStream};

    pub(crate) type Stream = UnixStream;

    pub(crate) async fn connect(path: &Path) -> io::Result<Stream> {
        UnixStream::connect(path).await
    }

    /// Removes its socket when dropped.
    pub(crate) struct Listener {
        listener: UnixListener,
        path: PathBuf,
    }

    impl Listener {
        /// Replaces a socket left behind. Only for whoever holds the data folder's lock.
        pub(crate) fn bind(path: &Path) -> io::Result<Self> {
            match fs::symlink_metadata(path) {
                Ok(found) if found.file_type().is_socket() => fs::remove_file(path)?,
                Ok(_) => {
                    return Err(io::Error::new(
                        io::ErrorKind::AlreadyExists,
                        "a file that is not a socket is there",
                    ));
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
            // The folder is 0700, so nobody else gets in between these two steps either.
            let listener = UnixListener::bind(path)?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
            Ok(Self { listener, path: path.to_owned() })
        }

        /// The next connection of this same user; others are dropped.
        pub(crate) async fn accept(&mut self) -> io::Result<Stream> {
            let us = rustix::process::getuid().as_raw();
            loop {
                let (stream, _) = self.listener.accept().await?;
                let peer = stream.peer_cred()?.uid();
                if peer == us || peer == 0 {
                    return Ok(stream);
                }
                tracing::warn!(peer, "another user's connection was refused");
            }
        }
    }

    impl Drop for Listener {
        fn drop(&mut self) {
            if let Err(error) = fs::remove_file(&self.path) {
                tracing::warn!(%error, path = %self.path.display(), "the socket could not be removed");
            }
        }
    }
}

#[cfg(windows)]
mod windows {
    use std::{
        io,
        path::{Path, PathBuf},
        time::Duration,
    };
    use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions};

    /// Either end of a pipe.
    pub(crate) type Stream = tokio_util::either::Either<NamedPipeServer, NamedPipeClient>;

    /// `ERROR_PIPE_BUSY`: every instance is taken for a moment.
    const PIPE_BUSY: i32 = 231;

    pub(crate) async fn connect(path: &Path) -> io::Result<Stream> {
        loop {
            match ClientOptions::new().open(path) {
                Ok(client) => return Ok(Stream::Right(client)),
                Err(e) if e.raw_os_error() == Some(PIPE_BUSY) => {
                    tokio::time::sleep(Duration::from_millis(20)).await
                }
                Err(e) => return Err(e),
            }
        }
    }

    pub(crate) struct Listener {
        next: NamedPipeServer,
        path: PathBuf,
    }

    impl Listener {
        /// The default descriptor of a pipe lets only its owner, administrators and the system write.
        pub(crate) fn bind(path: &Path) -> io::Result<Self> {
            let next =
                ServerOptions::new().first_pipe_instance(true).reject_remote_clients(true).create(path)?;
            Ok(Self { next, path: path.to_owned() })
        }

        pub(crate) async fn accept(&mut self) -> io::Result<Stream> {
            self.next.connect().await?;
            let following = ServerOptions::new().reject_remote_clients(true).create(&self.path)?;
            Ok(Stream::Left(std::mem::replace(&mut self.next, following)))
        }
    }
}
