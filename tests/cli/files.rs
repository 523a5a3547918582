//! `slipway cp`: files and folders both ways, and a container that tries to write outside the chosen folder.

use crate::house::House;
use anyhow::{Context as _, Result, ensure};
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    io::Read as _,
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::{PermissionsExt as _, symlink},
    },
    path::Path,
    process::Stdio,
    time::Instant,
};

#[test]
fn a_file_goes_in_and_comes_back_as_it_was() -> Result<()> {
    let house = House::new()?;
    let id = house.hello()?;
    let here = house.temp.path().join("bytes.bin");
    let content: Vec<u8> = (0..3_000_000_u32).flat_map(|n| (n ^ (n >> 7)).to_le_bytes()).collect();
    fs::write(&here, &content)?;
    let path = here.to_str().context("text")?;
    house.ok(&["cp", path, &format!("{id}:")])?;
    let back = house.temp.path().join("back.bin");
    house.ok(&["cp", &format!("{id}:bytes.bin"), back.to_str().context("text")?])?;
    assert!(fs::read(&back)? == content);
    let stream = house.run(&["cp", &format!("{id}:/workspace/bytes.bin"), "-"])?;
    assert!(stream.code == 0 && stream.out == content, "{stream:?}");
    let put = house.run_with(&["cp", "-", &format!("{id}:said.txt")], b"from standard input")?;
    assert_eq!(put.code, 0, "{put:?}");
    assert_eq!(house.ok(&["shell", &id, "--", "cat", "said.txt"])?, "from standard input");
    assert_eq!(house.run(&["cp", &format!("{id}:nothing"), "-"])?.code, 6);
    Ok(())
}

#[test]
fn a_folder_goes_in_and_comes_back_with_modes_and_links() -> Result<()> {
    let house = House::new()?;
    let id = house.hello()?;
    let tree = house.temp.path().join("tree");
    fs::create_dir_all(tree.join("sub/empty"))?;
    fs::write(tree.join("sub/tool.sh"), "#!/bin/sh\necho ran\n")?;
    fs::set_permissions(tree.join("sub/tool.sh"), fs::Permissions::from_mode(0o755))?;
    fs::write(tree.join("naïve name.txt"), "text")?;
    symlink("sub/tool.sh", tree.join("link"))?;
    symlink("/etc/passwd", tree.join("out"))?;
    let ran = house.run(&["cp", tree.to_str().context("text")?, &format!("{id}:")])?;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("out"), "the link that was left out is named: {ran:?}");
    assert_eq!(house.ok(&["shell", &id, "--", "./tree/link"])?, "ran\n");

    // To a name that is not there: its content lands there; to one that is: inside it.
    let back = house.temp.path().join("back");
    house.ok(&["cp", &format!("{id}:tree"), back.to_str().context("text")?])?;
    assert_eq!(fs::read_to_string(back.join("naïve name.txt"))?, "text");
    assert_eq!(fs::read_link(back.join("link"))?.to_str(), Some("sub/tool.sh"));
    assert_eq!(fs::metadata(back.join("sub/tool.sh"))?.permissions().mode() & 0o777, 0o755);
    assert!(back.join("sub/empty").is_dir());
    house.ok(&["cp", &format!("{id}:tree"), back.to_str().context("text")?])?;
    assert!(back.join("tree/sub/tool.sh").is_file());
    Ok(())
}

#[test]
fn a_container_cannot_write_outside_the_chosen_folder() -> Result<()> {
    let house = House::new()?;
    let id = house.hello()?;
    let outside = house.temp.path().join("outside");
    fs::create_dir(&outside)?;
    fs::write(outside.join("victim"), "untouched")?;
    let make = format!(
        "mkdir -p bad/sub && cd bad && ln -s {0} abs && ln -s ../../outside up && ln -s .. sub/fine && mkfifo pipe \
         && echo mine > victim && echo x > 'odd\\name' && ln -s sub/../../../outside chain",
        outside.display()
    );
    house.ok(&["shell", &id, "--", "sh", "-c", &make])?;
    let chosen = house.temp.path().join("chosen");
    fs::create_dir(&chosen)?;
    // What a first download or the person left: a link where the container has a file or a folder.
    fs::create_dir(chosen.join("bad"))?;
    symlink(outside.join("victim"), chosen.join("bad/victim"))?;
    let ran = house.run(&["cp", &format!("{id}:bad"), chosen.to_str().context("text")?])?;
    assert_eq!(ran.code, 0, "{ran:?}");
    for left_out in ["abs", "up", "chain", "pipe"] {
        assert!(ran.err.contains(left_out), "{left_out} is named: {ran:?}");
        assert!(fs::symlink_metadata(chosen.join("bad").join(left_out)).is_err(), "{left_out}");
    }
    assert_eq!(fs::read_to_string(chosen.join("bad/victim"))?, "mine\n");
    assert_eq!(fs::read_to_string(outside.join("victim"))?, "untouched");
    assert_eq!(fs::read_dir(&outside)?.count(), 1);
    // A link to a folder outside stands where the container has a folder: refused, nothing written through it.
    fs::remove_dir_all(chosen.join("bad/sub"))?;
    symlink(&outside, chosen.join("bad/sub"))?;
    let refused = house.run(&["cp", &format!("{id}:bad"), chosen.to_str().context("text")?])?;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert_eq!(fs::read_dir(&outside)?.count(), 1);
    Ok(())
}

/// Any name a file can have goes through the whole chain, both ways, alone and in a folder.
#[test]
fn names_of_any_bytes_go_in_and_come_back() -> Result<()> {
    let house = House::new()?;
    let id = house.hello()?;
    let long = "n".repeat(255);
    let names = [
        &b"not\xffutf\xfe8"[..],
        b"new\nline",
        b"back\\slash",
        b"\\x41",
        "\u{dc}bergr\u{f6}\u{df}e".as_bytes(),
        long.as_bytes(),
    ];
    let tree = house.temp.path().join("tree");
    fs::create_dir_all(tree.join(OsStr::from_bytes(b"dir\xfe\n")))?;
    for name in names {
        fs::write(tree.join(OsStr::from_bytes(name)), name)?;
        fs::write(tree.join(OsStr::from_bytes(b"dir\xfe\n")).join(OsStr::from_bytes(name)), name)?;
    }
    let there = |path: &[u8]| OsString::from_vec([id.as_bytes(), b":", path].concat());
    let cp = |source: &OsStr, target: &OsStr| -> Result<()> {
        let output = house.command(&[OsStr::new("cp"), source, target]).output()?;
        ensure!(
            output.status.success(),
            "{source:?} to {target:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    };
    cp(tree.as_os_str(), &there(b""))?;
    let back = house.temp.path().join("back");
    cp(&there(b"tree"), back.as_os_str())?;
    assert_eq!(content(&back)?, content(&tree)?);
    let single = house.temp.path().join("single");
    fs::create_dir(&single)?;
    for name in names {
        cp(tree.join(OsStr::from_bytes(name)).as_os_str(), &there(&[b"alone/", name].concat()))?;
        cp(&there(&[b"alone/", name].concat()), single.as_os_str())?;
        assert_eq!(fs::read(single.join(OsStr::from_bytes(name)))?, name);
    }
    Ok(())
}

/// Every file below a folder, with what is in it.
fn content(root: &Path) -> Result<BTreeMap<OsString, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.insert(path.strip_prefix(root)?.as_os_str().to_owned(), fs::read(&path)?);
            }
        }
    }
    Ok(found)
}

#[test]
fn modes_of_a_folder_are_kept_and_what_is_there_is_merged_with() -> Result<()> {
    let house = House::new()?;
    let id = house.hello()?;
    let tree = house.temp.path().join("tree");
    fs::create_dir_all(tree.join("closed"))?;
    for (name, mode) in [("closed/secret", 0o600), ("tool", 0o755), ("plain", 0o644), ("closed", 0o500)] {
        if name != "closed" {
            fs::write(tree.join(name), name)?;
        }
        fs::set_permissions(tree.join(name), fs::Permissions::from_mode(mode))?;
    }
    house.ok(&[
        "shell",
        &id,
        "--",
        "sh",
        "-c",
        "mkdir -p tree/plain && echo stays > tree/other && echo old > tree/tool",
    ])?;
    let path = format!("{}/.", tree.to_str().context("text")?);
    house.ok(&["cp", &path, &format!("{id}:tree")])?;
    let listed = house.ok(&["shell", &id, "--", "sh", "-c", "cd tree && stat -c '%a %n' * closed/*"])?;
    assert_eq!(listed, "500 closed\n644 other\n644 plain\n755 tool\n600 closed/secret\n");
    assert_eq!(house.ok(&["shell", &id, "--", "cat", "tree/other", "tree/tool"])?, "stays\ntool");
    let left = house.ok(&["shell", &id, "--", "sh", "-c", "ls -A tree"])?;
    assert!(!left.contains(".slipway"), "nothing is left beside it: {left}");
    fs::set_permissions(tree.join("closed"), fs::Permissions::from_mode(0o700))?;
    Ok(())
}

#[test]
fn a_folder_becomes_one_zip_in_a_file_or_on_standard_output() -> Result<()> {
    let house = House::new()?;
    let id = house.hello()?;
    let make = "mkdir -p site/sub && echo page > site/index.html && printf '#!/bin/sh\n' > site/sub/run && chmod 755 site/sub/run \
                && ln -s sub/run site/link && ln -s /etc/passwd site/out && seq 1 200000 > site/numbers && mkfifo site/pipe";
    house.ok(&["shell", &id, "--", "sh", "-c", make])?;
    let target = house.temp.path().join("site.zip");
    let ran = house.run(&["cp", "--zip", &format!("{id}:site"), target.to_str().context("text")?])?;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("out") && ran.err.contains("pipe"), "what was left out is named: {ran:?}");
    let stream = house.run(&["cp", "--zip", &format!("{id}:site"), "-"])?;
    assert_eq!(stream.code, 0, "{}", stream.err);
    for bytes in [fs::read(&target)?, stream.out] {
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes))?;
        let mut found = BTreeMap::new();
        for index in 0..zip.len() {
            let mut entry = zip.by_index(index)?;
            let mut text = String::new();
            entry.read_to_string(&mut text)?;
            found.insert(entry.name()?.into_owned(), (entry.unix_mode().unwrap_or(0) & 0o777, text));
        }
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["index.html", "link", "numbers", "sub/", "sub/run"]);
        assert_eq!(found["index.html"], (0o644, "page\n".to_owned()));
        assert_eq!(found["sub/run"].0, 0o755);
        assert_eq!(found["numbers"].1.lines().count(), 200_000);
    }
    assert_eq!(house.run(&["cp", "--zip", &format!("{id}:server.js"), "-"])?.code, 2, "only a folder");
    Ok(())
}

#[test]
fn a_zip_becomes_what_it_holds_in_the_folder_that_is_named() -> Result<()> {
    let house = House::new()?;
    let id = house.hello()?;
    let make = "mkdir -p 'site/odd name/sub' && echo page > 'site/odd name/index.html' && chmod 755 'site/odd name/sub' \
                && printf '#!/bin/sh\necho ran\n' > site/run && chmod 755 site/run && ln -s run site/link";
    house.ok(&["shell", &id, "--", "sh", "-c", make])?;
    let zip = house.temp.path().join("site.zip");
    let path = zip.to_str().context("text")?;
    house.ok(&["cp", "--zip", &format!("{id}:site"), path])?;
    // Out and in again is what it was; a folder that holds all the rest stays, and what was there already too.
    for (source, target, input) in [(path, "made/new", &[][..]), ("-", "site", &fs::read(&zip)?)] {
        let ran = house.run_with(&["cp", "--zip", source, &format!("{id}:{target}")], input)?;
        assert_eq!(ran.code, 0, "{ran:?}");
        let compare = format!(
            "./{target}/link && cat '{target}/odd name/index.html' && diff -r site {target} && find {target} -name '.slipway*'"
        );
        assert_eq!(house.ok(&["shell", &id, "--", "sh", "-c", &compare])?, "ran\npage\n");
    }
    slipway_tests::project::zip_of(&zip, &[("only/one.txt", "1"), ("../out.txt", "2")])?;
    let ran = house.run(&["cp", "--zip", path, &format!("{id}:bad")])?;
    assert!(ran.code == 4 && ran.err.contains("out.txt"), "refused like a drop: {ran:?}");
    assert_eq!(
        house.ok(&["shell", &id, "--", "sh", "-c", "ls -A bad ../out.txt out.txt 2>/dev/null || true"])?,
        ""
    );
    slipway_tests::project::zip_of(&zip, &[("only/one.txt", "1")])?;
    house.ok(&["cp", "--zip", path, &format!("{id}:good")])?;
    assert_eq!(house.ok(&["shell", &id, "--", "cat", "good/only/one.txt"])?, "1");
    let file = house.run(&["cp", "--zip", path, &format!("{id}:server.js")])?;
    assert!(file.code != 0 && file.err.contains("not a folder"), "{file:?}");
    assert_eq!(
        house.run(&["cp", "--zip", house.temp.path().to_str().context("text")?, &format!("{id}:")])?.code,
        2
    );
    Ok(())
}

/// What is on its way beside a target, hidden: its names and sizes.
fn on_its_way(folder: &Path) -> Result<Vec<(OsString, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_bytes().starts_with(b".slipway-") {
            found.push((entry.file_name(), entry.metadata()?.len()));
        }
    }
    Ok(found)
}

#[test]
fn a_download_and_an_upload_whose_command_was_killed_go_on() -> Result<()> {
    const SIZE: usize = 200_000_000;
    let house = House::new()?;
    let id = house.hello()?;
    let here = house.temp.path().join("here");
    fs::create_dir(&here)?;
    // Not the same everywhere, so that an offset that is wrong shows.
    house.ok(&["shell", &id, "--", "sh", "-c", &format!("seq 1 30000000 | head -c {SIZE} > large")])?;
    let there = format!("{id}:large");
    let target = here.join("large");
    let text = target.to_str().context("text")?;
    let mut killed = house.command(&["cp", &there, text]).spawn()?;
    let began = Instant::now();
    while on_its_way(&here)?.iter().all(|(_, size)| *size < 1_000_000) {
        ensure!(killed.try_wait()?.is_none(), "it ended before it could be killed");
        ensure!(began.elapsed() < super::house::LONG, "nothing ever came");
    }
    killed.kill()?;
    killed.wait()?;
    assert_eq!(on_its_way(&here)?.len(), 1, "what came is kept");
    assert!(!target.exists(), "and is not the file");
    let went_on = house.run(&["cp", &there, text])?;
    assert_eq!(went_on.code, 0, "{went_on:?}");
    assert!(went_on.err.contains("Going on after"), "{went_on:?}");
    assert!(on_its_way(&here)?.is_empty());
    let sum = |path: &str| house.ok(&["shell", &id, "--", "sh", "-c", &format!("sha256sum < {path}")]);
    let theirs = sum("large")?;
    let ours = std::process::Command::new("sha256sum").stdin(fs::File::open(&target)?).output()?;
    assert_eq!(String::from_utf8(ours.stdout)?, theirs);

    // The other way. How far it is, the container tells.
    let back = format!("{id}:back");
    let mut killed = house.command(&["cp", text, &back]).stderr(Stdio::null()).spawn()?;
    let part = "stat -c %s .slipway-*.part 2>/dev/null || echo 0";
    let began = Instant::now();
    while house.ok(&["shell", &id, "--", "sh", "-c", part])?.trim().parse::<u64>()? == 0 {
        ensure!(killed.try_wait()?.is_none(), "it ended before it could be killed");
        ensure!(began.elapsed() < super::house::LONG, "nothing ever arrived");
    }
    killed.kill()?;
    killed.wait()?;
    let went_on = house.run(&["cp", text, &back])?;
    assert_eq!(went_on.code, 0, "{went_on:?}");
    assert!(went_on.err.contains("Going on after"), "{went_on:?}");
    assert_eq!(sum("back")?, theirs);
    assert!(!house.ok(&["shell", &id, "--", "ls", "-A"])?.contains(".slipway-"));
    Ok(())
}
