//! What the app was started with: projects to open and the few switches. Pure parsing; a second launch's arguments come
//! through the same door. Nothing is opened or checked on disk here.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// Shown for `--help`.
pub(crate) const HELP: &str = "slipway-desktop [PATH...]

Opens Slipway. Each PATH, a zip or a folder, starts deploying at once.

  -h, --help     print this
  -V, --version  print the version

Environment:
  SLIPWAY_DATA_DIR  where Slipway keeps everything it keeps
  SLIPWAY_LOG       what goes into the log in that folder, such as `debug` or `slipway_engine=trace`
";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arguments {
    /// Open the window, with these projects (absolute paths).
    Open(Vec<PathBuf>),
    /// Print the help.
    Help,
    /// Print the version.
    Version,
    /// A switch nobody knows.
    Unknown(String),
}

/// Reads arguments, the program's own name not among them. Relative paths are taken from `from`.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>, from: &Path) -> Arguments {
    let mut paths = Vec::new();
    let mut only_paths = false;
    for argument in arguments {
        match argument.to_str() {
            Some("--") if !only_paths => only_paths = true,
            Some("-h" | "--help") if !only_paths => return Arguments::Help,
            Some("-V" | "--version") if !only_paths => return Arguments::Version,
            Some(switch) if !only_paths && switch.starts_with('-') && switch != "-" => {
                return Arguments::Unknown(switch.to_owned());
            }
            _ => paths.push(from.join(argument)),
        }
    }
    Arguments::Open(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: &[&str], wanted: &Arguments) {
        let got = parse(arguments.iter().map(OsString::from), Path::new("/home/me"));
        assert_eq!(&got, wanted, "{arguments:?}");
    }

    #[test]
    fn paths_are_made_absolute_and_switches_are_known() {
        let open = |paths: &[&str]| Arguments::Open(paths.iter().map(PathBuf::from).collect());
        check(&[], &open(&[]));
        check(&["shop.zip", "/srv/app"], &open(&["/home/me/shop.zip", "/srv/app"]));
        check(&["--", "--help"], &open(&["/home/me/--help"]));
        check(&["shop.zip", "--help"], &Arguments::Help);
        check(&["-V"], &Arguments::Version);
        check(&["--open"], &Arguments::Unknown("--open".into()));
    }
}
