//! `BitTorrent` on the network: how peers are found and reached. What is said to them is decided in
//! [`potluck_bittorrent`]; this crate has the sockets.

pub mod dht;
pub mod lsd;
pub mod port_mapping;
pub mod stream;
pub mod tracker;
pub mod utp;
pub mod web;
pub mod web_seed;
