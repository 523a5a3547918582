//! Projects as people have them: folders and zips of the samples, and zips made entry by entry.

use anyhow::{Context, Result};
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};
use zip::{ZipWriter, write::SimpleFileOptions};

/// A bundled sample's folder.
pub fn sample(name: &str) -> Result<PathBuf> {
    let folder = crate::root()?.join("samples").join(name);
    anyhow::ensure!(folder.is_dir(), "there is no sample {name}");
    Ok(folder)
}

/// Zips a sample into `to` as a file manager would, the folder itself at the top.
pub fn zip_sample(name: &str, to: &Path) -> Result<PathBuf> {
    let folder = sample(name)?;
    let mut files = Vec::new();
    collect(&folder, &mut files)?;
    let path = to.join(format!("{name}.zip"));
    let mut zip = ZipWriter::new(File::create(&path)?);
    for file in files {
        let inner = file.strip_prefix(&folder)?;
        let entry = Path::new(name).join(inner);
        zip.start_file(entry.to_str().context("a name that is not text")?, SimpleFileOptions::default())?;
        zip.write_all(&fs::read(&file)?)?;
    }
    zip.finish()?;
    Ok(path)
}

/// A zip with exactly these entries, names as they are.
pub fn zip_of(path: &Path, entries: &[(&str, &str)]) -> Result<()> {
    let mut zip = ZipWriter::new(File::create(path)?);
    for (name, text) in entries {
        zip.start_file(*name, SimpleFileOptions::default())?;
        zip.write_all(text.as_bytes())?;
    }
    zip.finish()?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_install = path.file_name().is_some_and(|name| name == "node_modules" || name == "dist");
        if path.is_dir() && !is_install {
            collect(&path, files)?;
        } else if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}
