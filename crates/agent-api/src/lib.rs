//! The contract between the engine and the in-container agent: messages, client and server generated from
//! `proto/agent.proto`, the constants both sides must agree on, and how a tree of files becomes bytes. Nothing else
//! lives here.

pub mod lane;
pub mod records;
pub mod tree;

/// Generated messages, client and server.
#[expect(clippy::pedantic, missing_docs, reason = "generated code; the .proto carries the documentation")]
pub mod v1 {
    tonic::include_proto!("slipway.agent.v1");
}

/// Raised whenever the contract changes in a way an older side would misread. The engine prepares the image again
/// when an agent answers with another number.
pub const PROTOCOL: u32 = 1;

/// Where the agent lies in a prepared image: root's directory, not writable by the code that runs there.
pub const AGENT_PATH: &str = "/.slipway/agent";

/// The host's certificate bundle in a prepared image.
pub const CERTIFICATES_PATH: &str = "/.slipway/certificates.pem";
/// Those of them that are no public authority's, if there are any.
pub const OWN_CERTIFICATES_PATH: &str = "/.slipway/own-certificates.pem";

/// What every Node reads before its program where it is to use the agent's proxy; see the file itself.
pub const NODE_PROXY_PATH: &str = "/.slipway/node-proxy.cjs";

/// The agent's Unix socket. An abstract name (no file): nothing to clean up, and no directory has to be writable.
/// Code in the container can reach it too; it has the same rights as the agent, so that gives it nothing.
pub const SOCKET_NAME: &str = "slipway-agent";

/// The user and group everything in a strict container runs as, the agent included.
pub const UID: u32 = 1000;

/// Home of [`UID`] in a prepared image.
pub const HOME: &str = "/home/slipway";

/// Where the project lies unless the user asks for another root.
pub const WORKSPACE: &str = "/workspace";

/// The container-loopback port of the agent's outgoing proxy: above the ephemeral range, and no one's default.
pub const EGRESS_PORT: u16 = 61128;

/// Largest payload of one streamed message, in bytes. Above it tonic's framing costs more than it saves.
pub const MAX_CHUNK: usize = 256 * 1024;

/// Largest HTTP/2 frame either side takes, in bytes: a payload and what gRPC puts around it. At HTTP/2's own 16 KiB a
/// chunk would be sixteen writes, and as many copies in everything that lies between.
pub const MAX_FRAME: u32 = MAX_CHUNK as u32 + 1024;

/// HTTP/2 window of one stream, in bytes: what may be on its way before the reader has taken any of it.
pub const STREAM_WINDOW: u32 = 4 * 1024 * 1024;

/// HTTP/2 window of a whole connection, in bytes.
pub const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// The most directories one watching covers. A watch costs the kernel about a kilobyte, and all containers share one
/// user's allowance of them.
pub const MAX_WATCHED: usize = 16_384;

/// Changes of one stream of a sync of which the agent remembers that they were made.
pub const MAX_CARRIED: usize = 1000;

/// Directories whose content tools make, by the thousand: a watching does not look into them unless it begins there.
pub const FOLDED: &[&str] = &[
    ".cache",
    ".git",
    ".gradle",
    ".hg",
    ".mypy_cache",
    ".next",
    ".nuxt",
    ".nx",
    ".parcel-cache",
    ".pnpm-store",
    ".pytest_cache",
    ".ruff_cache",
    ".svelte-kit",
    ".svn",
    ".terraform",
    ".tox",
    ".turbo",
    ".venv",
    "__pycache__",
    "bower_components",
    "node_modules",
    "site-packages",
    "target",
    "venv",
];
