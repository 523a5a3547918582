//! Files over the window's edge: dropped from this machine into a folder of a workspace (here), and out of one to where a
//! person chose (`out`). Names that are there already are not replaced unasked; what arrives is complete or not there,
//! also when it is cancelled (`running`).

mod out;
pub(crate) mod running;

use serde::{Deserialize, Serialize};
use slipway_engine::{Engine, Packed, Upload, mode, pack, tree, unreadable};
use slipway_wire::{Api as _, Code, FileRef, Problem, WorkspaceId, shown_name};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tauri::{AppHandle, Manager as _};

pub(super) use self::out::download;
use self::running::{Carried, Meter, Way, carry, until_cancelled};
use crate::app::Desktop;

/// What was dropped, and on which folder.
#[derive(Deserialize)]
pub(super) struct Dropping {
    id: WorkspaceId,
    paths: Vec<PathBuf>,
    into: String,
    /// Also where something has the name already.
    #[serde(default)]
    replace: bool,
}

/// What came of it.
#[derive(Default, Serialize)]
pub(super) struct Dropped {
    /// Paths in the container that are new.
    written: Vec<String>,
    /// Paths of this machine whose names are there already; they were not sent.
    there: Vec<PathBuf>,
    /// Links out of a folder and things that are no files, which were not sent.
    left_out: u64,
    /// Why the rest was not sent: it was cancelled, or one of them failed.
    ended: Option<Problem>,
}

/// One of them, and where it goes.
struct Sent {
    path: PathBuf,
    name: String,
    target: FileRef,
}

/// Sends them one after another, in sight of every window.
pub(super) async fn upload(app: &AppHandle, dropping: Dropping) -> Result<Dropped, Problem> {
    let engine = app.state::<Desktop>().owner.engine().await?;
    let (all, there) = sorted(&engine, &dropping).await?;
    let mut done = Dropped { there, ..Dropped::default() };
    let Some(Sent { name, .. }) = all.first() else { return Ok(done) };
    let Dropping { id, into, .. } = dropping;
    let carried = Carried { id, way: Way::In, name: name.clone(), place: into, nth: 1, of: all.len() };
    let (meter, left_out) = (Arc::new(Meter::new(carried)), Arc::new(AtomicU64::new(0)));
    measure(all.iter().map(|sent| sent.path.clone()).collect(), &meter);
    let sending = Box::pin(async {
        for (before, sent) in all.into_iter().enumerate() {
            meter.next(&sent.name, before + 1);
            put(&engine, &sent, &meter, &left_out).await?;
            done.written.push(sent.target.path);
        }
        Ok(())
    });
    let ended = carry(app, &meter, sending).await.err();
    Ok(Dropped { left_out: left_out.load(Ordering::Relaxed), ended, ..done })
}

/// What is to be sent, and what is not because it is there already.
async fn sorted(engine: &Engine, dropping: &Dropping) -> Result<(Vec<Sent>, Vec<PathBuf>), Problem> {
    let (mut all, mut there) = (Vec::new(), Vec::new());
    for path in &dropping.paths {
        if !path.is_absolute() {
            return Err(Problem::new(Code::Invalid, "A file is sent by its full path only."));
        }
        let Some(name) = path.file_name().map(|name| shown_name(name.as_encoded_bytes())) else {
            return Err(Problem::new(Code::Invalid, format!("{} has no name.", path.display())));
        };
        let target = format!("{}/{name}", dropping.into.trim_end_matches('/'));
        let target = FileRef { id: dropping.id.clone(), path: target };
        if !dropping.replace && is_there(engine, &target).await? {
            there.push(path.clone());
        } else {
            all.push(Sent { path: path.clone(), name, target });
        }
    }
    Ok((all, there))
}

async fn is_there(engine: &Engine, target: &FileRef) -> Result<bool, Problem> {
    match engine.file_stat(target.clone()).await {
        Ok(_) => Ok(true),
        Err(problem) if problem.code == Code::NotFound => Ok(false),
        Err(problem) => Err(problem),
    }
}

async fn put(
    engine: &Engine,
    Sent { path, target, .. }: &Sent,
    meter: &Arc<Meter>,
    left_out: &Arc<AtomicU64>,
) -> Result<(), Problem> {
    let found = fs::metadata(path).map_err(|e| unreadable(path, &e))?;
    if found.is_dir() {
        let counting = Arc::clone(meter);
        let left_out = Arc::clone(left_out);
        let packed = pack(path.clone(), move |told| match told {
            Packed::Bytes(bytes) => counting.add(bytes as u64),
            Packed::LeftOut(..) => {
                left_out.fetch_add(1, Ordering::Relaxed);
            }
        });
        engine.write_tree(target, until_cancelled(meter, packed)).await?;
    } else if found.is_file() {
        let file = File::open(path).map_err(|e| unreadable(path, &e))?;
        let upload = Upload { mode: mode(&found), size: found.len(), ..Upload::default() };
        engine.send_file(target, upload, file, meter.transfer()).await?;
    } else {
        return Err(Problem::new(
            Code::Refused,
            format!("{} is neither a file nor a folder.", path.display()),
        ));
    }
    Ok(())
}

/// Adds up what is to be sent while the first of it goes. What cannot be read leaves the sum unknown: sending it says why.
fn measure(paths: Vec<PathBuf>, meter: &Arc<Meter>) {
    let meter = Arc::clone(meter);
    tokio::task::spawn_blocking(move || {
        if let Some(bytes) = sum(paths, || meter.is_cancelled()) {
            meter.expect(bytes);
        }
    });
}

fn sum(paths: Vec<PathBuf>, given_up: impl Fn() -> bool) -> Option<u64> {
    let (mut bytes, mut entries, mut left) = (0, 0, Vec::new());
    for path in paths {
        // What was dropped is followed, as in sending it; what lies in it is not.
        left.push((fs::metadata(&path).ok()?, path));
    }
    while let Some((found, path)) = left.pop() {
        entries += 1;
        if entries > tree::MAX_ENTRIES || given_up() {
            return None;
        }
        if found.is_file() {
            bytes += found.len();
        } else if found.is_dir() {
            left.extend(inside(&path)?);
        }
    }
    Some(bytes)
}

fn inside(folder: &Path) -> Option<Vec<(fs::Metadata, PathBuf)>> {
    fs::read_dir(folder)
        .ok()?
        .map(|entry| {
            let entry = entry.ok()?;
            Some((entry.metadata().ok()?, entry.path()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_added_up_without_what_links_lead_to() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("in/ner");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("a"), [0; 700]).unwrap();
        fs::write(folder.path().join("b"), [0; 42]).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/", inner.join("everything")).unwrap();
        let both = || vec![folder.path().join("in"), folder.path().join("b")];
        assert_eq!(sum(both(), || false), Some(742));
        assert_eq!(sum(both(), || true), None, "it was cancelled");
        assert_eq!(sum(vec![folder.path().join("none")], || false), None);
    }
}
