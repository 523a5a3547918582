//! The preview pane: a native webview over the interface that shows one workspace's page. It is no Tauri webview where
//! that can be helped: it has no bridge, no init script and no capability, so a page in it has nothing to call. What a
//! page may do is decided in `guard`; how the webview is placed and driven, per platform.

#[cfg(all(target_os = "linux", not(feature = "portable-preview")))]
pub(crate) mod drawing;
pub(crate) mod guard;
pub(crate) mod keys;
#[cfg(all(target_os = "linux", not(feature = "portable-preview")))]
#[path = "linux.rs"]
pub(crate) mod pane;
#[cfg(any(not(target_os = "linux"), feature = "portable-preview"))]
#[path = "other.rs"]
pub(crate) mod pane;
#[cfg(all(target_os = "linux", not(feature = "portable-preview")))]
mod policy;

use serde::Deserialize;

/// Where the pane is, in CSS pixels of the window's content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
pub(crate) struct Place {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// False hides it: a menu lies over it, or there is no page.
    pub(crate) visible: bool,
}

/// Largest side or offset believed, CSS pixels.
const FURTHEST: f64 = 32_768.0;

impl Place {
    /// The same place with every figure whole and within bounds.
    pub(crate) fn bounded(self) -> Self {
        let offset = |v: f64| if v.is_finite() { v.round().clamp(0.0, FURTHEST) } else { 0.0 };
        let side = |v: f64| if v.is_finite() { v.round().clamp(1.0, FURTHEST) } else { 1.0 };
        Self {
            x: offset(self.x),
            y: offset(self.y),
            width: side(self.width),
            height: side(self.height),
            visible: self.visible,
        }
    }
}

/// A button of the pane's bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Act {
    Back,
    Forward,
    Reload,
    HardReload,
    Stop,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_whole_and_bounded() {
        let odd = Place { x: -3.0, y: f64::NAN, width: 0.2, height: 1e12, visible: true };
        assert_eq!(odd.bounded(), Place { x: 0.0, y: 0.0, width: 1.0, height: 32_768.0, visible: true });
        let fine = Place { x: 10.4, y: 20.6, width: 300.5, height: 200.0, visible: false };
        assert_eq!(fine.bounded(), Place { x: 10.0, y: 21.0, width: 301.0, height: 200.0, visible: false });
    }
}
