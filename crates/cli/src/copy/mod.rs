//! `slipway cp`: files and folders into and out of a workspace. Which side is which, and where things land, is decided
//! here as `cp` would; how bytes travel is in the rooms below.

mod download;
mod place;
mod upload;

use crate::{
    args::Cp,
    exit::{Code, Failure},
    session::Session,
};
use slipway_wire::{Api as _, Code as Why, FileEntry, FileKind, FileRef, Problem, Workspace};

/// Bounds on one copying: a container may claim anything.
const MAX_BYTES: u64 = 64 << 30;
const MAX_ENTRIES: u64 = 1_000_000;
const MAX_DEPTH: usize = 200;

/// One side of a copying.
#[derive(Debug, PartialEq, Eq)]
enum Side {
    /// Standard input or output.
    Stream,
    Here(String),
    There {
        workspace: String,
        path: String,
    },
}

fn is_workspace(name: &str) -> bool {
    let drive = cfg!(windows) && name.len() == 1;
    !name.is_empty() && !drive && !name.contains(['/', '\\'])
}

fn side(text: &str) -> Side {
    if text == "-" {
        return Side::Stream;
    }
    match text.split_once(':') {
        // A name with a slash before the colon is a path here, as with scp; so is a Windows drive.
        Some((name, path)) if is_workspace(name) => {
            Side::There { workspace: name.to_owned(), path: path.to_owned() }
        }
        _ => Side::Here(text.to_owned()),
    }
}

/// A path in a workspace, and what is there.
struct There {
    workspace: Workspace,
    path: String,
    found: Option<FileEntry>,
    /// The path was written as a folder's: with a slash at its end.
    folder: bool,
}

impl There {
    async fn look(session: &Session, name: &str, path: &str) -> Result<Self, Failure> {
        let workspace = session.find(name).await?;
        let absolute = absolute(&workspace.root, path);
        let file = FileRef { id: workspace.id.clone(), path: absolute.clone() };
        let found = match session.api.file_stat(file).await {
            Ok(entry) => Some(entry),
            Err(Problem { code: Why::NotFound, .. }) => None,
            Err(problem) => return Err(problem.into()),
        };
        Ok(Self { workspace, path: absolute, found, folder: path.is_empty() || path.ends_with('/') })
    }

    fn is_folder(&self) -> bool {
        self.found.as_ref().is_some_and(|entry| entry.kind == FileKind::Directory)
    }
}

/// Below the project's folder unless it starts with a slash; without `.` parts and a slash at its end. `..` stays for
/// the container to follow.
fn absolute(root: &str, path: &str) -> String {
    let joined = if path.starts_with('/') { path.to_owned() } else { format!("{root}/{path}") };
    let parts: Vec<&str> = joined.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    format!("/{}", parts.join("/"))
}

fn last(path: &str) -> Option<&str> {
    path.rsplit('/').find(|part| !part.is_empty() && *part != "." && *part != "..")
}

/// `SRC/.` means what the folder holds.
fn content_only(path: &str) -> bool {
    path == "." || path.ends_with("/.") || path.ends_with("/./")
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
            upload::run(&session, source, there).await
        }
        (Side::There { workspace, path }, target @ (Side::Here(_) | Side::Stream)) => {
            let session = Session::open().await?;
            let there = There::look(&session, &workspace, &path).await?;
            download::run(&session, there, content_only(&path), target).await
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
            assert_eq!(side(text), expected, "{text}");
        }
    }

    #[test]
    fn paths_in_a_workspace_start_at_its_root() {
        for (path, expected) in [
            ("", "/workspace"),
            ("a/b/", "/workspace/a/b"),
            ("/etc/./x", "/etc/x"),
            ("dist/.", "/workspace/dist"),
            ("/", "/"),
        ] {
            assert_eq!(absolute("/workspace", path), expected, "{path}");
        }
        assert_eq!(last("/a/b/"), Some("b"));
        assert_eq!(last("/"), None);
        assert!(content_only("dist/.") && content_only(".") && !content_only("dist"));
    }
}
