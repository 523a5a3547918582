//! Tests of the intake crate through its public API, with real archives, hand-made hostile bytes and real folders.
//! One program, so that it links once.

mod archives;
mod containment;
mod folders;
mod hostile;
mod plans;
mod support;
mod unpacking;
