//! Which addresses belong in the pane. Pure: an address and the workspace shown come in, a verdict goes out.

use slipway_wire::WorkspaceId;
use std::str::FromStr;
use tauri::Url;

/// A workspace's place at the gateway: `http://<port>-<workspace>.localhost:<gateway>/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    /// The workspace.
    pub(crate) workspace: WorkspaceId,
    /// The gateway's port on this machine.
    pub(crate) gateway: u16,
}

/// What to do with an address a page wants to go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It belongs in the pane.
    Stay,
    /// Another site: ask, then the system's browser.
    Outside,
    /// Nothing a page may open at all.
    Refuse,
}

impl Site {
    /// The site an address names, when it names one of this gateway.
    pub(crate) fn of(url: &Url, gateway: u16) -> Option<Self> {
        if url.scheme() != "http"
            || url.port_or_known_default() != Some(gateway)
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return None;
        }
        let label = url.host_str()?.strip_suffix(".localhost")?;
        let (port, workspace) = label.split_once('-')?;
        let port: u16 = port.parse().ok()?;
        (port > 0).then_some(())?;
        Some(Self { workspace: WorkspaceId::from_str(workspace).ok()?, gateway })
    }

    /// Whether the pane that shows this site may go to `url`.
    pub(crate) fn judge(&self, url: &str) -> Verdict {
        let Ok(url) = Url::parse(url) else { return Verdict::Refuse };
        match url.scheme() {
            "about" if matches!(url.path(), "blank" | "srcdoc") => Verdict::Stay,
            // Made by the page itself; only frames get this far, engines refuse `data:` at the top.
            "blob" | "data" => Verdict::Stay,
            _ if Self::of(&url, self.gateway).as_ref() == Some(self) => Verdict::Stay,
            "http" | "https" => Verdict::Outside,
            _ => Verdict::Refuse,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        Site { workspace: WorkspaceId::from_str("shop-demo-k3f9").expect("an id"), gateway: 7070 }
    }

    #[test]
    fn only_the_workspaces_own_origins_stay() {
        for url in [
            "http://5173-shop-demo-k3f9.localhost:7070/",
            "http://3000-shop-demo-k3f9.localhost:7070/deep?x=1#y",
            "about:blank",
            "about:srcdoc",
        ] {
            assert_eq!(site().judge(url), Verdict::Stay, "{url}");
        }
        for url in [
            "http://5173-other.localhost:7070/",
            "http://5173-shop-demo-k3f9.localhost:7071/",
            "https://5173-shop-demo-k3f9.localhost:7070/",
            "http://5173-shop-demo-k3f9.localhost/",
            "http://5173-shop-demo-k3f9.localhost.evil.example:7070/",
            "http://5173-shop-demo-k3f9.localhost@evil.example:7070/",
            "http://user@5173-shop-demo-k3f9.localhost:7070/",
            "http://0-shop-demo-k3f9.localhost:7070/",
            "http://99999-shop-demo-k3f9.localhost:7070/",
            "http://127.0.0.1:7070/",
            "https://example.org/",
            "http://tauri.localhost/",
            "http://ipc.localhost/rpc",
        ] {
            assert_eq!(site().judge(url), Verdict::Outside, "{url}");
        }
        for url in [
            "tauri://localhost/",
            "ipc://localhost/rpc",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "about:config",
            "vscode://x",
            "mailto:a@example.org",
            "not an address",
        ] {
            assert_eq!(site().judge(url), Verdict::Refuse, "{url}");
        }
    }

    #[test]
    fn a_site_is_read_from_an_address_of_the_gateway() {
        let url = Url::parse("http://5173-shop-demo-k3f9.localhost:7070/x").expect("an address");
        assert_eq!(Site::of(&url, 7070), Some(site()));
        assert_eq!(Site::of(&url, 7071), None);
    }
}
