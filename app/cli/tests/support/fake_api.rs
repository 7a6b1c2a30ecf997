//! A node's local API with answers written beforehand, for tests of the command line alone.

use potluck_api::{API_FILE, ApiFile};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What is answered on one path.
#[derive(Clone)]
pub enum Reply {
    /// This object.
    Json(Value),
    /// This status and object.
    Status(u16, Value),
    /// These objects line by line, then the end.
    Lines(Vec<Value>),
    /// These objects line by line, and then nothing more until the client goes away.
    Hang(Vec<Value>),
}

/// A listening API that looks, from the data directory, like that of a running daemon.
pub struct FakeApi {
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl FakeApi {
    /// Starts it for this data directory. Paths are those after `/api/v1/`.
    pub fn start(data: &Path, replies: &[(&str, Reply)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let api = ApiFile {
            url: format!("http://{}", listener.local_addr().unwrap()),
            token: "token".to_owned(),
            pid: std::process::id(),
        };
        std::fs::create_dir_all(data).unwrap();
        std::fs::write(data.join(API_FILE), serde_json::to_vec(&api).unwrap()).unwrap();
        let mut table: HashMap<String, Reply> = replies
            .iter()
            .map(|(path, reply)| ((*path).to_owned(), reply.clone()))
            .collect();
        let id = json!({ "peer_id": "12D3KooWFake", "addresses": [], "version": "0" });
        table.entry("id".to_owned()).or_insert(Reply::Json(id));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (table, log) = (table.clone(), Arc::clone(&log));
                std::thread::spawn(move || answer(stream, &table, &log));
            }
        });
        Self { asked }
    }

    /// The bodies that were sent to this path.
    pub fn asked(&self, path: &str) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|(at, _)| at == path)
            .map(|(_, body)| body.clone())
            .collect()
    }
}

fn answer(
    mut stream: TcpStream,
    table: &HashMap<String, Reply>,
    log: &Mutex<Vec<(String, Value)>>,
) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let (mut length, mut token) = (0, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        token |= header == "authorization: bearer token";
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let path = first
        .split(' ')
        .nth(1)?
        .strip_prefix("/api/v1/")?
        .to_owned();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    log.lock().unwrap().push((path.clone(), body));
    let reply = match table.get(&path) {
        _ if !token => Reply::Status(401, Value::Null),
        Some(reply) => reply.clone(),
        None => Reply::Status(404, Value::Null),
    };
    let head = |status: u16| format!("HTTP/1.1 {status} x\r\nconnection: close\r\n\r\n");
    match reply {
        Reply::Json(value) => write!(stream, "{}{value}", head(200)).ok()?,
        Reply::Status(status, value) => write!(stream, "{}{value}", head(status)).ok()?,
        Reply::Lines(lines) => write_lines(&mut stream, &head(200), &lines)?,
        Reply::Hang(lines) => {
            write_lines(&mut stream, &head(200), &lines)?;
            let _ = reader.read(&mut [0]);
        }
    }
    Some(())
}

fn write_lines(stream: &mut TcpStream, head: &str, lines: &[Value]) -> Option<()> {
    stream.write_all(head.as_bytes()).ok()?;
    for line in lines {
        stream.write_all(format!("{line}\n").as_bytes()).ok()?;
    }
    stream.flush().ok()
}
