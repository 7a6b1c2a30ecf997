//! The composition root: wires the machines to the network, the store and the local API.
//!
//! Each service is one file; none decides what a machine under `protocol/` could decide. [`start`]
//! makes a [`Node`], which is all that the command line sees.

pub mod config;
pub mod doctor;
pub mod torrent;

mod bittorrent;
mod clock;
mod context;
mod dial;
mod disk;
mod download;
mod downloads;
mod errors;
mod frames;
mod keys;
mod native;
mod node;
mod open_files;
mod peer_book;
mod rates;
mod reading;
mod recent;
mod roots;
mod schedule;
mod serve;
mod share;
mod source;
mod status;
mod swarms;
mod upkeep;
mod upload_gate;
mod verify;
mod web;

pub use node::{Node, Options, start};
