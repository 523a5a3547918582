//! Where Slipway keeps its files on this machine, and how they are made ours alone. Comes in: what the environment
//! says, already read. Goes out: [`Places`]. No file content is read or written here.

use sha2::{Digest, Sha256};
use slipway_wire::{Code, Problem};
use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

/// A Unix socket's address holds at most 104 bytes on macOS and 108 on Linux, the closing NUL included.
#[cfg(unix)]
const SOCKET_PATH_MAX: usize = 100;

/// Every path Slipway uses outside a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Everything Slipway keeps; mode 0700.
    pub data_dir: PathBuf,
    /// Settings, TOML; beside the data when `SLIPWAY_DATA_DIR` is set, else in the platform's configuration folder.
    pub settings_file: PathBuf,
    /// Where the owner listens: a Unix socket, or the name of a pipe on Windows.
    pub socket: PathBuf,
    /// Locked by the owner for as long as it lives.
    pub lock: PathBuf,
    /// The owner's log; older ones beside it with `.1` and `.2`.
    pub log: PathBuf,
    /// The bearer token of the loopback listener while there is one; mode 0600.
    pub token: PathBuf,
}

impl Places {
    /// Works the places out and makes the folders. `data_dir` is what `SLIPWAY_DATA_DIR` said; `runtime_dir` is where
    /// a socket goes whose path would be too long in the data folder.
    pub fn find(data_dir: Option<&Path>, runtime_dir: Option<&Path>) -> Result<Self, Problem> {
        let (data_dir, settings_file) = if let Some(dir) = data_dir {
            let dir = std::path::absolute(dir).map_err(|e| storage(dir, "find", &e))?;
            make_private(&dir)?;
            let settings = dir.join("settings.toml");
            (dir, settings)
        } else {
            let home = directories::ProjectDirs::from("", "", "slipway").ok_or_else(|| {
                Problem::new(Code::Storage, "This user has no home folder to keep Slipway's files in.")
                    .hint("Set SLIPWAY_DATA_DIR to a folder that is yours.")
            })?;
            let dir = home.data_local_dir().to_owned();
            make_private(&dir)?;
            (dir, home.config_dir().join("settings.toml"))
        };
        Ok(Self {
            socket: socket(&data_dir, runtime_dir)?,
            lock: data_dir.join("owner.lock"),
            log: data_dir.join("slipway.log"),
            token: data_dir.join("http-token"),
            data_dir,
            settings_file,
        })
    }
}

/// A short name that is the same for the same folder.
fn short_name(data_dir: &Path) -> String {
    let path = fs::canonicalize(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    digest.iter().take(8).fold(String::from("slipway-"), |mut name, byte| {
        // Writing to a String cannot fail.
        let _ = write!(name, "{byte:02x}");
        name
    })
}

#[cfg(unix)]
fn socket(data_dir: &Path, runtime_dir: Option<&Path>) -> Result<PathBuf, Problem> {
    let near = data_dir.join("owner.sock");
    if near.as_os_str().len() <= SOCKET_PATH_MAX {
        return Ok(near);
    }
    let folder = match runtime_dir {
        Some(dir) if dir.as_os_str().len() < SOCKET_PATH_MAX / 2 => dir.join("slipway"),
        _ => PathBuf::from(format!("/tmp/slipway-{}", rustix::process::getuid().as_raw())),
    };
    make_private(&folder)?;
    Ok(folder.join(format!("{}.sock", short_name(data_dir))))
}

#[cfg(windows)]
fn socket(data_dir: &Path, _runtime_dir: Option<&Path>) -> Result<PathBuf, Problem> {
    Ok(PathBuf::from(format!(r"\\.\pipe\{}", short_name(data_dir))))
}

/// Makes a folder that only this user can enter; refuses one that belongs to somebody else.
fn make_private(dir: &Path) -> Result<(), Problem> {
    fs::create_dir_all(dir).map_err(|e| storage(dir, "make the folder", &e))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let us = rustix::process::getuid().as_raw();
        let link = fs::symlink_metadata(dir).map_err(|e| storage(dir, "look at", &e))?;
        let found = fs::metadata(dir).map_err(|e| storage(dir, "look at", &e))?;
        // The link itself counts too: anybody may have made one under this name in a shared folder.
        if link.uid() != us || found.uid() != us {
            return Err(Problem::new(Code::Storage, format!("{} belongs to another user.", dir.display()))
                .hint("Set SLIPWAY_DATA_DIR to a folder that is yours."));
        }
        if found.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
                .map_err(|e| storage(dir, "protect", &e))?;
        }
    }
    Ok(())
}

/// An I/O failure on one of Slipway's own files.
pub(crate) fn storage(path: &Path, what: &str, error: &io::Error) -> Problem {
    let code = if error.kind() == io::ErrorKind::StorageFull { Code::DiskFull } else { Code::Storage };
    Problem::new(code, format!("Slipway could not {what} {}: {error}.", path.display()))
        .hint("Check the folder's permissions and free space, or set SLIPWAY_DATA_DIR to another folder.")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_data_dir_is_made_for_its_user_alone() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("data");
        let places = Places::find(Some(&dir), None).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        for path in [&places.settings_file, &places.lock, &places.log, &places.token, &places.socket] {
            assert!(path.starts_with(&dir), "{}", path.display());
        }
    }

    #[test]
    fn a_long_data_dir_gets_a_short_socket_that_stays_the_same() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("x".repeat(120));
        let places = Places::find(Some(&dir), Some(temp.path())).unwrap();
        assert!(places.socket.as_os_str().len() <= SOCKET_PATH_MAX, "{}", places.socket.display());
        assert_eq!(places, Places::find(Some(&dir), Some(temp.path())).unwrap());
        let other = Places::find(Some(&temp.path().join("y".repeat(120))), Some(temp.path())).unwrap();
        assert_ne!(places.socket, other.socket);
    }

    #[test]
    fn a_folder_that_cannot_be_made_says_which() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("file");
        fs::write(&file, b"").unwrap();
        let problem = Places::find(Some(&file.join("data")), None).unwrap_err();
        assert_eq!(problem.code, Code::Storage);
        assert!(problem.message.contains("data"), "{problem}");
    }
}
