//! Who may call what: by the name that was called, the place a browser says it comes from, and the
//! secret that comes with it. docs/adr/0023 says why.
//!
//! - `http://localhost:P` is for pages: they, and the API with their session's cookie.
//! - `http://127.0.0.1:P` is for programs: the API with the token, and content.
//! - `http://content.localhost:P` is for content in browsers, which must not reach the rest.

use crate::answer::ApiError;
use crate::gateway::Gateway;
use crate::pages;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use std::net::IpAddr;
use std::sync::Arc;

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The origins of one gateway.
pub(crate) struct Names {
    port: u16,
    /// Origin of the pages.
    pub(crate) pages: String,
    /// Origin of content for browsers.
    pub(crate) content: String,
    /// Name of the session's cookie. A browser gives cookies to every port of a name, so that those
    /// of two nodes need two names.
    pub(crate) cookie: String,
}

impl Names {
    pub(crate) fn new(port: u16) -> Self {
        Self {
            port,
            pages: format!("http://localhost:{port}"),
            content: format!("http://content.localhost:{port}"),
            cookie: format!("potluck_session_{port}"),
        }
    }

    /// Which of the origins a `Host` header names.
    fn site(&self, host: &str) -> Option<Site> {
        let (name, port) = split(host)?;
        let ours = port == self.port;
        match name.to_ascii_lowercase().as_str() {
            "localhost" if ours => Some(Site::Pages),
            "content.localhost" if ours => Some(Site::Content),
            // Another port is the near end of a tunnel.
            "localhost" => Some(Site::Tools),
            name => {
                let ip: IpAddr = name.parse().ok()?;
                ip.is_loopback().then_some(Site::Tools)
            }
        }
    }
}

/// Name and port of a `Host` header; without a port it is that of HTTP.
fn split(host: &str) -> Option<(&str, u16)> {
    let (name, rest) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => host.find(':').map_or((host, ""), |at| host.split_at(at)),
    };
    match rest {
        "" => Some((name, 80)),
        rest => Some((name, rest.strip_prefix(':')?.parse().ok()?)),
    }
}

/// The name by which a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Site {
    Pages,
    Tools,
    Content,
}

/// What a request is about, by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Area {
    Api,
    Content,
    Health,
    Metrics,
    Login,
    Asset,
    Page,
}

impl Area {
    fn of(path: &str) -> Self {
        // As the routes see it: '//c' is no content, and no page that there is.
        let first = path.strip_prefix('/').unwrap_or(path).split('/').next();
        match first.unwrap_or_default() {
            "api" => Self::Api,
            "c" => Self::Content,
            "health" => Self::Health,
            "metrics" => Self::Metrics,
            "login" => Self::Login,
            "assets" => Self::Asset,
            _ => Self::Page,
        }
    }
}

/// Lets a request through, or answers it.
pub(crate) async fn check(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
    next: Next,
) -> Response {
    let response = match decide(&gateway, &request) {
        Ok(()) => next.run(request).await,
        Err(answer) => *answer,
    };
    gateway.counters.answered(response.status());
    response
}

fn decide(gateway: &Gateway, request: &Request) -> Result<(), Box<Response>> {
    let (headers, path) = (request.headers(), request.uri().path());
    let Some(site) = site(&gateway.names, request) else {
        let hint = "call it by the address in api.json, or open a page with 'potluck open'";
        return refuse(
            StatusCode::MISDIRECTED_REQUEST,
            "this node answers to loopback names only",
            hint,
        );
    };
    let area = Area::of(path);
    match (site, area) {
        (Site::Content, Area::Content) | (Site::Tools, Area::Content) => {
            may_have_content(&gateway.names, headers)
        }
        (Site::Content, _) => refuse(
            StatusCode::NOT_FOUND,
            "there is only content here",
            "paths begin with /c/",
        ),
        (Site::Pages, Area::Content) => redirect(request, &gateway.names.content),
        (_, Area::Api) => may_use_api(gateway, site, request),
        (_, Area::Metrics) if gateway.host.has_open_metrics() => not_from_elsewhere(headers),
        (_, Area::Metrics) => may_use_api(gateway, site, request),
        (_, Area::Health) => not_from_elsewhere(headers),
        (Site::Tools, _) => redirect(request, &gateway.names.pages),
        (Site::Pages, Area::Login | Area::Asset) => not_from_elsewhere(headers),
        (Site::Pages, Area::Page) => {
            if is_from_pages(headers) && has_session(gateway, headers) {
                return Ok(());
            }
            Err(Box::new(pages::who_are_you()))
        }
    }
}

fn site(names: &Names, request: &Request) -> Option<Site> {
    // Only a proxy is sent whole addresses, and this is none.
    if request.uri().authority().is_some() {
        return None;
    }
    names.site(single(request.headers(), &header::HOST)?)
}

/// The value of a header that is there once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

fn may_use_api(gateway: &Gateway, site: Site, request: &Request) -> Result<(), Box<Response>> {
    let headers = request.headers();
    let own = Some(gateway.names.pages.as_str());
    let origin = headers.get(header::ORIGIN).map(|it| it.to_str().ok());
    let from_here = match (site, origin) {
        (_, None) => is_from_pages(headers),
        (Site::Pages, Some(origin)) => origin == own && is_from_pages(headers),
        (_, Some(_)) => false,
    };
    if !from_here {
        return refuse(
            StatusCode::FORBIDDEN,
            "this API does not answer to other pages",
            "programs send no 'Origin'",
        );
    }
    if let Some(given) = headers.get(header::AUTHORIZATION) {
        let given = given.to_str().ok();
        let given = given.and_then(|text| text.strip_prefix("Bearer "));
        if given.is_some_and(|token| gateway.access.is_token(token)) {
            return Ok(());
        }
    } else if site == Site::Pages && has_session(gateway, headers) {
        let is_plain = matches!(*request.method(), Method::GET | Method::HEAD);
        let is_told = origin.is_some() || headers.contains_key(SITE);
        if is_plain || is_told {
            return Ok(());
        }
        return refuse(
            StatusCode::FORBIDDEN,
            "a browser says where such a request comes from, and this one does not",
            "programs use the token from api.json in the data folder",
        );
    }
    let hint =
        "send 'Authorization: Bearer <token>' with the token from api.json in the data folder";
    refuse(StatusCode::UNAUTHORIZED, "missing or wrong token", hint)
}

/// Whether the request comes from this node's pages, from no page, or from a program.
fn is_from_pages(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all(SITE).iter();
    sites.all(|site| site == "same-origin" || site == "none")
}

fn not_from_elsewhere(headers: &HeaderMap) -> Result<(), Box<Response>> {
    if is_from_pages(headers) {
        return Ok(());
    }
    refuse(
        StatusCode::FORBIDDEN,
        "this node does not answer to other pages",
        "open a page with 'potluck open'",
    )
}

/// Content is for programs, for whoever opens it, and for this node's pages. Other pages can neither
/// make this node fetch something, nor learn what it has.
fn may_have_content(names: &Names, headers: &HeaderMap) -> Result<(), Box<Response>> {
    if is_from_pages(headers) {
        let origin = headers.get(header::ORIGIN);
        let is_own =
            |origin: &[u8]| origin == names.pages.as_bytes() || origin == names.content.as_bytes();
        if origin.is_none_or(|origin| is_own(origin.as_bytes())) {
            return Ok(());
        }
    } else if is_for_pages(names, headers) {
        return Ok(());
    }
    refuse(
        StatusCode::FORBIDDEN,
        "another page asked for this",
        "open the link in a tab of its own, or through 'potluck open'",
    )
}

/// Whether this node's pages asked for it.
pub(crate) fn is_for_pages(names: &Names, headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    match text(header::ORIGIN) {
        Some(origin) => origin == names.pages,
        None => text(header::REFERER)
            .and_then(|from| from.strip_prefix(names.pages.as_str()))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
    }
}

/// Whether the session's cookie is there, and right.
fn has_session(gateway: &Gateway, headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::COOKIE).iter();
    let mut pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.any(|(name, value)| name == gateway.names.cookie && gateway.access.is_session(value))
}

fn redirect(request: &Request, origin: &str) -> Result<(), Box<Response>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let hint = format!("call it at {origin}");
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "not at this address", &hint);
    }
    let path = request.uri().path_and_query().map_or("/", |it| it.as_str());
    Err(Box::new(
        Redirect::temporary(&format!("{origin}{path}")).into_response(),
    ))
}

fn refuse(status: StatusCode, message: &str, hint: &str) -> Result<(), Box<Response>> {
    Err(Box::new(
        ApiError::new(status, message, hint).into_response(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_pass() {
        let names = Names::new(4);
        for (host, site) in [
            ("127.0.0.1:4", Some(Site::Tools)),
            ("127.0.0.1:9", Some(Site::Tools)),
            ("[::1]:4", Some(Site::Tools)),
            ("localhost:4", Some(Site::Pages)),
            ("LocalHost:4", Some(Site::Pages)),
            ("localhost:5", Some(Site::Tools)),
            ("localhost", Some(Site::Tools)),
            ("content.localhost:4", Some(Site::Content)),
            ("content.localhost:5", None),
            ("evil.example:4", None),
            ("localhost.evil.example:4", None),
            ("x.content.localhost:4", None),
            ("192.0.2.1:4", None),
            ("0.0.0.0:4", None),
            ("localhost:4:4", None),
            ("localhost:", None),
            ("user@localhost:4", None),
            ("[::1", None),
            ("", None),
        ] {
            assert_eq!(names.site(host), site, "{host}");
        }
    }

    #[test]
    fn only_this_nodes_pages_are_its_pages() {
        let names = Names::new(4);
        let ask = |name: HeaderName, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            is_for_pages(&names, &headers)
        };
        assert!(ask(header::ORIGIN, "http://localhost:4"));
        assert!(ask(header::REFERER, "http://localhost:4/file/x"));
        for other in [
            "null",
            "http://localhost:44",
            "http://localhost:4.evil.example/",
            "https://localhost:4",
            "http://content.localhost:4/c/x",
        ] {
            assert!(!ask(header::ORIGIN, other), "{other}");
            assert!(!ask(header::REFERER, other), "{other}");
        }
    }
}
