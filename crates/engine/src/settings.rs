//! Settings: one TOML file that the app and the command line share. A file that cannot be read is told, not replaced.

use slipway_wire::{Code, Problem, Settings};
use std::{io, path::PathBuf, sync::Mutex};

/// A settings file beyond this is not one.
const MOST: u64 = 256 * 1024;
const DAY_S: u64 = 24 * 3600;

/// The settings in force.
pub(crate) struct SettingsFile {
    path: PathBuf,
    current: Mutex<Settings>,
}

impl SettingsFile {
    /// Reads the file. A broken one gives the defaults and the problem, to be shown.
    pub(crate) fn open(path: PathBuf) -> (Self, Option<Problem>) {
        let (current, problem) = match read(&path) {
            Ok(settings) => (settings, None),
            Err(problem) => (Settings::default(), Some(problem)),
        };
        (Self { path, current: Mutex::new(current) }, problem)
    }

    /// A copy of the settings in force.
    pub(crate) fn get(&self) -> Settings {
        self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Checks, writes and takes over new settings. What cannot be written is not taken over.
    pub(crate) fn set(&self, settings: Settings) -> Result<Settings, Problem> {
        check(&settings)?;
        let text = toml::to_string_pretty(&settings).map_err(|e| {
            Problem::new(Code::Internal, format!("The settings could not be written as TOML: {e}."))
        })?;
        write(&self.path, &text).map_err(|e| {
            Problem::new(
                Code::Storage,
                format!("The settings file {} cannot be written.", self.path.display()),
            )
            .hint("See that the file and its folder belong to you and are not read-only.")
            .detail(e.to_string())
        })?;
        *self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = settings.clone();
        Ok(settings)
    }
}

fn write(path: &std::path::Path, text: &str) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("it has no folder"))?;
    std::fs::create_dir_all(folder)?;
    // Renaming over a read-only file would succeed; a person who made it so meant it.
    if path.metadata().is_ok_and(|m| m.permissions().readonly()) {
        return Err(io::Error::from(io::ErrorKind::PermissionDenied));
    }
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

fn read(path: &std::path::Path) -> Result<Settings, Problem> {
    let broken = |why: String| {
        Problem::new(
            Code::Invalid,
            format!("The settings file {} cannot be used; defaults are in force.", path.display()),
        )
        .hint("Mend or delete it; saving settings in the app writes a new one.")
        .detail(why)
    };
    match path.metadata() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Settings::default()),
        Err(e) => return Err(broken(e.to_string())),
        Ok(meta) if meta.len() > MOST => return Err(broken(format!("it has {} bytes", meta.len()))),
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(path).map_err(|e| broken(e.to_string()))?;
    let settings: Settings = toml::from_str(&text).map_err(|e| broken(e.to_string()))?;
    check(&settings).map_err(|p| broken(p.message))?;
    Ok(settings)
}

/// Checks each setting, naming the first that is wrong.
fn check(settings: &Settings) -> Result<(), Problem> {
    let within = |name: &str, value: u64, least: u64, most: u64| {
        if (least..=most).contains(&value) {
            return Ok(());
        }
        Err(Problem::new(Code::Invalid, format!("{name} must be {least} to {most}, not {value}."))
            .field(name))
    };
    if settings.duration_s != 0 {
        within("duration_s", settings.duration_s, 60, 30 * DAY_S)?;
    }
    within("grace_s", settings.grace_s, 0, 30 * DAY_S)?;
    within("idle_stop_min", settings.idle_stop_min, 0, 30 * 24 * 60)?;
    within("listen_timeout_s", settings.listen_timeout_s, 5, 3600)?;
    within("pool_size", settings.pool_size.unwrap_or_default().into(), 0, 100)?;
    if settings.disk_limit_mb != 0 {
        within("disk_limit_mb", settings.disk_limit_mb, 64, 1024 * 1024)?;
    }
    within("log_limit_mb", settings.log_limit_mb, 1, 4096)?;
    within("terminal_history_mb", settings.terminal_history_mb, 4, 16)?;
    within("terminal_font_px", settings.terminal_font_px.into(), 8, 32)?;
    crate::deploy::intake_limits(&settings.intake)?;
    if settings.allow_hosts.len() > 1000 {
        return Err(
            Problem::new(Code::Limit, "allow_hosts may name at most 1,000 hosts.").field("allow_hosts")
        );
    }
    let host = &settings.docker_host;
    if !host.is_empty()
        && !["unix://", "npipe://", "tcp://", "http://", "https://", "ssh://"]
            .iter()
            .any(|s| host.starts_with(s))
    {
        return Err(Problem::new(Code::Invalid, format!("docker_host {host:?} is not an address."))
            .field("docker_host")
            .hint(
                "It looks like `unix:///var/run/docker.sock` or `tcp://host:2376`; empty finds it by itself.",
            ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_as_they_were_saved() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/settings.toml");
        let (file, problem) = SettingsFile::open(path.clone());
        assert_eq!(problem, None);
        let wanted = Settings { duration_s: 120, ..Settings::default() };
        file.set(wanted.clone()).unwrap();
        assert_eq!(SettingsFile::open(path).0.get(), wanted);
    }

    #[test]
    fn a_wrong_value_is_named_and_nothing_changes() {
        let dir = tempfile::tempdir().unwrap();
        let (file, _) = SettingsFile::open(dir.path().join("s.toml"));
        let wrong = file.set(Settings { duration_s: 5, ..Settings::default() }).unwrap_err();
        assert!(wrong.message.contains("duration_s"), "{wrong}");
        assert_eq!(wrong.field.as_deref(), Some("duration_s"));
        let wrong = file.set(Settings { docker_host: "x".into(), ..Settings::default() }).unwrap_err();
        assert_eq!(wrong.field.as_deref(), Some("docker_host"));
        assert_eq!(file.get(), Settings::default());
    }

    #[test]
    fn a_broken_file_is_told_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.toml");
        std::fs::write(&path, "duration_s = \"long\"").unwrap();
        let (file, problem) = SettingsFile::open(path.clone());
        assert!(problem.is_some());
        assert_eq!(file.get(), Settings::default());
        assert_eq!(std::fs::read_to_string(path).unwrap(), "duration_s = \"long\"");
    }
}
