//! HTTP of a node: the local API, content for browsers and programs, the web pages, metrics.
//!
//! It sees the node through [`Host`] alone, and knows of HTTP what nobody else has to: who may call
//! ([`guard`]), what of a file a request is about, how long a slow client is waited for.

mod access;
mod answer;
mod api;
mod content;
mod downloads;
mod gateway;
mod guard;
mod host;
mod journal;
mod metrics;
mod names;
mod pages;
mod places;
mod server;
mod tls;
mod video;

pub use content::media_type;
pub use gateway::{Ears, Gateway, Outside};
pub use host::{
    Bytestream, Events, FolderEntry, FolderEntryKind, Host, OpenError, Opened, OpenedFile,
    OpenedKind, ReadFile,
};
pub use journal::Journal;
pub use tls::Tls;
