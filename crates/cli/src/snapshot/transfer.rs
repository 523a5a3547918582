//! `slipway snapshot export` and `import`. The owner reads and writes the file, as the same user on the same machine;
//! standard input and output go through a file of this command's own, which nobody else can read.

use slipway_wire::{Api as _, Code as Why, Problem, Snapshot, SnapshotExport, SnapshotImport};
use std::{
    fs::File,
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
};

use super::{Work, find, tell};
use crate::{
    args::{Export, Import},
    exit::{Code, Failure},
    out,
    session::Session,
    text,
};

fn standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn as_text(path: PathBuf) -> Result<String, Failure> {
    path.into_os_string().into_string().map_err(|path| {
        Failure::usage(format!("{} is not text in UTF-8; rename it first.", path.to_string_lossy()))
    })
}

pub(super) async fn export(args: Export) -> Result<Code, Failure> {
    let through = standard(&args.file);
    if through && io::stdout().is_terminal() {
        return Err(Failure::usage("Give a file to write: a terminal cannot show a snapshot."));
    }
    let session = Session::open().await?;
    let snapshot = find(&session, &args.id).await?;
    let folder = through.then(tempfile::tempdir).transpose()?;
    let target = match &folder {
        Some(folder) => folder.path().join("snapshot"),
        None => std::path::absolute(&args.file)?,
    };
    let path = as_text(target)?;
    let request = SnapshotExport { id: snapshot.id.clone(), path: path.clone(), overwrite: args.overwrite };
    let work = Work::begin(&session, false).await?;
    let ours = |one: &Snapshot| one.id == snapshot.id;
    let written = work.until(ours, session.api.snapshot_export(request)).await?;
    if through {
        io::copy(&mut File::open(&path)?, &mut io::stdout().lock())?;
    } else {
        let paint = text::Paint::stderr();
        let (name, size) = (paint.bold(&text::clean(&snapshot.name)), text::size(written.bytes));
        out::note(&format!("{} {name} is written, {size}", paint.green("✓")));
        out::line(&written.path)?;
    }
    Ok(Code::OK)
}

pub(super) async fn import(args: Import) -> Result<Code, Failure> {
    let through = standard(&args.file).then(tempfile::NamedTempFile::new).transpose()?;
    let source = match &through {
        Some(file) => {
            if io::stdin().is_terminal() {
                return Err(Failure::usage("Give a file to read, or pipe one in."));
            }
            io::copy(&mut io::stdin().lock(), &mut file.as_file())?;
            file.path().to_owned()
        }
        None => args.file.canonicalize().map_err(|e| {
            let code = if e.kind() == io::ErrorKind::NotFound { Why::NotFound } else { Why::Invalid };
            Problem::new(code, format!("{} cannot be read: {e}.", args.file.display()))
                .hint("Give the path of a file that `slipway snapshot export` wrote.")
        })?,
    };
    let path = as_text(source)?;
    let session = Session::open().await?;
    let request = SnapshotImport { path: path.clone(), name: args.name, force: args.force };
    let work = Work::begin(&session, args.json).await?;
    let ours =
        |one: &Snapshot| one.progress.as_ref().is_some_and(|progress| progress.path.as_ref() == Some(&path));
    let made = work.until(ours, session.api.snapshot_import(request)).await?;
    tell(&made, args.json, "imported")
}
