//! What a node says over HTTP: to browsers, to programs, and to those who mean it ill.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod api;
mod attacks;
mod between;
mod content;
mod crowd;
mod elsewhere;
mod examples;
mod http;
mod outside;
mod pages;
mod programs;
mod shelf;
mod slow;
mod torrents;
