//! What a person types in a shell of a workspace and reads there. Waits for what is on the screen, never for a time.

use super::harness::{House, LONG};
use anyhow::{Context, Result, bail};
use slipway_engine::Attachment;
use slipway_wire::{Api, FrameKind, OpenProcess, ProcessExit, ProcessRef, WindowSize, WorkspaceId};
use std::collections::BTreeMap;

/// Bytes of the screen told when something does not appear.
const SHOWN: usize = 1024;

/// What a person types in a shell and reads there.
pub(crate) struct Shell {
    pub(crate) process: ProcessRef,
    pub(crate) attached: Attachment,
    seen: Vec<u8>,
}

impl Shell {
    /// Opens the image's shell with a terminal of 80 by 24.
    pub(crate) async fn open(house: &House, id: &WorkspaceId) -> Result<Self> {
        let open = OpenProcess {
            id: id.clone(),
            argv: Vec::new(),
            cwd: None,
            env: BTreeMap::new(),
            terminal: Some(WindowSize { columns: 80, rows: 24 }),
            stdin: false,
            name: None,
        };
        let process = ProcessRef { id: id.clone(), process: house.engine.process_open(open).await?.id };
        let attached = house.engine.attach(&process, 0, false).await?;
        Ok(Self::of(process, attached))
    }

    /// The shell behind an attachment.
    pub(crate) fn of(process: ProcessRef, attached: Attachment) -> Self {
        Self { process, attached, seen: Vec::new() }
    }

    /// Types bytes as they are.
    pub(crate) async fn types(&self, text: &str) -> Result<()> {
        Ok(self.attached.input.send(text.to_owned().into()).await?)
    }

    /// Reads until `wanted` has appeared, and forgets everything up to its end.
    pub(crate) async fn reads(&mut self, wanted: &str) -> Result<()> {
        loop {
            let found = self.seen.windows(wanted.len()).position(|part| part == wanted.as_bytes());
            if let Some(at) = found {
                self.seen.drain(..at + wanted.len());
                return Ok(());
            }
            // What is wanted may be cut in two; the rest has been looked at. Some of it is for the error message.
            self.seen.drain(..self.seen.len().saturating_sub(wanted.len().max(SHOWN)));
            let frame = tokio::time::timeout(LONG, self.attached.output.recv()).await;
            let seen = String::from_utf8_lossy(&self.seen).into_owned();
            let frame = frame.with_context(|| format!("waiting for {wanted:?} after {seen:?}"))?;
            let frame = frame.with_context(|| format!("no {wanted:?} in {seen:?}"))?;
            match frame.kind {
                FrameKind::Terminal => self.seen.extend_from_slice(&frame.payload),
                // A reader that keeps nobody waiting may be told of a gap; what is wanted comes after it.
                FrameKind::Gap => self.seen.clear(),
                other => bail!("{other:?} before {wanted:?} in {seen:?}"),
            }
        }
    }

    /// Types a line and reads until `wanted`, which the line itself must not contain: it is echoed.
    pub(crate) async fn asks(&mut self, line: &str, wanted: &str) -> Result<()> {
        self.types(&format!("{line}\n")).await?;
        self.reads(wanted).await
    }

    /// Reads to the end: how the shell ended.
    pub(crate) async fn ends(mut self) -> Result<ProcessExit> {
        while let Some(frame) = tokio::time::timeout(LONG, self.attached.output.recv()).await? {
            if frame.kind == FrameKind::Exit {
                return Ok(serde_json::from_slice(&frame.payload)?);
            }
        }
        bail!("the attachment ended without an exit")
    }
}
