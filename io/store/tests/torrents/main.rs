//! Torrents in the store.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::print_stdout
)]

#[path = "../common/mod.rs"]
mod common;
mod fetched;
mod made;
mod recovered;
mod refused;
mod seeded;
mod selected;
