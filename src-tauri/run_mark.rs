//! The mark that every process this run starts carries in its environment, so that those it leaves behind can be told
//! from everybody else's. The one place that changes this process's environment.

use std::{env, fs::File, io, io::Read};

/// The environment variable.
pub(crate) const VARIABLE: &str = "SLIPWAY_RUN_MARK";

/// Makes a new mark and puts it into this process's environment. Called once, first thing in `main`.
pub(crate) fn set() -> io::Result<String> {
    let mut random = [0u8; 16];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    let mark = format!("{:032x}", u128::from_le_bytes(random));
    #[expect(unsafe_code, reason = "the standard library offers no safe way to change the own environment")]
    // SAFETY: `main` calls this before it starts a thread or enters a library that could, so nobody reads the
    // environment meanwhile.
    unsafe {
        env::set_var(VARIABLE, &mark);
    }
    Ok(mark)
}
