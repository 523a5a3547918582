//! Developer tasks that need Rust: bindings and the static agent. Shell belongs in `./dev`, which calls these.
#![expect(clippy::print_stdout, reason = "a command-line tool")]

use anyhow::{Context, Result, bail};
use std::{env, fs, path::PathBuf, process::Command};

const HELP: &str = "cargo xtask TASK

  types [--check]   write ui/src/lib/wire/index.ts from crates/wire (or fail when it is behind)
  agent             build the static in-container agent and print its path
";

fn main() -> Result<()> {
    let mut args = env::args().skip(1);
    let task = args.next();
    match (task.as_deref(), args.next().as_deref()) {
        (Some("types"), None) => types(false),
        (Some("types"), Some("--check")) => types(true),
        (Some("agent"), None) => agent(),
        (None | Some("help" | "--help" | "-h"), _) => {
            print!("{HELP}");
            Ok(())
        }
        (Some(other), _) => bail!("there is no task {other:?}\n\n{HELP}"),
    }
}

/// The checkout cargo runs this in, not the one it was built in: several may share a target directory.
fn root() -> Result<PathBuf> {
    let manifest =
        env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`, which says where it is")?;
    let manifest = PathBuf::from(manifest);
    Ok(manifest.parent().context("xtask lies in the workspace")?.to_owned())
}

fn types(check: bool) -> Result<()> {
    let path = root()?.join("ui/src/lib/wire/index.ts");
    let wanted = slipway_wire::typescript();
    let current = fs::read_to_string(&path).unwrap_or_default();
    if current == wanted {
        return Ok(());
    }
    if check {
        bail!("{} is behind crates/wire: run `cargo xtask types`", path.display());
    }
    fs::create_dir_all(path.parent().context("the file has a folder")?)?;
    fs::write(&path, wanted).with_context(|| format!("writing {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

/// The agent is linked statically, so it has its own target directory: other flags would rebuild every dependency
/// of the rest of the house each time.
fn agent() -> Result<()> {
    let arch = env::consts::ARCH;
    let triple = format!("{arch}-unknown-linux-gnu");
    let base =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().map(|r| r.join("target")), |d| Ok(d.into()))?;
    let target = base.join("agent-build");
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root()?)
        .args([
            "build",
            "--quiet",
            "--locked",
            "-p",
            "slipway-agent",
            "--profile",
            "agent",
            "--target",
            &triple,
        ])
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTFLAGS", "-C target-feature=+crt-static -C relocation-model=static")
        .status()
        .context("starting cargo")?;
    if !status.success() {
        bail!("the agent did not build");
    }
    let built = target.join(&triple).join("agent/slipway-agent");
    let wanted = base.join(format!("slipway-agent-{arch}"));
    fs::copy(&built, &wanted)
        .with_context(|| format!("copying {} to {}", built.display(), wanted.display()))?;
    println!("{}", wanted.display());
    Ok(())
}
