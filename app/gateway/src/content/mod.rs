//! Content for browsers and programs: `/c/{cid or link}[/path…]`.

mod bytes;
mod media;
mod page;
mod ranges;

use crate::gateway::Gateway;
use crate::guard::{is_content_locked, is_for_pages, split_key};
use crate::host::{FolderEntry, FolderEntryKind, OpenError, Opened, OpenedKind};
use crate::names::Names;
use crate::pages::set;
use axum::extract::{Extension, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use potluck_api::{ErrorBody, ExitCode};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

pub use media::media_type;

/// How long a provider is looked for, unless the request says so.
const PATIENCE: f64 = 30.0;
/// How long it can say.
const MAX_PATIENCE: f64 = 300.0;
/// What answers for a folder that has it.
const INDEX: &str = "index.html";

/// What of a name cannot stand as it is in a path.
pub(crate) const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b'\'')
    .add(b'&')
    .add(b';');

/// Where a browser finds something.
pub(crate) fn url(origin: &str, cid: &str) -> String {
    format!("{origin}/c/{}/", utf8_percent_encode(cid, SEGMENT))
}

/// The seconds of a request as a time.
pub(crate) fn patience(seconds: Option<f64>) -> Result<Duration, ErrorBody> {
    let seconds = seconds.unwrap_or(PATIENCE);
    if (0.0..=MAX_PATIENCE).contains(&seconds) {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err(ErrorBody::new(
        ExitCode::Usage,
        format!("{seconds} is not a time to wait"),
        "give seconds from 0 to 300, as in ?timeout=60",
    ))
}

#[derive(Default, Deserialize)]
struct Asked {
    timeout: Option<f64>,
    download: Option<String>,
}

/// What a path names.
struct Target {
    /// CID or link.
    what: String,
    /// Within a folder.
    path: Vec<String>,
    /// Whether the path ends in `/`.
    is_folder: bool,
}

/// The link in a path of content.
pub(crate) fn named(path: &str) -> Option<String> {
    Some(parse(path)?.what)
}

/// `GET` and `HEAD`.
pub(crate) async fn answer(
    State(gateway): State<Arc<Gateway>>,
    Extension(names): Extension<Arc<Names>>,
    request: Request,
) -> Response {
    let (request, _) = request.into_parts();
    let method = &request.method;
    let asked_by_pages = is_for_pages(&names, &request.headers);
    let mut response = if matches!(*method, Method::GET | Method::HEAD) {
        respond(&gateway, &request).await
    } else if *method == Method::OPTIONS && asked_by_pages {
        // What a browser asks before it lets the pages ask for a part.
        let may = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"),
            (
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "Range, If-Range, If-None-Match",
            ),
        ];
        (StatusCode::NO_CONTENT, may).into_response()
    } else {
        let allow = [(header::ALLOW, "GET, HEAD")];
        (
            StatusCode::METHOD_NOT_ALLOWED,
            allow,
            "content can only be read\n",
        )
            .into_response()
    };
    if is_content_locked(&gateway, &names) {
        make_private(response.headers_mut());
    }
    secure(response.headers_mut(), &names.pages, asked_by_pages);
    response
}

async fn respond(gateway: &Gateway, request: &Parts) -> Response {
    let (_, path) = split_key(request.uri.path());
    let Some(target) = parse(path) else {
        let message = "the path is not UTF-8, or has '.' or '..' in it";
        return page::failure(StatusCode::BAD_REQUEST, message, "check the address", &[]);
    };
    let asked = Query::<Asked>::try_from_uri(&request.uri);
    let Ok(Query(asked)) = asked else {
        let message = "the part behind '?' is not understood";
        return page::failure(
            StatusCode::BAD_REQUEST,
            message,
            "see docs/spec/http.md",
            &[],
        );
    };
    let patience = match patience(asked.timeout) {
        Ok(patience) => patience,
        Err(error) => {
            return page::failure(StatusCode::BAD_REQUEST, &error.message, &error.hint, &[]);
        }
    };
    let opened = gateway
        .host
        .open(&target.what, &target.path, patience)
        .await;
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => return refuse(&error, &target, patience),
    };
    let Opened { cid, name, kind } = opened;
    match kind {
        OpenedKind::File(_) if target.is_folder && !target.path.is_empty() => {
            let message = "that is a file, and no folder";
            page::failure(
                StatusCode::NOT_FOUND,
                message,
                "leave out the last '/'",
                &[],
            )
        }
        OpenedKind::File(file) => {
            // A single file has no name in its path; the root's may be known.
            let name = target.path.last().cloned().unwrap_or(name);
            let named = bytes::Named {
                cid: &cid,
                name: &name,
                as_download: asked.download.is_some(),
            };
            bytes::answer(gateway, request, &named, file).await
        }
        OpenedKind::Folder(_) if !target.is_folder => moved(request),
        OpenedKind::Folder(entries) => {
            folder(gateway, request, &target, &name, &entries, patience).await
        }
    }
}

/// The index of a folder, or a list of what is in it.
async fn folder(
    gateway: &Gateway,
    request: &Parts,
    target: &Target,
    name: &str,
    entries: &[FolderEntry],
    patience: Duration,
) -> Response {
    let is_index =
        |entry: &FolderEntry| entry.name == INDEX && matches!(entry.kind, FolderEntryKind::File(_));
    if entries.iter().any(is_index) {
        let mut path = target.path.clone();
        path.push(INDEX.to_owned());
        let opened = gateway.host.open(&target.what, &path, patience).await;
        return match opened {
            Ok(Opened {
                cid,
                kind: OpenedKind::File(file),
                ..
            }) => {
                let named = bytes::Named {
                    cid: &cid,
                    name: INDEX,
                    as_download: false,
                };
                bytes::answer(gateway, request, &named, file).await
            }
            Ok(_) => page::failure(StatusCode::NOT_FOUND, "no such file", "", &[]),
            Err(error) => refuse(&error, target, patience),
        };
    }
    let title = target.path.last().map_or(name, String::as_str);
    page::listing(title, !target.path.is_empty(), entries)
}

/// What is for who has a secret is not for caches in between.
fn make_private(headers: &mut HeaderMap) {
    let kept = headers.get(header::CACHE_CONTROL);
    let kept = kept.and_then(|kept| kept.to_str().ok());
    if let Some(rest) = kept.and_then(|kept| kept.strip_prefix("public")) {
        let private = format!("private{rest}");
        set(headers, header::CACHE_CONTROL, &private);
    }
}

/// A folder's address ends in `/`, so that what it names is looked for in it.
fn moved(request: &Parts) -> Response {
    let uri = &request.uri;
    let query = uri.query().map(|query| format!("?{query}"));
    let to = format!("{}/{}", uri.path(), query.unwrap_or_default());
    let headers = [(header::LOCATION, to)];
    (StatusCode::MOVED_PERMANENTLY, headers).into_response()
}

fn parse(path: &str) -> Option<Target> {
    let mut parts = path.strip_prefix("/c/")?.split('/');
    let decode = |part: &str| {
        let text = percent_decode_str(part).decode_utf8().ok()?;
        Some(text.into_owned())
    };
    let what = decode(parts.next()?)?;
    let rest: Vec<&str> = parts.collect();
    let (is_folder, rest) = match rest.split_last() {
        Some((&"", rest)) => (true, rest),
        _ => (false, rest.as_slice()),
    };
    let path: Vec<String> = rest
        .iter()
        .map(|part| decode(part))
        .collect::<Option<_>>()?;
    let is_odd =
        |part: &String| matches!(part.as_str(), "" | "." | "..") || part.contains(['/', '\0']);
    (!path.iter().any(is_odd)).then_some(Target {
        what,
        path,
        is_folder,
    })
}

fn refuse(error: &OpenError, target: &Target, patience: Duration) -> Response {
    let body = error.body();
    let (status, more) = match error {
        OpenError::BadLink(_) => (StatusCode::BAD_REQUEST, Vec::new()),
        OpenError::NoSuchPath(_) => {
            let path = format!("/{}", target.path.join("/"));
            (StatusCode::NOT_FOUND, vec![("Path", path)])
        }
        OpenError::NoProvider(_) => {
            let waited = format!("{} s", patience.as_secs_f64());
            let tried = vec![
                ("Address", target.what.clone()),
                ("Looked for it for", waited),
            ];
            (StatusCode::GATEWAY_TIMEOUT, tried)
        }
        OpenError::Failed(body) => match body.code {
            ExitCode::Usage => (StatusCode::BAD_REQUEST, Vec::new()),
            ExitCode::NotFound => (StatusCode::NOT_FOUND, Vec::new()),
            _ => (StatusCode::BAD_GATEWAY, Vec::new()),
        },
    };
    page::failure(status, &body.message, &body.hint, &more)
}

/// Headers of everything that is content or about it. It may look as it likes, and do nothing: no
/// scripts, no forms, nothing from elsewhere.
fn secure(headers: &mut HeaderMap, pages: &str, asked_by_pages: bool) {
    let kind = headers.get(header::CONTENT_TYPE);
    let is_pdf = kind.is_some_and(|kind| kind == "application/pdf");
    // Browsers show no PDF in a sandbox; what shows it is no part of the page.
    let start = if is_pdf {
        "object-src 'self'; "
    } else {
        "sandbox allow-same-origin allow-downloads; "
    };
    let policy = format!(
        "{start}default-src 'none'; img-src 'self' data:; media-src 'self'; \
         style-src 'unsafe-inline' 'self'; font-src 'self' data:; form-action 'none'; \
         base-uri 'none'; frame-ancestors 'self' {pages}"
    );
    set(headers, header::CONTENT_SECURITY_POLICY, &policy);
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, header::REFERRER_POLICY, "no-referrer");
    let resource = HeaderName::from_static("cross-origin-resource-policy");
    let scope = if asked_by_pages {
        "cross-origin"
    } else {
        "same-origin"
    };
    set(headers, resource, scope);
    if asked_by_pages {
        set(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, pages);
        let shown = "Accept-Ranges, Content-Length, Content-Range, ETag";
        set(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, shown);
    }
    set(headers, header::VARY, "Origin, Referer, Sec-Fetch-Site");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_what_they_say_and_lead_nowhere_else() {
        let target = parse("/c/bafk%2Fx/a%20b/%C3%A4").unwrap();
        assert_eq!(target.what, "bafk/x");
        assert_eq!(target.path, ["a b", "ä"]);
        assert!(!target.is_folder);
        let target = parse("/c/x/").unwrap();
        assert!(target.path.is_empty() && target.is_folder);
        assert!(!parse("/c/x").unwrap().is_folder);
        for odd in [
            "/c/x/../y",
            "/c/x/%2e%2e/y",
            "/c/x/a%2F..%2Fb",
            "/c/x//y",
            "/c/x/%ff",
            "/c/x/a%00",
        ] {
            assert!(parse(odd).is_none(), "{odd}");
        }
    }

    #[test]
    fn patience_has_bounds() {
        assert_eq!(patience(None).unwrap(), Duration::from_secs(30));
        assert_eq!(patience(Some(0.5)).unwrap(), Duration::from_millis(500));
        for seconds in [-1.0, 300.5, f64::NAN, f64::INFINITY] {
            assert!(patience(Some(seconds)).is_err(), "{seconds}");
        }
    }
}
