//! Files in the container: paths come in as raw bytes and are only checked for form, since the agent has no more rights
//! than the code beside it. All file work runs on blocking threads, one step at a time, so that no slow caller holds one.

mod content;
mod draft;
mod entry;
mod leftovers;
mod pack;
mod place;
mod tree;
mod watch;

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use tonic::{Code, Status};

pub(crate) use self::content::{digest, read, write, write_by_lanes};
pub(crate) use self::entry::{list, stat};
pub(crate) use self::leftovers::Leftovers;
pub(crate) use self::pack::read_tree;
pub(crate) use self::place::write_tree;
pub(crate) use self::tree::{make, remove, rename};
pub(crate) use self::watch::Watches;

/// The kernel's own bound on one path, in bytes.
const PATH_BYTES: usize = 4095;

/// An absolute path from raw bytes.
pub(crate) fn absolute(raw: &[u8]) -> Result<PathBuf, Status> {
    if raw.len() > PATH_BYTES || raw.contains(&0) {
        return Err(Status::invalid_argument("a path has at most 4095 bytes, none of them NUL"));
    }
    let path = PathBuf::from(OsString::from_vec(raw.to_vec()));
    if !path.is_absolute() {
        return Err(Status::invalid_argument(format!("{}: the path must be absolute", path.display())));
    }
    Ok(path)
}

/// Runs file work on a blocking thread.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, Status>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Status> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.map_err(|_| Status::internal("the agent is shutting down"))?
}

/// How names of files on their way begin. No program of ours leaves one that is finished.
const ON_ITS_WAY: &str = ".slipway-";

/// A name nothing else has: 16 random hexadecimal digits.
pub(crate) fn temporary_name() -> Result<String, Status> {
    let mut random = [0; 8];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
        .map_err(|error| status("random bytes", &error.into()))?;
    Ok(format!("{ON_ITS_WAY}{:016x}.tmp", u64::from_ne_bytes(random)))
}

/// Whether a name is that of something on its way: of this program's, or of an unpacking's staging folder.
fn on_its_way(name: &[u8]) -> bool {
    name.starts_with(ON_ITS_WAY.as_bytes())
}

/// What an operating system error means to the caller, with the path it concerns.
pub(crate) fn status(what: &str, error: &io::Error) -> Status {
    use io::ErrorKind as Kind;
    let code = match error.kind() {
        Kind::NotFound => Code::NotFound,
        Kind::AlreadyExists => Code::AlreadyExists,
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => Code::PermissionDenied,
        Kind::NotADirectory
        | Kind::IsADirectory
        | Kind::DirectoryNotEmpty
        | Kind::CrossesDevices
        | Kind::ResourceBusy
        | Kind::InvalidInput
        | Kind::InvalidFilename
        | Kind::ExecutableFileBusy => Code::FailedPrecondition,
        Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge | Kind::OutOfMemory => {
            Code::ResourceExhausted
        }
        // ELOOP, EMFILE and ENFILE have no stable kind.
        _ => match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(rustix::io::Errno::LOOP) => Code::FailedPrecondition,
            Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => Code::ResourceExhausted,
            _ => Code::Unknown,
        },
    };
    Status::new(code, format!("{what}: {error}"))
}
