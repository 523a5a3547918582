//! `slipway cp`: files and folders both ways, and a container that tries to write outside the chosen folder.

use crate::house::House;
use anyhow::{Context as _, Result};
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
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
