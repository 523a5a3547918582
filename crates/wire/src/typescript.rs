//! The TypeScript side of this crate, as one module. `cargo xtask types` writes it to `ui/src/lib/wire`; a test
//! fails when that file is behind.
use std::fmt::Write;
use ts_rs::{Config, TS};

use crate::*;

macro_rules! declarations {
    ($config:expr, $out:expr, $($type:ty),* $(,)?) => {
        $( declare::<$type>($config, $out); )*
    };
}

fn declare<T: TS>(config: &Config, out: &mut String) {
    if let Some(docs) = T::docs() {
        out.push_str(docs.trim_end());
        out.push('\n');
    }
    // Writing to a String cannot fail.
    let _ = writeln!(out, "export {}\n", T::decl(config));
}

fn snapshots(config: &Config, out: &mut String) {
    declarations!(
        config,
        out,
        SnapshotId,
        SnapshotState,
        SnapshotWork,
        SnapshotProgress,
        Snapshot,
        SnapshotRef,
        SnapshotCreate,
        SnapshotEdit,
        SnapshotStart,
        SnapshotExport,
        SnapshotFile,
        SnapshotImport,
    );
}

fn syncs(config: &Config, out: &mut String) {
    declarations!(
        config,
        out,
        SyncId,
        SyncState,
        SyncAct,
        SyncChange,
        LiveSync,
        SyncStart,
        SyncRef,
        SyncPreview
    );
}

/// Terminals, processes by number, logs, and what changes in files.
fn programs(config: &Config, out: &mut String) {
    declarations!(
        config,
        out,
        TerminalTab,
        TerminalLayout,
        ArrangeTerminals,
        RestartProcess,
        TreeRequest,
        ContainerProcess,
        ProcessTree,
        KillRequest,
        Killed,
        LogLevel,
        LogStream,
        LogRecord,
        LogQuery,
        LogGap,
        LogPage,
        DigestFile,
        FileDigest,
        WatchFiles,
        FileChange,
        FileChanges,
    );
}

/// The whole module.
pub fn typescript() -> String {
    let config = Config::new().with_large_int("number");
    let mut out = String::from("// Made by `cargo xtask types` from crates/wire. Do not edit.\n\n");
    declarations!(
        &config,
        &mut out,
        Nothing,
        WorkspaceId,
        ProcessId,
        Code,
        Problem,
        EngineState,
        LookedAt,
        Warning,
        EngineStatus,
        Source,
        DeployRequest,
        RedeployRequest,
        Inspection,
        Plan,
        PlanStep,
        PhaseName,
        PhaseState,
        Phase,
        Event,
        EventBody,
        Level,
        Message,
        MessageAction,
        FileRef,
        FileKind,
        FileEntry,
        DirectoryEntry,
        DirectoryListing,
        FileText,
        WriteText,
        RemoveFile,
        RemovedFile,
        RenameFile,
        Mkdir,
        EgressVerdict,
        EgressEntry,
        EgressRule,
        ProcessRole,
        WindowSize,
        ProcessExit,
        Process,
        ProcessRef,
        OpenProcess,
        Resize,
        Signal,
        Theme,
        IntakeLimits,
        Settings,
        WorkspaceState,
        Preset,
        NetworkProfile,
        Port,
        Lease,
        HealthState,
        Health,
        RestartPolicy,
        RestartPolicyRequest,
        WorkspaceSort,
        WorkspaceQuery,
        WorkspaceRow,
        WorkspacePage,
        Workspace,
        WorkspaceRef,
        WorkspaceRename,
        LeaseRequest,
        LeaseChange,
        Usage,
        StatsResolution,
        StatsRequest,
        Sample,
        Stats,
        PoolMember,
        PoolStatus,
        LimitsRequest,
        Limits,
    );
    snapshots(&config, &mut out);
    syncs(&config, &mut out);
    programs(&config, &mut out);
    out.push_str("/** Every command: what it takes and what it gives. */\nexport type Commands = {\n");
    for command in COMMANDS {
        let _ = writeln!(
            out,
            "  /** {} */\n  {:?}: [{}, {}];",
            command.doc.trim(),
            command.name,
            (command.request)(&config),
            (command.reply)(&config)
        );
    }
    out.push_str("};\n");
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_command_names_declared_types() {
        let module = super::typescript();
        for name in ["EngineStatus", "Workspace", "Settings", "Nothing"] {
            assert!(module.contains(&format!("export type {name} ")), "{name} is not declared");
        }
        assert!(module.contains("\"workspace.list\": [Nothing, Array<Workspace>]"), "{module}");
    }
}
