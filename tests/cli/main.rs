//! The command line as a person runs it, against the real Docker daemon. One module per subject; what they share is in
//! `slipway_tests`.
