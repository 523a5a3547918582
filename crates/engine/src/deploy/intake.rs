//! Checking a zip or folder on the host, before any container exists. Nothing is unpacked here: only the central
//! directory and the few manifests that detection needs are read.

use slipway_intake::{Limits, Refusal, RunPlan, Start, ZipSource, describe_unknown, pack_folder, plans};
use slipway_wire::{Code, IntakeLimits, PhaseName, Plan, PlanStep, Problem, Source};
use std::{
    fs::File,
    io::{BufReader, Seek},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

/// A checked zip, ready to be sent.
#[derive(Debug)]
pub(crate) struct Intake {
    /// The archive. A folder was packed into an unnamed file.
    pub(crate) file: File,
    pub(crate) size: u64,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) plans: Vec<RunPlan>,
    /// A sentence for people when there is no plan.
    pub(crate) unknown: String,
    /// What it is called where it came from.
    pub(crate) name: String,
    /// The folder of a person's it was taken from.
    pub(crate) folder: Option<String>,
    pub(crate) limits: Limits,
}

/// The settings' bounds as the intake crate takes them, checked.
pub(crate) fn intake_limits(settings: &IntakeLimits) -> Result<Limits, Problem> {
    Limits {
        archive_bytes: settings.archive_bytes,
        produced_bytes: settings.produced_bytes,
        file_bytes: settings.file_bytes,
        entries: settings.entries,
        ratio: settings.ratio,
        depth: settings.depth,
        path_bytes: settings.path_bytes,
        ..Limits::default()
    }
    .validated()
    .map_err(|e| Problem::new(Code::Invalid, e.to_string()))
}

/// Where a source lies on this machine.
fn locate(source: &Source, samples: Option<&Path>) -> Result<PathBuf, Problem> {
    match source {
        Source::Path { path } => {
            let path = PathBuf::from(path);
            if path.is_absolute() {
                Ok(path)
            } else {
                Err(Problem::new(Code::Invalid, format!("{} is not an absolute path.", path.display())))
            }
        }
        Source::Sample { name } => {
            let legal = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            let path = samples.filter(|_| legal).map(|dir| dir.join(name)).filter(|path| path.is_dir());
            path.ok_or_else(|| Problem::new(Code::NotFound, format!("There is no sample called {name:?}.")))
        }
    }
}

/// Checks a source. Blocking: reads files.
pub(crate) fn inspect(
    source: &Source,
    settings: &IntakeLimits,
    samples: Option<&Path>,
    temporary: &Path,
) -> Result<Intake, Problem> {
    let path = locate(source, samples)?;
    let limits = intake_limits(settings)?;
    let name = crate::workspace::name::from_path(&path);
    let shown = path.display();
    let unreadable = |e: std::io::Error| {
        let code = if e.kind() == std::io::ErrorKind::NotFound { Code::NotFound } else { Code::Refused };
        Problem::new(code, format!("{shown} cannot be read: {}.", plain(&e)))
            .hint("Check the path and that you may read it.")
    };
    let meta = path.metadata().map_err(unreadable)?;
    let file = if meta.is_dir() {
        pack(&path, &limits, temporary)?
    } else if meta.is_file() {
        File::open(&path).map_err(unreadable)?
    } else {
        return Err(Problem::new(Code::Refused, format!("{shown} is neither a file nor a folder."))
            .hint("Drop a zip or a folder."));
    };
    let mut size_of = &file;
    let size = size_of.seek(std::io::SeekFrom::End(0)).map_err(unreadable)?;
    size_of.rewind().map_err(unreadable)?;
    let reader = file.try_clone().map_err(unreadable)?;
    let name_of = |r: Refusal| refused(&path, &r);
    let mut zip = ZipSource::open(BufReader::with_capacity(256 * 1024, reader), &limits).map_err(name_of)?;
    let plans = plans(&mut zip).map_err(name_of)?;
    let listing = zip.listing();
    let (files, bytes, unknown) = (listing.files, listing.bytes, describe_unknown(listing));
    let theirs = meta.is_dir() && matches!(source, Source::Path { .. });
    let folder = if theirs { project_folder(&path, listing.root.as_deref()) } else { None };
    Ok(Intake { file, size, files, bytes, plans, unknown, name, folder, limits })
}

/// Where the project lies in a folder: in it, or in the one folder that holds everything. None when it is no text.
fn project_folder(folder: &Path, stepped: Option<&str>) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let project = stepped.map_or_else(|| folder.clone(), |name| folder.join(name));
    project.into_os_string().into_string().ok()
}

fn pack(folder: &Path, limits: &Limits, temporary: &Path) -> Result<File, Problem> {
    let mut file = tempfile::tempfile_in(temporary).map_err(|e| {
        Problem::new(Code::Storage, format!("Slipway cannot write to its data folder: {}.", plain(&e)))
            .hint("Free some space and see that the folder belongs to you.")
    })?;
    pack_folder(folder, &mut file, limits, &mut |_| ControlFlow::Continue(()))
        .map_err(|r| refused(folder, &r))?;
    Ok(file)
}

fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        std::io::ErrorKind::PermissionDenied => "you may not read it".to_owned(),
        _ => error.to_string(),
    }
}

fn refused(path: &Path, refusal: &Refusal) -> Problem {
    let name =
        path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    let name: String = name.chars().filter(|c| !c.is_control()).take(120).collect();
    if let Refusal::Io { source, .. } = refusal
        && source.kind() == std::io::ErrorKind::StorageFull
    {
        return Problem::new(Code::DiskFull, format!("There is no room to pack {name} for sending."))
            .hint("Free some space on the disk with Slipway's data folder.")
            .detail(refusal.to_string());
    }
    Problem::new(Code::Refused, format!("{name} was refused: {refusal}."))
        .hint(refusal.hint())
        .detail(refusal.code())
}

/// A plan as skins see it.
pub(crate) fn plan_view(plan: &RunPlan, image: Option<&str>) -> Plan {
    let mut steps = Vec::new();
    let mut add = |phase, command: String| steps.push(PlanStep { phase, command });
    if let Some(step) = &plan.install {
        add(PhaseName::Install, step.display());
    }
    if let Some(step) = &plan.build {
        add(PhaseName::Build, step.display());
    }
    match &plan.start {
        Start::Command(step) => add(PhaseName::Start, step.display()),
        Start::Static { dir, .. } => {
            let folder = if dir.is_empty() { "the project's folder" } else { dir };
            add(PhaseName::Start, format!("serve {folder}"));
        }
    }
    Plan {
        id: plan.id.clone(),
        title: plan.title.clone(),
        image: image.unwrap_or(&plan.image.reference).to_owned(),
        steps,
        why: plan.why.clone(),
        evidence: plan.evidence.iter().map(|e| format!("{}: {}", e.file, e.fact)).collect(),
    }
}
