//! The app as a person uses it: the real window under a display of its own, driven by WebDriver, with the real Docker
//! daemon behind it. One module per subject; the harness is in `slipway_tests`.
