//! `slipway cp`: files and folders into and out of a workspace. Which side is which, and where things land, is decided
//! here as `cp` would; how bytes travel is in the rooms below.

mod download;
mod folder;
mod pack;
mod pipe;
mod place;
mod sink;
mod upload;
mod zipped;

use crate::{
    args::Cp,
    exit::{Code, Failure},
    session::Session,
};
use sha2::{Digest as _, Sha256};
use slipway_wire::{Api as _, Code as Why, FileEntry, FileKind, FileRef, Problem, Workspace, shown_name};
use std::{
    ffi::OsStr,
    fmt::Write as _,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::PathBuf,
};

/// From this size on, what came of a file is kept when its copying is cut, and looked for when it begins.
const RESUMABLE: u64 = 8 * 1024 * 1024;

/// One side of a copying.
#[derive(Debug, PartialEq, Eq)]
enum Side {
    /// Standard input or output.
    Stream,
    Here(PathBuf),
    There {
        workspace: String,
        /// Any bytes.
        path: Vec<u8>,
    },
}

fn is_workspace(name: &[u8]) -> bool {
    let drive = cfg!(windows) && name.len() == 1;
    !name.is_empty() && !drive && !name.iter().any(|byte| matches!(byte, b'/' | b'\\'))
}

fn side(argument: &OsStr) -> Side {
    if argument == "-" {
        return Side::Stream;
    }
    let bytes = pack::bytes_of(argument);
    let colon = bytes.iter().position(|byte| *byte == b':');
    // A name with a slash before the colon is a path here, as with scp; so is a Windows drive.
    match colon.map(|at| (&bytes[..at], &bytes[at + 1..])).filter(|(name, _)| is_workspace(name)) {
        Some((name, path)) => {
            Side::There { workspace: String::from_utf8_lossy(name).into_owned(), path: path.to_vec() }
        }
        None => Side::Here(PathBuf::from(argument)),
    }
}

/// A path in a workspace, and what is there.
struct There {
    workspace: Workspace,
    /// As it is.
    raw: Vec<u8>,
    /// As it is sent.
    path: String,
    found: Option<FileEntry>,
    /// The path was written as a folder's: with a slash at its end.
    folder: bool,
}

impl There {
    async fn look(session: &Session, name: &str, path: &[u8]) -> Result<Self, Failure> {
        let workspace = session.find(name).await?;
        let raw = absolute(workspace.root.as_bytes(), path);
        let sent = shown_name(&raw);
        let file = FileRef { id: workspace.id.clone(), path: sent.clone() };
        let found = match session.api.file_stat(file).await {
            Ok(entry) => Some(entry),
            Err(Problem { code: Why::NotFound, .. }) => None,
            Err(problem) => return Err(problem.into()),
        };
        Ok(Self { workspace, raw, path: sent, found, folder: path.is_empty() || path.ends_with(b"/") })
    }

    fn is_folder(&self) -> bool {
        self.found.as_ref().is_some_and(|entry| entry.kind == FileKind::Directory)
    }
}

/// Below the project's folder unless it starts with a slash; without `.` parts and a slash at its end. `..` stays for
/// the container to follow.
fn absolute(root: &[u8], path: &[u8]) -> Vec<u8> {
    let joined = if path.starts_with(b"/") { path.to_vec() } else { [root, b"/", path].concat() };
    let parts: Vec<&[u8]> =
        joined.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    [&b"/"[..], &parts.join(&b'/')].concat()
}

fn last(path: &[u8]) -> Option<&[u8]> {
    path.rsplit(|byte| *byte == b'/').find(|part| !part.is_empty() && *part != b"." && *part != b"..")
}

/// `SRC/.` means what the folder holds.
fn content_only(path: &[u8]) -> bool {
    path == b"." || path.ends_with(b"/.") || path.ends_with(b"/./")
}

/// The digest of a file's beginning, as hexadecimal digits.
async fn digest_of(file: &File, length: u64) -> Result<String, Failure> {
    let mut file = file.try_clone()?;
    let digest = tokio::task::spawn_blocking(move || -> io::Result<String> {
        file.seek(SeekFrom::Start(0))?;
        let mut beginning = file.take(length);
        let (mut sum, mut buffer) = (Sha256::new(), vec![0; 256 * 1024]);
        loop {
            let read = beginning.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            sum.update(&buffer[..read]);
        }
        Ok(sum.finalize().iter().fold(String::new(), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        }))
    });
    Ok(digest.await.map_err(|e| pipe::internal(&e))??)
}

pub(crate) async fn run(args: Cp) -> Result<Code, Failure> {
    match (side(&args.source), side(&args.target)) {
        (Side::There { .. }, Side::There { .. }) => {
            Err(Failure::usage("Copy to this machine first, then into the other workspace."))
        }
        (Side::Here(_) | Side::Stream, Side::Here(_) | Side::Stream) => {
            Err(Failure::usage("One side must be in a workspace: WORKSPACE:PATH."))
        }
        (source @ (Side::Here(_) | Side::Stream), Side::There { workspace, path }) => {
            let session = Session::open().await?;
            let there = There::look(&session, &workspace, &path).await?;
            if args.zip {
                return upload::unpacked(&session, source, there).await;
            }
            upload::run(&session, source, there).await
        }
        (Side::There { workspace, path }, target @ (Side::Here(_) | Side::Stream)) => {
            let session = Session::open().await?;
            let there = There::look(&session, &workspace, &path).await?;
            download::run(&session, there, content_only(&path), target, args.zip).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_told_apart_as_scp_does() {
        let there =
            |workspace: &str, path: &str| Side::There { workspace: workspace.into(), path: path.into() };
        for (text, expected) in [
            ("-", Side::Stream),
            ("shop:/a", there("shop", "/a")),
            ("shop:", there("shop", "")),
            ("shop:a:b", there("shop", "a:b")),
            ("./shop:a", Side::Here("./shop:a".into())),
            ("/x", Side::Here("/x".into())),
            (":x", Side::Here(":x".into())),
        ] {
            assert_eq!(side(OsStr::new(text)), expected, "{text}");
        }
    }

    #[test]
    fn paths_in_a_workspace_start_at_its_root() {
        for (path, expected) in [
            (&b""[..], &b"/workspace"[..]),
            (b"a/b/", b"/workspace/a/b"),
            (b"/etc/./x", b"/etc/x"),
            (b"dist/.", b"/workspace/dist"),
            (b"\xff\n", b"/workspace/\xff\n"),
            (b"/", b"/"),
        ] {
            assert_eq!(absolute(b"/workspace", path), expected, "{path:?}");
        }
        assert_eq!(last(b"/a/b/"), Some(&b"b"[..]));
        assert_eq!(last(b"/"), None);
        assert!(content_only(b"dist/.") && content_only(b".") && !content_only(b"dist"));
    }
}
