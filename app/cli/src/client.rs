//! Talking to a node over its local API.

use crate::failure::failed;
use potluck_api::{API_FILE, API_VERSION, AddressList, ApiFile, ErrorBody, ExitCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::time::Duration;

/// How long a node that is there may take to say so.
const HELLO: Duration = Duration::from_secs(5);

/// Longest line of an event stream that is accepted.
const MAX_LINE: usize = 16 * 1024 * 1024;

/// A way to one node's API.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    /// The API that this file describes.
    pub(crate) fn new(api: &ApiFile) -> Result<Self, ErrorBody> {
        // A proxy set for the web must never see these requests.
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_backend_preconfigured(without_tls()?)
            .connect_timeout(HELLO)
            .build();
        let http =
            http.map_err(|error| failed(format!("cannot make an HTTP client: {error}"), ""))?;
        let base = format!("{}/api/{API_VERSION}", api.url.trim_end_matches('/'));
        Ok(Self {
            http,
            base,
            token: api.token.clone(),
        })
    }

    /// The running daemon of a data directory, if there is one.
    pub(crate) async fn find(data: &Path) -> Result<Option<Self>, ErrorBody> {
        let Ok(text) = std::fs::read(data.join(API_FILE)) else {
            return Ok(None);
        };
        let Ok(api) = serde_json::from_slice::<ApiFile>(&text) else {
            return Ok(None);
        };
        if !is_alive(api.pid) {
            tracing::debug!(pid = api.pid, "the API file is from a node that has ended");
            return Ok(None);
        }
        let client = Self::new(&api)?;
        let request = client.request(reqwest::Method::GET, "id").timeout(HELLO);
        match request.send().await {
            Ok(answer) if answer.status().is_success() => {
                Ok(answer.json::<AddressList>().await.is_ok().then_some(client))
            }
            // Some other program has that port now.
            Ok(_) => Ok(None),
            Err(error) if error.is_connect() => Ok(None),
            Err(_) => Err(ErrorBody::new(
                ExitCode::Unreachable,
                format!(
                    "the node on {} (process {}) does not answer",
                    data.display(),
                    api.pid
                ),
                "wait a little, or end that process and start it again",
            )),
        }
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, format!("{}/{path}", self.base))
            .bearer_auth(&self.token)
    }

    /// Asks for something.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ErrorBody> {
        answer(self.request(reqwest::Method::GET, path)).await
    }

    /// Asks for something to be done.
    pub(crate) async fn post<B, T>(&self, path: &str, body: &B) -> Result<T, ErrorBody>
    where
        B: Serialize + Sync,
        T: DeserializeOwned,
    {
        answer(self.request(reqwest::Method::POST, path).json(body)).await
    }

    /// Asks for something that takes a while; its events come line by line. Dropping the stream
    /// stops the work.
    pub(crate) async fn stream<B>(&self, path: &str, body: &B) -> Result<Events, ErrorBody>
    where
        B: Serialize + Sync,
    {
        let request = self.request(reqwest::Method::POST, path).json(body);
        let response = request.send().await.map_err(|error| gone(&error))?;
        let response = succeed(response).await?;
        Ok(Events {
            response,
            pending: Vec::new(),
            searched: 0,
        })
    }
}

/// Whether a process of this id exists.
fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| {
        !matches!(
            rustix::process::test_kill_process(pid),
            Err(rustix::io::Errno::SRCH)
        )
    })
}

/// Plain HTTP is all that is spoken to a node of this machine: nobody is trusted, and the system's
/// certificates need not be read at each start.
fn without_tls() -> Result<rustls::ClientConfig, ErrorBody> {
    let provider = rustls::crypto::ring::default_provider().into();
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(format!("cannot make an HTTP client: {error}"), ""))?;
    let nobody = rustls::RootCertStore::empty();
    Ok(config.with_root_certificates(nobody).with_no_client_auth())
}

async fn answer<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<T, ErrorBody> {
    let response = succeed(request.send().await.map_err(|error| gone(&error))?).await?;
    response.json().await.map_err(|error| {
        failed(
            format!("the node's answer was not understood: {error}"),
            "is the node of another version? restart it",
        )
    })
}

async fn succeed(response: reqwest::Response) -> Result<reqwest::Response, ErrorBody> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.bytes().await.unwrap_or_default();
    Err(serde_json::from_slice(&body).unwrap_or_else(|_| {
        failed(
            format!("the node answered {status}"),
            "is the node of another version? restart it",
        )
    }))
}

fn gone(error: &reqwest::Error) -> ErrorBody {
    tracing::debug!(?error, "request failed");
    ErrorBody::new(
        ExitCode::Unreachable,
        "the connection to the node broke off",
        "did it end? 'potluck doctor' tells; then run the command again",
    )
}

/// A stream of JSON lines.
pub(crate) struct Events {
    response: reqwest::Response,
    pending: Vec<u8>,
    /// Bytes at the start of `pending` that are known to hold no line end.
    searched: usize,
}

impl Events {
    /// The next line, as it came; `None` at the end.
    pub(crate) async fn line(&mut self) -> Result<Option<String>, ErrorBody> {
        loop {
            let fresh = self.pending.get(self.searched..).unwrap_or_default();
            if let Some(end) = fresh.iter().position(|byte| *byte == b'\n') {
                let rest = self.pending.split_off(self.searched + end + 1);
                let line = std::mem::replace(&mut self.pending, rest);
                self.searched = 0;
                return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()));
            }
            self.searched = self.pending.len();
            if self.pending.len() > MAX_LINE {
                return Err(failed(
                    "the node sent a line without end",
                    "restart the node",
                ));
            }
            match self.response.chunk().await.map_err(|error| gone(&error))? {
                Some(chunk) => self.pending.extend_from_slice(&chunk),
                None if self.pending.is_empty() => return Ok(None),
                None => self.pending.push(b'\n'),
            }
        }
    }

    /// The next event with the line it came in. The end of the stream is an error: every stream
    /// ends with an event that says how it went.
    pub(crate) async fn next<E: DeserializeOwned>(&mut self) -> Result<(E, String), ErrorBody> {
        let Some(line) = self.line().await? else {
            return Err(ErrorBody::new(
                ExitCode::Unreachable,
                "the node went away before it was done",
                "start it again and repeat the command; what is done stays done",
            ));
        };
        match serde_json::from_str(&line) {
            Ok(event) => Ok((event, line)),
            Err(error) => Err(failed(
                format!("an event of the node was not understood: {error}"),
                "is the node of another version? restart it",
            )),
        }
    }
}
