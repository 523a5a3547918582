//! A lane's file, opened on this side. Where containers run under this machine's own kernel, and it lets this user look
//! into the workspace's programs (root, and who has their user's number), bytes need not go through Docker at all.
//!
//! Nothing here follows a path of the container. What is opened is the very file that a program of ours holds open there,
//! however the code beside it moves things about; and it is a regular one of the container's own file system, or nothing.
//! So no pipe, no device, nothing of `/proc`, and nothing that could keep whoever opens it waiting. To be written, it must
//! belong to the program's own user: what code in the container may not write, no user of this machine writes for it.

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, StatxFlags, openat, statx},
    path::Arg,
};
use slipway_agent_api::lane::FILE;
use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _},
    os::{
        fd::{AsFd, AsRawFd as _, OwnedFd},
        unix::fs::OpenOptionsExt as _,
    },
};

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Opens the file of the lane that runs as `argv` and that Docker says is process `pid`.
///
/// # Errors
/// The process is not here (Docker runs elsewhere, the lane has ended), this user may not look into it, or what it has
/// there is not a regular file of its container's own file system.
pub(super) fn open(pid: u32, argv: &[&str], access: Access) -> io::Result<File> {
    // Held open, it is this process's or nobody's, whoever is given the number next.
    let process = place(rustix::fs::CWD, format!("/proc/{pid}"))?;
    if !runs(&process, argv)? {
        return Err(io::Error::new(io::ErrorKind::NotFound, "another program has the lane's number here"));
    }
    let (root, file) = (place(&process, "root")?, place(&process, format!("fd/{FILE}"))?);
    own_file(&root, &file)?;
    if access == Access::Write && owner(&file)? != owner(&process)? {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to somebody else"));
    }
    // A lease on it would keep us waiting.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new()
        .read(access == Access::Read)
        .write(access == Access::Write)
        .custom_flags(flags.bits().cast_signed())
        .open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Something as a place only: nothing is opened of what is there.
fn place(of: impl AsFd, path: impl Arg) -> io::Result<OwnedFd> {
    Ok(openat(of, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
}

/// Whether a process was started as this: where Docker runs in a virtual machine or behind a tunnel, another has its number.
fn runs(process: &OwnedFd, argv: &[&str]) -> io::Result<bool> {
    let expected: Vec<u8> = argv.iter().flat_map(|argument| argument.bytes().chain([0])).collect();
    let line = openat(process, "cmdline", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut told = Vec::new();
    File::from(line).take(expected.len() as u64 + 1).read_to_end(&mut told)?;
    Ok(told == expected)
}

/// Checks that `file` is a regular one that lies in the same mount as `root`.
fn own_file(root: &OwnedFd, file: &OwnedFd) -> io::Result<()> {
    let look = |at| statx(at, c"", AtFlags::EMPTY_PATH, StatxFlags::TYPE | StatxFlags::MNT_ID);
    let (root, file) = (look(root)?, look(file)?);
    let told = |mask: u32| StatxFlags::from_bits_retain(mask).contains(StatxFlags::MNT_ID);
    let regular = FileType::from_raw_mode(file.stx_mode.into()) == FileType::RegularFile;
    if regular && told(root.stx_mask) && told(file.stx_mask) && root.stx_mnt_id == file.stx_mnt_id {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::Unsupported, "it is not a file of the container's own file system"))
}

/// Whose something is; of a process, whose rights it has.
fn owner(of: &OwnedFd) -> io::Result<u32> {
    Ok(statx(of, c"", AtFlags::EMPTY_PATH, StatxFlags::UID)?.stx_uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        path::Path,
        process::{Command, Stdio},
    };

    /// What comes of opening what is at `path` once a shell holds it as a lane holds its file, and `then` was done.
    fn opened(path: &Path, then: impl FnOnce(&mut Vec<String>)) -> io::Result<File> {
        let mut argv = ["sh", "-c", "exec 3<>\"$0\"; echo; read line", &path.to_string_lossy()]
            .map(str::to_owned)
            .to_vec();
        let mut shell = Command::new(&argv[0])
            .args(&argv[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        shell.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
        then(&mut argv);
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let opened = open(shell.id(), &argv, Access::Write);
        drop(shell.stdin.take());
        shell.wait().unwrap();
        opened
    }

    #[test]
    fn only_a_regular_file_of_the_root_that_the_very_program_holds_is_opened() {
        // Beside the test's own program, which lies in the root's file system where a temporary folder may not.
        let here = std::env::current_exe().unwrap();
        let folder = tempfile::tempdir_in(here.parent().unwrap()).unwrap();
        let at = |name: &str| folder.path().join(name);
        let file = at("file");
        std::fs::write(&file, "content").unwrap();
        std::fs::write(at("other"), "else").unwrap();
        let in_root = {
            let place = |path: &Path| place(rustix::fs::CWD, path).unwrap();
            own_file(&place(Path::new("/")), &place(&file)).is_ok()
        };
        // Another file has its name by the time it is opened.
        let swapped = opened(&file, |_| {
            std::fs::rename(&file, at("moved")).unwrap();
            std::os::unix::fs::symlink(at("other"), &file).unwrap();
        });
        match swapped {
            Ok(file) => assert!(in_root && file.metadata().unwrap().len() == 7, "it is the other one"),
            Err(error) => assert!(!in_root && error.kind() == io::ErrorKind::Unsupported, "{error}"),
        }
        for wrong in
            [|argv: &mut Vec<String>| argv.push("more".to_owned()), |argv: &mut Vec<String>| drop(argv.pop())]
        {
            let refused = opened(&at("moved"), wrong).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::NotFound, "{refused}");
        }
        // Only root can try: what it gives away is not written for whoever lets it lie there.
        if in_root && std::os::unix::fs::chown(at("moved"), Some(4711), None).is_ok() {
            let refused = opened(&at("moved"), |_| {}).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied, "{refused}");
        }
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        for odd in [at("pipe"), "/dev/null".into(), "/proc/self/comm".into()] {
            let refused = opened(&odd, |_| {}).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::Unsupported, "{}: {refused}", odd.display());
        }
    }

    #[test]
    fn a_process_that_is_not_here_is_no_lane() {
        assert_eq!(open(u32::MAX, &["lane"], Access::Read).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
