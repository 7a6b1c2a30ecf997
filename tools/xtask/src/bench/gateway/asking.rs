//! Requests to the gateway of a node, as they are on the wire: nothing of a client is measured.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// How long a gateway may say nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks for a range of content. Gives the seconds until its first byte was here, and all of it.
pub(super) fn range(port: u16, path: &str, from: u64, bytes: u64) -> Result<(f64, Vec<u8>)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("no gateway")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let last = from + bytes - 1;
    let asked = format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nRange: bytes={from}-{last}\r\n\
         Connection: close\r\n\r\n"
    );
    let began = Instant::now();
    stream.write_all(asked.as_bytes())?;
    let mut all = Vec::new();
    let mut part = vec![0; 64 * 1024];
    let mut first = None;
    let head = loop {
        let count = stream.read(&mut part).context("the gateway says nothing")?;
        let at = began.elapsed();
        all.extend_from_slice(&part[..count]);
        let head = all.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(head) = head
            && all.len() > head + 4
        {
            // The head may come long before what it announces.
            first.get_or_insert(at);
            if count == 0 {
                break head;
            }
        }
        ensure!(count > 0 || first.is_some(), "the answer has no body");
    };
    let status = String::from_utf8_lossy(&all[..head]);
    let status = status.lines().next().unwrap_or_default();
    ensure!(status.contains(" 206 "), "the gateway answers {status}");
    let body = all.split_off(head + 4);
    ensure!(body.len() as u64 == bytes, "{} bytes came", body.len());
    Ok((first.context("no byte")?.as_secs_f64(), body))
}
