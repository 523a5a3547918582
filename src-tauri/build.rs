//! Declares the one app command, so that Tauri checks capabilities for it, and gives the app a page that says what to
//! do when the interface was not built. Nothing else is made here.

use std::{env, error::Error, fs, path::Path};

const UNBUILT: &str = "<!doctype html><meta charset=utf-8><title>Slipway</title>\
<p style=\"font:16px sans-serif;margin:4em\">Slipway's interface was not built before the app. \
Run <code>./dev run</code>, or <code>npm ci && npm run build</code> in <code>ui/</code> and build the app again.";

fn main() -> Result<(), Box<dyn Error>> {
    let root = env::var("CARGO_MANIFEST_DIR")?;
    println!("cargo:rerun-if-changed=src-tauri/capabilities");
    println!("cargo:rerun-if-changed=ui/dist");
    if env::var_os("TAURI_CONFIG").is_none() && !Path::new(&root).join("ui/dist/index.html").is_file() {
        let dist = Path::new(&env::var("OUT_DIR")?).join("unbuilt");
        fs::create_dir_all(&dist)?;
        fs::write(dist.join("index.html"), UNBUILT)?;
        let over = serde_json::json!({ "build": { "frontendDist": dist } });
        println!("cargo:rustc-env=TAURI_CONFIG={over}");
        println!("cargo:warning=ui/dist is missing: the app will say so. Build ui/ first.");
    }
    let attributes = tauri_build::Attributes::new()
        .app_manifest(tauri_build::AppManifest::new().commands(&["rpc"]))
        .capabilities_path_pattern("src-tauri/capabilities/*.json");
    tauri_build::try_build(attributes)?;
    Ok(())
}
