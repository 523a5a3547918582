//! A command's connection to the owner, starting one when none runs, and the finding of workspaces by what people
//! type. What the owner answers is used as it is.

use crate::exit::Failure;
use slipway_http::{Environment, Places, UnixClient, connect_or_start};
use slipway_wire::{Api, Client, Code, Nothing, Problem, Workspace, WorkspaceRef, WorkspaceState};

/// A connection to the owner.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) client: UnixClient,
    pub(crate) api: Client<UnixClient>,
    pub(crate) places: Places,
}

impl Session {
    /// Finds the owner or starts one.
    pub(crate) async fn open() -> Result<Self, Failure> {
        let environment = Environment::read()?;
        Self::at(environment.places).await
    }

    /// Finds or starts the owner of these places.
    pub(crate) async fn at(places: Places) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(|e| {
            Problem::new(Code::Internal, format!("This program cannot find its own file: {e}."))
        })?;
        let client = connect_or_start(&places, &program).await?;
        Ok(Self { api: Client(client.clone()), client, places })
    }

    /// The workspace that `text` names.
    pub(crate) async fn find(&self, text: &str) -> Result<Workspace, Failure> {
        let all = self.api.workspace_list(Nothing {}).await?;
        Ok(pick(all, text)?)
    }
}

impl Session {
    /// The same, and one that was deleted lately, by its whole id.
    pub(crate) async fn find_any(&self, text: &str) -> Result<Workspace, Failure> {
        let found = self.find(text).await;
        match (&found, text.parse()) {
            (Err(Failure::Problem(Problem { code: Code::NotFound, .. })), Ok(id)) => {
                self.api.workspace_status(WorkspaceRef { id }).await.or(found)
            }
            _ => found,
        }
    }
}

/// A workspace by its id, by its name, or by the beginning of its id. Deleted ones only by their whole id.
fn pick(all: Vec<Workspace>, text: &str) -> Result<Workspace, Problem> {
    if let Some(exact) = all.iter().find(|w| w.id.as_str() == text) {
        return Ok(exact.clone());
    }
    let there: Vec<Workspace> = all.into_iter().filter(|w| w.state != WorkspaceState::Deleted).collect();
    let named: Vec<&Workspace> = there.iter().filter(|w| w.name == text).collect();
    let begun: Vec<&Workspace> =
        there.iter().filter(|w| !text.is_empty() && w.id.as_str().starts_with(text)).collect();
    let found = if named.is_empty() { begun } else { named };
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(Problem::new(Code::NotFound, format!("There is no workspace {text:?}."))
            .hint("`slipway ps` lists what there is.")),
        several => {
            let ids: Vec<&str> = several.iter().map(|w| w.id.as_str()).collect();
            Err(Problem::new(Code::Invalid, format!("{text:?} may be any of {}.", ids.join(", ")))
                .hint("Write more of the id."))
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use slipway_wire::{Lease, NetworkProfile, Preset};

    pub(crate) fn workspace(id: &str, name: &str) -> Workspace {
        Workspace {
            id: id.parse().unwrap(),
            name: name.into(),
            state: WorkspaceState::Running,
            image: "node:24-alpine".into(),
            plan: None,
            phases: Vec::new(),
            ready_ms: None,
            problem: None,
            url: None,
            ports: Vec::new(),
            lease: Lease::default(),
            root: "/workspace".into(),
            created_at_ms: 0,
            preset: Preset::Medium,
            network: NetworkProfile::Strict,
            health: slipway_wire::Health::default(),
            restart: slipway_wire::RestartPolicy::Never,
            snapshot: None,
            folder: None,
        }
    }

    #[test]
    fn a_workspace_is_found_by_id_name_or_beginning() {
        let mut gone = workspace("gone-1", "gone");
        gone.state = WorkspaceState::Deleted;
        let all = vec![
            workspace("shop-a1", "shop"),
            workspace("shop-b2", "docs"),
            workspace("blog-c3", "shop-b2"),
            gone,
        ];
        for (text, expected) in [
            ("shop-a1", "shop-a1"),
            ("shop-b2", "shop-b2"),
            ("shop", "shop-a1"),
            ("blog", "blog-c3"),
            ("docs", "shop-b2"),
            ("gone-1", "gone-1"),
        ] {
            assert_eq!(pick(all.clone(), text).unwrap().id.as_str(), expected, "{text}");
        }
        for (text, code) in
            [("sho", Code::Invalid), ("x", Code::NotFound), ("", Code::NotFound), ("gone", Code::NotFound)]
        {
            assert_eq!(pick(all.clone(), text).unwrap_err().code, code, "{text}");
        }
    }
}
