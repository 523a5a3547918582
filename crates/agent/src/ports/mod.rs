//! Port discovery: listening sockets appear and go, each tied to the process that holds it. Looks often after something
//! started and ever more rarely while nothing happens, and only while somebody watches.

mod diag;
mod owner;
mod table;
mod watch;

pub(crate) use self::owner::owners;
pub(crate) use self::table::Listener;
pub(crate) use self::watch::watch;
use crate::procfs::read_bounded;

/// One table is read up to so many bytes: some ten thousand sockets. Listening ones come first.
const TABLE_BYTES: u64 = 2 * 1024 * 1024;

/// All listening TCP sockets in the container, IPv4 and IPv6.
pub(crate) fn listeners() -> Vec<Listener> {
    // Kernels without it, and sandboxes that only look like one, have the text.
    diag::listeners().unwrap_or_else(|_| from_tables())
}

fn from_tables() -> Vec<Listener> {
    let mut found = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        // A kernel without IPv6 has no second table.
        found.extend(table::parse(&read_bounded(table, TABLE_BYTES).unwrap_or_default()));
    }
    found
}
