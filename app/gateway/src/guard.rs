//! Who may call what: by the name that was called, the place a browser says it comes from, and the
//! secret that comes with it. docs/adr/0023 says why.
//!
//! - `http://localhost:P` is for pages: they, and the API with their session's cookie.
//! - `http://127.0.0.1:P` is for programs: the API with the token, and content.
//! - `http://content.localhost:P` is for content in browsers, which must not reach the rest.
//!
//! Beyond loopback there are the two names that the owner gave, and a secret is asked of everybody.

use crate::answer::ApiError;
use crate::content::named;
use crate::gateway::Gateway;
use crate::names::{Names, Site};
use crate::pages;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use std::sync::Arc;

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

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
        let (key, path) = split_key(path);
        let first = path.strip_prefix('/').unwrap_or(path).split('/').next();
        match first.unwrap_or_default() {
            "c" => Self::Content,
            // A key is for content alone.
            _ if key.is_some() => Self::Page,
            "api" => Self::Api,
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
    // Each listener says by which names it is called.
    let names = request.extensions().get::<Arc<Names>>().map(Arc::clone);
    let decided = match &names {
        Some(names) => decide(&gateway, names, &request),
        None => refuse(
            StatusCode::MISDIRECTED_REQUEST,
            "this node has no name here",
            "",
        ),
    };
    let response = match decided {
        Ok(()) => next.run(request).await,
        Err(answer) => *answer,
    };
    gateway.counters.answered(response.status());
    response
}

fn decide(gateway: &Gateway, names: &Names, request: &Request) -> Result<(), Box<Response>> {
    let (headers, path) = (request.headers(), request.uri().path());
    let Some(site) = site(names, request) else {
        let hint = "call it by the address in api.json, or open a page with 'potluck open'";
        return refuse(
            StatusCode::MISDIRECTED_REQUEST,
            "this node has another name",
            hint,
        );
    };
    let area = Area::of(path);
    match (site, area) {
        (Site::Content, Area::Content) | (Site::Tools, Area::Content) => {
            may_have_content(names, headers)?;
            may_read(gateway, names, request)
        }
        (Site::Content, _) => refuse(
            StatusCode::NOT_FOUND,
            "there is only content here",
            "paths begin with /c/",
        ),
        (Site::Pages, Area::Content) => to_content(gateway, names, request),
        (_, Area::Api) => may_use_api(gateway, names, site, request),
        (_, Area::Metrics) if gateway.host.has_open_metrics() && !names.is_outside => {
            not_from_elsewhere(headers)
        }
        (_, Area::Metrics) => may_use_api(gateway, names, site, request),
        (_, Area::Health) => not_from_elsewhere(headers),
        (Site::Tools, _) => redirect(request, &names.pages),
        (Site::Pages, Area::Login | Area::Asset) => not_from_elsewhere(headers),
        (Site::Pages, Area::Page) => {
            if is_from_pages(headers) && has_session(gateway, names, headers) {
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

fn may_use_api(
    gateway: &Gateway,
    names: &Names,
    site: Site,
    request: &Request,
) -> Result<(), Box<Response>> {
    let headers = request.headers();
    let own = Some(names.pages.as_str());
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
        if is_token(gateway, given) {
            return Ok(());
        }
    } else if site == Site::Pages && has_session(gateway, names, headers) {
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

fn is_token(gateway: &Gateway, given: &HeaderValue) -> bool {
    let given = given.to_str().ok();
    let given = given.and_then(|text| text.strip_prefix("Bearer "));
    given.is_some_and(|token| gateway.access.is_token(token))
}

/// Whether content needs a secret at this listener.
pub(crate) fn is_content_locked(gateway: &Gateway, names: &Names) -> bool {
    names.is_outside || gateway.host.has_locked_content()
}

/// Content may be anybody's on this machine, or only theirs who have the token, or an address of
/// content that the API gave: `/k/{key}/c/…`. Players and the pages can send no header with it.
fn may_read(gateway: &Gateway, names: &Names, request: &Request) -> Result<(), Box<Response>> {
    let given = request.headers().get(header::AUTHORIZATION);
    let has_key = || {
        let (key, path) = split_key(request.uri().path());
        let link = named(path);
        key.is_some_and(|key| gateway.access.opens(key, link.as_deref()))
    };
    let is_open = !is_content_locked(gateway, names);
    if is_open || has_key() || given.is_some_and(|given| is_token(gateway, given)) {
        return Ok(());
    }
    refuse(
        StatusCode::UNAUTHORIZED,
        "content of this node is for its owner",
        "open it from the pages, or send 'Authorization: Bearer <token>' with the token from api.json",
    )
}

/// The key in a path of content, and the path without it.
pub(crate) fn split_key(path: &str) -> (Option<&str>, &str) {
    let split = path.strip_prefix("/k/").and_then(|rest| {
        let at = rest.find('/').filter(|at| *at > 0)?;
        Some((Some(&rest[..at]), &rest[at..]))
    });
    split.unwrap_or((None, path))
}

/// Content is at a name of its own. The owner's browser is given the key as well.
fn to_content(gateway: &Gateway, names: &Names, request: &Request) -> Result<(), Box<Response>> {
    let headers = request.headers();
    let knows = is_from_pages(headers) && has_session(gateway, names, headers);
    if knows && is_content_locked(gateway, names) {
        return match gateway.access.content_key() {
            Ok(key) => redirect(request, &format!("{}/k/{key}", names.content)),
            Err(error) => Err(Box::new(ApiError::from(error).into_response())),
        };
    }
    redirect(request, &names.content)
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
fn has_session(gateway: &Gateway, names: &Names, headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::COOKIE).iter();
    let mut pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.any(|(name, value)| name == names.cookie && gateway.access.is_session(value))
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
    fn keys_of_content() {
        assert_eq!(split_key("/k/abc/c/x/y"), (Some("abc"), "/c/x/y"));
        assert_eq!(split_key("/c/k/abc"), (None, "/c/k/abc"));
        for other in ["/k/abc", "/k//c/x", "/k"] {
            assert_eq!(split_key(other), (None, other));
        }
        assert_eq!(Area::of("/k/abc/c/x"), Area::Content);
        assert_eq!(Area::of("/k/abc/api/v1/status"), Area::Page);
        assert_eq!(Area::of("/k//c/x"), Area::Page);
    }

    #[test]
    fn only_this_nodes_pages_are_its_pages() {
        let names = Names::local(4);
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
