//! Bulk lanes: TCP connections of their own for content, between peers that are connected anyway.
//!
//! A lane goes to the same port as libp2p's connections; it is told apart by its first bytes. It
//! has no multiplexer, and its records are as long as a group, so that content is decrypted where
//! it was received, verified there, and written from there.

mod accept;
mod dial;
mod handshake;
mod identity;
mod pace;
mod reader;
mod record;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use self::{
    accept::{Admitted, Gate, accept, is_taken},
    dial::dial,
    identity::Identity,
    reader::RecordReader,
    writer::RecordWriter,
};
