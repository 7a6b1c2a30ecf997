//! Requests as they are on the wire, so that a test can send what no client would.

use crate::support::Node;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header; empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The values of an NDJSON body.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = self.text();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// Where a node's gateway is, and how to get in.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) port: u16,
    pub(crate) token: String,
}

impl Door {
    pub(crate) fn of(node: &Node) -> Self {
        let file = std::fs::read(node.data().join("api.json")).unwrap();
        let api: potluck_api::ApiFile = serde_json::from_slice(&file).unwrap();
        let port = api.url.rsplit(':').next().unwrap().parse().unwrap();
        Self {
            port,
            token: api.token,
        }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let time = Some(Duration::from_secs(60));
        stream.set_read_timeout(time).unwrap();
        stream
    }

    /// A request to one of the names: `localhost`, `127.0.0.1`, `content.localhost`.
    pub(crate) fn ask(&self, method: &str, name: &str, path: &str) -> Ask<'_> {
        Ask {
            door: self,
            first: format!("{method} {path} HTTP/1.1"),
            headers: vec![("Host".to_owned(), format!("{name}:{}", self.port))],
            body: Vec::new(),
        }
    }

    /// `GET` of content, as a program asks.
    pub(crate) fn content(&self, path: &str) -> Ask<'_> {
        self.ask("GET", "127.0.0.1", path)
    }

    /// A request to the API with the token.
    pub(crate) fn api(&self, method: &str, path: &str) -> Ask<'_> {
        self.ask(method, "127.0.0.1", &format!("/api/v1{path}"))
            .with("Authorization", &format!("Bearer {}", self.token))
    }

    /// Origin of the pages.
    pub(crate) fn origin(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// Lets a browser in: its cookie.
    pub(crate) fn cookie(&self) -> String {
        let session = self.api("POST", "/session").send().json();
        let url = session["url"].as_str().unwrap();
        let path = url.strip_prefix(&self.origin()).unwrap();
        let answer = self.ask("GET", "localhost", path).send();
        assert_eq!(answer.status, 303, "{answer:?}");
        let cookie = answer.header("set-cookie");
        cookie.split(';').next().unwrap().to_owned()
    }
}

/// A request that is put together.
#[derive(Clone)]
pub(crate) struct Ask<'a> {
    door: &'a Door,
    first: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Ask<'_> {
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another `Host` than the name's.
    pub(crate) fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.headers[0].1);
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.with("Content-Type", "application/json")
            .body(body.to_string().as_bytes())
    }

    pub(crate) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        let length = body.len().to_string();
        self.with("Content-Length", &length)
    }

    /// The head as it is sent.
    pub(crate) fn head(&self) -> String {
        let mut head = format!("{}\r\n", self.first);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head
    }

    pub(crate) fn send(&self) -> Answer {
        let mut stream = self.door.connect();
        let head = format!("{}Connection: close\r\n\r\n", self.head());
        stream.write_all(head.as_bytes()).unwrap();
        // A server may answer before it has all of the body, and close.
        let _ = stream.write_all(&self.body);
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        parse(&all).unwrap_or_else(|| panic!("{}: no answer: {all:?}", self.first))
    }
}

/// Reads one answer that ends with its connection.
pub(crate) fn parse(all: &[u8]) -> Option<Answer> {
    let end = all.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&all[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        })
        .collect();
    let chunked = ("transfer-encoding".to_owned(), "chunked".to_owned());
    let rest = &all[end + 4..];
    let body = if headers.contains(&chunked) {
        unchunk(rest)
    } else {
        rest.to_vec()
    };
    Some(Answer {
        status,
        headers,
        body,
    })
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let from = end + 2;
        if size == 0 || rest.len() < from + size + 2 {
            break;
        }
        body.extend_from_slice(&rest[from..from + size]);
        rest = &rest[from + size + 2..];
    }
    body
}
