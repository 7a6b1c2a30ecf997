//! The web pages, which are within the program, and the way in.

use crate::gateway::Gateway;
use crate::names::Names;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use rust_embed::RustEmbed;
use serde::Deserialize;
use std::sync::Arc;

/// What `web/` was built to.
#[derive(RustEmbed)]
#[folder = "../../web/dist"]
struct Built;

/// Pages that one document shows; the rest of the path is its own matter.
const PAGES: [&str; 5] = ["", "file", "peers", "activity", "settings"];

/// A page.
pub(crate) async fn page(
    Extension(names): Extension<Arc<Names>>,
    method: Method,
    uri: axum::http::Uri,
) -> Response {
    if !matches!(method, Method::GET | Method::HEAD) {
        let allow = [(header::ALLOW, "GET, HEAD")];
        return (StatusCode::METHOD_NOT_ALLOWED, allow).into_response();
    }
    let path = uri.path().trim_start_matches('/');
    let first = path.split('/').next().unwrap_or_default();
    if PAGES.contains(&first) {
        return document(&names, StatusCode::OK);
    }
    // Files beside the document, such as an icon.
    if let Some(file) = Built::get(path) {
        return asset_response(path, file, "no-cache");
    }
    document(&names, StatusCode::NOT_FOUND)
}

fn document(names: &Names, status: StatusCode) -> Response {
    let Some(file) = Built::get("index.html") else {
        return (StatusCode::NOT_FOUND, "built without pages").into_response();
    };
    let mut response = (status, file.data).into_response();
    let headers = response.headers_mut();
    secure(headers, &policy(&names.content));
    set(headers, header::CONTENT_TYPE, "text/html; charset=utf-8");
    set(headers, header::CACHE_CONTROL, "no-store");
    response
}

/// What the pages may load: only what is theirs, and content from its own origin.
fn policy(content: &str) -> String {
    format!(
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
         img-src 'self' data: blob: {content}; media-src 'self' blob: {content}; \
         frame-src {content}; object-src 'none'; connect-src 'self' {content}; worker-src 'self' blob:; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}

/// A script, a style or a picture. Its name holds the hash of what is in it.
pub(crate) async fn asset(Path(path): Path<String>) -> Response {
    let path = format!("assets/{path}");
    match Built::get(&path) {
        Some(file) => asset_response(&path, file, "public, max-age=31536000, immutable"),
        None => (StatusCode::NOT_FOUND, "no such file\n").into_response(),
    }
}

fn asset_response(path: &str, file: rust_embed::EmbeddedFile, cache: &'static str) -> Response {
    let mut response = file.data.into_response();
    let headers = response.headers_mut();
    secure(headers, "default-src 'none'");
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    set(headers, header::CONTENT_TYPE, kind.essence_str());
    set(headers, header::CACHE_CONTROL, cache);
    response
}

#[derive(Deserialize)]
pub(crate) struct Login {
    ticket: String,
    to: Option<String>,
}

/// Takes a ticket, and gives the browser a session for it.
pub(crate) async fn login(
    State(gateway): State<Arc<Gateway>>,
    Extension(names): Extension<Arc<Names>>,
    method: Method,
    Query(login): Query<Login>,
) -> Response {
    // Who only looks does not use it up.
    if method == Method::HEAD {
        return StatusCode::OK.into_response();
    }
    let secret = match gateway.access.enter(&login.ticket) {
        Some(Ok(secret)) => secret,
        Some(Err(error)) => return crate::answer::ApiError::from(error).into_response(),
        None => return who_are_you(),
    };
    let to = login.to.filter(|to| is_page(to));
    let mut response = Redirect::to(to.as_deref().unwrap_or("/")).into_response();
    let name = &names.cookie;
    let secure = if names.is_secure { "; Secure" } else { "" };
    let cookie = format!("{name}={secret}; HttpOnly; SameSite=Strict; Path=/{secure}");
    let headers = response.headers_mut();
    set(headers, header::SET_COOKIE, &cookie);
    set(headers, header::CACHE_CONTROL, "no-store");
    set(headers, header::REFERRER_POLICY, "no-referrer");
    response
}

/// Whether this is the path of a page here, and no way to elsewhere.
pub(crate) fn is_page(to: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_graphic() && c != '\\';
    to.starts_with('/') && !to.starts_with("//") && to.len() < 20_000 && to.chars().all(is_plain)
}

/// The page for whoever did not come in by a ticket.
pub(crate) fn who_are_you() -> Response {
    const TEXT: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>Potluck</title>\
        <style>body{font:1rem/1.5 system-ui,sans-serif;margin:15vh auto;max-width:34rem;padding:0 1rem}\
        code{background:#8882;padding:.15em .4em;border-radius:.3em}</style>\
        <h1>Who is there?</h1><p>These pages belong to the owner of this node. \
        On the machine where it runs, type</p><p><code>potluck open</code></p>\
        <p>in a terminal. It opens them in your browser, and the browser stays let in.</p></html>\n";
    let mut response = (StatusCode::UNAUTHORIZED, TEXT).into_response();
    let headers = response.headers_mut();
    secure(
        headers,
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    );
    set(headers, header::CONTENT_TYPE, "text/html; charset=utf-8");
    set(headers, header::CACHE_CONTROL, "no-store");
    set(headers, header::WWW_AUTHENTICATE, "Bearer");
    response
}

/// Headers of everything that belongs to the pages. Content is told the origin that asked for it:
/// that is how it knows the pages from others.
fn secure(headers: &mut HeaderMap, policy: &str) {
    set(headers, header::CONTENT_SECURITY_POLICY, policy);
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(
        headers,
        header::REFERRER_POLICY,
        "strict-origin-when-cross-origin",
    );
    let opener = header::HeaderName::from_static("cross-origin-opener-policy");
    set(headers, opener, "same-origin");
    let resource = header::HeaderName::from_static("cross-origin-resource-policy");
    set(headers, resource, "same-origin");
}

/// Sets a header whose value is ours, and therefore one.
pub(crate) fn set(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::is_page;

    #[test]
    fn a_way_in_leads_to_a_page_of_this_node() {
        assert!(is_page("/") && is_page("/file/bafk?x=1#y"));
        for elsewhere in [
            "",
            "//evil.example",
            "/\\evil.example",
            "http://x",
            "/a\nb",
            "/ä",
        ] {
            assert!(!is_page(elsewhere), "{elsewhere}");
        }
    }
}
