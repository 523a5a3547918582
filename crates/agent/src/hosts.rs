//! The container's own names. Docker writes `/etc/hosts` only where it made the network, and empties an image's. A
//! strict container has neither: its agent says so, and the engine runs `hosts` as root before any program runs.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::procfs::read_bounded;

/// Where every C library looks.
pub(crate) const PATH: &str = "/etc/hosts";

/// The names that mean the container itself; `slipway` is its host name.
const NAMES: &str = "127.0.0.1\tlocalhost slipway\n::1\tlocalhost ip6-localhost ip6-loopback\n";

/// Docker's own file is some hundred bytes; a longer one than this is somebody's, and left alone.
const MOST: u64 = 64 * 1024;

/// Whether nothing says where `localhost` is.
pub(crate) fn nameless(path: &Path) -> bool {
    let present = read(path);
    (present.len() as u64) < MOST && !names_localhost(&present)
}

/// Makes the file say where `localhost` is, unless it does already.
pub(crate) fn ensure(path: &Path) -> io::Result<()> {
    if !nameless(path) {
        return Ok(());
    }
    let present = read(path);
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Never through a link: what is there is gone, and what comes instead is new.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
    file.write_all(&present)?;
    if !present.is_empty() && !present.ends_with(b"\n") {
        file.write_all(b"\n")?;
    }
    file.write_all(NAMES.as_bytes())
}

fn read(path: &Path) -> Vec<u8> {
    read_bounded(path, MOST).unwrap_or_default()
}

fn names_localhost(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n')
        .map(|line| line.split(|byte| *byte == b'#').next().unwrap_or_default())
        .any(|line| line.split(u8::is_ascii_whitespace).skip(1).any(|name| name == b"localhost"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn after(before: Option<&str>) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("hosts");
        if let Some(before) = before {
            fs::write(&path, before).expect("a file");
        }
        assert_eq!(nameless(&path), before.is_none_or(|before| !names_localhost(before.as_bytes())));
        ensure(&path).expect("written");
        assert!(!nameless(&path));
        fs::read_to_string(&path).expect("text")
    }

    #[test]
    fn localhost_is_named_where_nobody_named_it() {
        assert_eq!(after(None), NAMES);
        assert_eq!(after(Some("")), NAMES);
        assert_eq!(after(Some("10.0.0.1 db")), format!("10.0.0.1 db\n{NAMES}"));
        let commented = "#127.0.0.1 localhost\n127.0.0.1 localhost.lan\n";
        assert_eq!(after(Some(commented)), format!("{commented}{NAMES}"));
    }

    #[test]
    fn a_file_that_names_it_is_left_alone() {
        for told in ["127.0.0.1\tlocalhost\n172.17.0.2\tslipway\n", "::1 ip6-loopback localhost # mine"] {
            assert_eq!(after(Some(told)), told);
        }
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, elsewhere) = (folder.path().join("hosts"), folder.path().join("elsewhere"));
        fs::write(&elsewhere, "mine").expect("a file");
        symlink(&elsewhere, &path).expect("a link");
        ensure(&path).expect("written");
        assert_eq!(fs::read_to_string(&elsewhere).expect("text"), "mine");
        assert!(fs::symlink_metadata(&path).expect("an entry").is_file());
    }
}
