//! How webviews draw on Linux. Without a graphics processor WebKit would composite through an emulation of one, which
//! costs some 200 MB, and time at the start; plain drawing is smaller and quicker there, at the price of WebGL and of
//! depth in 3D transforms, which a page has in the system's browser.

use std::{fs, path::Path, sync::OnceLock};
use webkit2gtk::{HardwareAccelerationPolicy, SettingsExt, WebView, WebViewExt};

/// Chooses how a webview draws on this machine. Before it loads anything.
pub(crate) fn choose(view: &WebView) {
    static GRAPHICS: OnceLock<bool> = OnceLock::new();
    if *GRAPHICS.get_or_init(|| has_graphics(Path::new("/dev"))) {
        return;
    }
    if let Some(settings) = WebViewExt::settings(view) {
        settings.set_hardware_acceleration_policy(HardwareAccelerationPolicy::Never);
    }
}

/// Whether there is a device to draw with: a DRM render node, NVIDIA's own, or the one of Windows' Linux.
fn has_graphics(devices: &Path) -> bool {
    let render_node = fs::read_dir(devices.join("dri")).is_ok_and(|mut nodes| {
        nodes.any(|node| node.is_ok_and(|n| n.file_name().to_string_lossy().starts_with("renderD")))
    });
    render_node || devices.join("nvidiactl").exists() || devices.join("dxg").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_render_node_is_a_graphics_processor_and_a_mere_card_is_not() -> std::io::Result<()> {
        let devices = tempfile::tempdir()?;
        assert!(!has_graphics(devices.path()));
        fs::create_dir(devices.path().join("dri"))?;
        fs::write(devices.path().join("dri/card0"), "")?;
        assert!(!has_graphics(devices.path()));
        fs::write(devices.path().join("dri/renderD128"), "")?;
        assert!(has_graphics(devices.path()));
        Ok(())
    }
}
