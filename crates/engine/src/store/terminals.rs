//! How the terminals of each workspace stand, a row each.

use rusqlite::{OptionalExtension, params};
use slipway_wire::{Code, Problem, TerminalLayout, WorkspaceId};

use super::{Store, storage};

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS terminal_layout (
        workspace TEXT PRIMARY KEY,
        layout TEXT NOT NULL
    ) STRICT;
";

impl Store {
    /// How the terminals of a workspace stand. A row of another version that cannot be read is as none.
    pub(crate) fn terminals(&self, workspace: &WorkspaceId) -> Result<TerminalLayout, Problem> {
        let find = "SELECT layout FROM terminal_layout WHERE workspace = ?1";
        let text: Option<String> = self
            .connection()
            .query_row(find, [workspace.as_str()], |row| row.get(0))
            .optional()
            .map_err(storage("reading how terminals stand"))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// Keeps how the terminals of a workspace stand.
    pub(crate) fn keep_terminals(
        &self,
        workspace: &WorkspaceId,
        layout: &TerminalLayout,
    ) -> Result<(), Problem> {
        let text = serde_json::to_string(layout)
            .map_err(|e| Problem::new(Code::Internal, format!("A layout could not be written: {e}.")))?;
        let keep =
            "INSERT INTO terminal_layout VALUES (?1, ?2) ON CONFLICT (workspace) DO UPDATE SET layout = ?2";
        let done = self.connection().execute(keep, params![workspace.as_str(), text]);
        done.map(drop).map_err(storage("keeping how terminals stand"))
    }

    /// Forgets how the terminals of a workspace stood.
    pub(crate) fn forget_terminals(&self, workspace: &WorkspaceId) -> Result<(), Problem> {
        let forget = "DELETE FROM terminal_layout WHERE workspace = ?1";
        let done = self.connection().execute(forget, [workspace.as_str()]);
        done.map(drop).map_err(storage("forgetting how terminals stood"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_outlives_the_owner_and_goes_with_its_workspace() {
        let dir = tempfile::tempdir().unwrap();
        let shop: WorkspaceId = "shop".parse().unwrap();
        let layout = TerminalLayout { second: true, font_px: Some(15), ..TerminalLayout::default() };
        Store::open(dir.path()).unwrap().0.keep_terminals(&shop, &layout).unwrap();
        let (store, _) = Store::open(dir.path()).unwrap();
        assert_eq!(store.terminals(&shop).unwrap(), layout);
        assert_eq!(store.terminals(&"docs".parse().unwrap()).unwrap(), TerminalLayout::default());
        let broken = "UPDATE terminal_layout SET layout = '{'";
        store.connection().execute(broken, []).unwrap();
        assert_eq!(store.terminals(&shop).unwrap(), TerminalLayout::default());
        store.keep_terminals(&shop, &layout).unwrap();
        store.forget_terminals(&shop).unwrap();
        assert_eq!(store.terminals(&shop).unwrap(), TerminalLayout::default());
    }
}
