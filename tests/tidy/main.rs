//! The rules of the house that no compiler keeps. Each test reads the checkout as it stands and names every place that
//! breaks its rule, with file and line. No Docker, no network, no build of anything but this.

mod checkout;
mod dependencies;
mod documents;
mod interface;
mod sources;
mod words;
