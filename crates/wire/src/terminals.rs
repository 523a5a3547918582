//! How the terminals of a workspace stand: what a person arranged and named. Kept by the engine, so that it is the same in
//! every window and outlives the app.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{ProcessId, WindowSize, WorkspaceId};

/// A tab a person moved, named or worked in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct TerminalTab {
    /// Its process.
    pub process: ProcessId,
    /// The name it was given, at most 40 characters; absent: the process's own.
    #[serde(default)]
    pub name: Option<String>,
    /// The folder its shell was in last, absolute, at most 4,096 bytes: there it begins again.
    #[serde(default)]
    pub folder: Option<String>,
}

/// How a workspace's terminals stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default)]
pub struct TerminalLayout {
    /// In the order of the tabs, at most 256. Processes that are not named here stand after these, as they came.
    pub tabs: Vec<TerminalTab>,
    /// The tab in the first half.
    pub front: Option<ProcessId>,
    /// The tab in the second half, where there are two.
    pub beside: Option<ProcessId>,
    /// The second half was used last.
    pub second: bool,
    /// Width of the first half in percent, 15 to 85.
    pub share: Option<u8>,
    /// Type size in pixels, 8 to 32; absent: the setting.
    pub font_px: Option<u8>,
}

/// Keep how a workspace's terminals stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ArrangeTerminals {
    /// The workspace.
    pub id: WorkspaceId,
    /// All of it: what is absent is forgotten.
    pub layout: TerminalLayout,
}

/// Start again what a process was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RestartProcess {
    /// The workspace.
    pub id: WorkspaceId,
    /// A terminal or a program a person ran, running or ended. It stays as it is.
    pub process: ProcessId,
    /// Where it starts, if that folder is still there; else where it was started first.
    #[serde(default)]
    #[ts(optional)]
    pub folder: Option<String>,
    /// The size of its terminal, if it has one; 80 by 24 without it.
    #[serde(default)]
    #[ts(optional)]
    pub terminal: Option<WindowSize>,
}
