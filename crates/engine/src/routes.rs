//! What the preview gateway asks of the rest of the engine.

use slipway_wire::{Level, PhaseState, WorkspaceId, WorkspaceState};
use std::sync::{Arc, OnceLock, Weak};

use crate::{
    preview::{PageReport, PageReportKind, Route, Routes, Traffic},
    shared::{Registry, Shared},
    workspace::{message, sentence},
};

/// Answers the gateway from the registry. The gateway is there before the rest of the engine, hence the late part.
pub(crate) struct EngineRoutes {
    pub(crate) registry: Arc<Registry>,
    pub(crate) shared: OnceLock<Weak<Shared>>,
}

impl Routes for EngineRoutes {
    fn route(&self, workspace: &WorkspaceId) -> Route {
        let Some(handle) = self.registry.get(workspace) else { return Route::Unknown };
        if let Some(link) = handle.link() {
            let view = handle.view();
            // While it is deployed, ports of an earlier run are no answer.
            if view.state != WorkspaceState::Creating || !view.ports.is_empty() {
                return Route::Live(link.client);
            }
        }
        let view = handle.view();
        let name = view.name.clone();
        match view.state {
            WorkspaceState::Creating => {
                let running = view.phases.iter().find(|p| p.state == PhaseState::Running);
                let phase =
                    running.map_or_else(|| "starting".to_owned(), |p| format!("{:?}", p.name).to_lowercase());
                Route::Starting { name, phase }
            }
            WorkspaceState::Running => Route::Starting { name, phase: "reconnecting".to_owned() },
            WorkspaceState::Paused => Route::Paused { name },
            WorkspaceState::Stopped => Route::Stopped { name },
            WorkspaceState::Failed | WorkspaceState::Terminated => match view.problem {
                Some(problem) => Route::Failed { name, problem },
                None => Route::Stopped { name },
            },
            WorkspaceState::Deleted => Route::Unknown,
        }
    }

    fn seen(&self, workspace: &WorkspaceId) {
        if let Some(handle) = self.registry.get(workspace) {
            handle.activity().note();
        }
    }

    fn traffic(&self, workspace: &WorkspaceId) -> Option<Arc<Traffic>> {
        let shared = self.shared.get()?.upgrade()?;
        Some(shared.resources.meter(workspace).traffic().clone())
    }

    fn answered(&self, status: u16) {
        if let Some(shared) = self.shared.get().and_then(Weak::upgrade) {
            shared.metrics.answered(status);
        }
    }

    fn page_report(&self, workspace: &WorkspaceId, report: PageReport) {
        let Some(shared) = self.shared.get().and_then(Weak::upgrade) else { return };
        let (level, what) = match report.kind {
            PageReportKind::ConsoleError => (Level::Warning, "Page error"),
            PageReportKind::Exception => (Level::Error, "Uncaught error in the page"),
            PageReportKind::RequestFailed => (Level::Warning, "A request of the page failed"),
        };
        let mut said = message(level, format!("{what}: `{}`", sentence(&report.text)));
        said.aside = report.source.map(|source| {
            let file = sentence(source.rsplit('/').next().unwrap_or(&source));
            report.line.map_or_else(|| file.clone(), |line| format!("{file}:{line}"))
        });
        shared.say(workspace, said);
    }
}
