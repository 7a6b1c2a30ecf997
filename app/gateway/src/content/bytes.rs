//! The bytes of a file: whole, in parts, or not again.

use super::media;
use super::ranges::{Wanted, wanted};
use crate::gateway::{Gateway, random};
use crate::host::{Bytestream, OpenedFile, ReadFile};
use crate::pages::set;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use headers::{ETag, HeaderMapExt as _, IfNoneMatch, IfRange};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use potluck_api::ErrorBody;
use std::ops::Range;
use std::sync::Arc;

/// How a file is called in an answer.
pub(super) struct Named<'a> {
    pub(super) cid: &'a str,
    pub(super) name: &'a str,
    pub(super) as_download: bool,
}

/// Answers for a file.
pub(super) async fn answer(
    gateway: &Gateway,
    request: &Parts,
    named: &Named<'_>,
    file: OpenedFile,
) -> Response {
    let asked = &request.headers;
    let tag = format!("\"{}\"", named.cid);
    let mut common = HeaderMap::new();
    set(&mut common, header::ETAG, &tag);
    set(
        &mut common,
        header::CACHE_CONTROL,
        "public, max-age=29030400, immutable",
    );
    set(&mut common, header::ACCEPT_RANGES, "bytes");
    let tag = tag.parse::<ETag>().ok();
    let known = asked.typed_get::<IfNoneMatch>();
    if let (Some(known), Some(tag)) = (known, &tag)
        && !known.precondition_passes(tag)
    {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    set(
        &mut common,
        header::CONTENT_DISPOSITION,
        &disposition(named.name, named.as_download),
    );
    let wanted = wanted_of(request, tag.as_ref(), file.bytes);
    let is_head = request.method == Method::HEAD;
    let reader = (!is_head).then(|| Counted {
        reader: Arc::clone(&file.reader),
        sent: gateway.counters.content(),
    });
    let (kind, begun) = kind_of(named, &file, &wanted, reader.as_ref()).await;
    let mut response = match wanted {
        Wanted::Nothing => {
            set(
                &mut common,
                header::CONTENT_RANGE,
                &format!("bytes */{}", file.bytes),
            );
            common.remove(header::CONTENT_DISPOSITION);
            let text = "the file has no such bytes\n";
            return (StatusCode::RANGE_NOT_SATISFIABLE, common, text).into_response();
        }
        Wanted::Whole => {
            let body = read(reader.as_ref(), 0..file.bytes);
            one(StatusCode::OK, body, file.bytes)
        }
        Wanted::One(range) => {
            set(
                &mut common,
                header::CONTENT_RANGE,
                &content_range(&range, file.bytes),
            );
            let length = range.end - range.start;
            let body = begun.or_else(|| read(reader.as_ref(), range));
            one(StatusCode::PARTIAL_CONTENT, body, length)
        }
        Wanted::Many(ranges) => match many(reader, &ranges, file.bytes, &kind) {
            Ok(response) => response,
            Err(error) => return crate::answer::ApiError::from(error).into_response(),
        },
    };
    if !response.headers().contains_key(header::CONTENT_TYPE) {
        set(&mut common, header::CONTENT_TYPE, &kind);
    }
    response.headers_mut().extend(common);
    response
}

/// The bytes wanted. A range counts for `GET` alone (RFC 9110, section 14.2), and only while the file
/// is the one that was meant.
fn wanted_of(request: &Parts, tag: Option<&ETag>, size: u64) -> Wanted {
    let asked = &request.headers;
    if request.method != Method::GET {
        return Wanted::Whole;
    }
    if asked.contains_key(header::IF_RANGE) {
        let condition = asked.typed_get::<IfRange>();
        if condition.is_none_or(|condition| condition.is_modified(tag, None)) {
            return Wanted::Whole;
        }
    }
    let mut lines = asked.get_all(header::RANGE).iter();
    match (
        lines.next().and_then(|line| line.to_str().ok()),
        lines.next(),
    ) {
        (Some(line), None) => wanted(line, size),
        _ => Wanted::Whole,
    }
}

/// Reads, and counts what is sent.
struct Counted {
    reader: Arc<dyn ReadFile>,
    sent: prometheus_client::metrics::counter::Counter,
}

impl Counted {
    fn read(&self, range: Range<u64>) -> Bytestream {
        let sent = self.sent.clone();
        let bytes = self.reader.read(range);
        let counted = bytes.inspect(move |part| {
            if let Ok(part) = part {
                sent.inc_by(part.len() as u64);
            }
        });
        counted.boxed()
    }
}

/// The media type, and the bytes of a single part if looking for it took them along: where the name does
/// not tell the type, what was asked for is fetched at the same time as the first bytes that do.
async fn kind_of(
    named: &Named<'_>,
    file: &OpenedFile,
    wanted: &Wanted,
    reader: Option<&Counted>,
) -> (String, Option<Bytestream>) {
    if let Some(kind) = media::by_name(named.name) {
        return (kind, None);
    }
    let part = match wanted {
        Wanted::One(range) => read(reader, range.clone()),
        _ => None,
    };
    match part {
        Some(part) => {
            let (kind, part) = futures::join!(media::by_start(file), begin(part));
            (kind, Some(part))
        }
        None => (media::by_start(file).await, None),
    }
}

/// The same bytes, the first of which are here.
async fn begin(mut bytes: Bytestream) -> Bytestream {
    let first = bytes.next().await;
    stream::iter(first).chain(bytes).boxed()
}

fn read(reader: Option<&Counted>, range: Range<u64>) -> Option<Bytestream> {
    let reader = reader.filter(|_| !range.is_empty())?;
    Some(reader.read(range))
}

/// One run of bytes.
fn one(status: StatusCode, bytes: Option<Bytestream>, length: u64) -> Response {
    let body = bytes.map_or_else(Body::empty, Body::from_stream);
    let mut response = (status, body).into_response();
    set(
        response.headers_mut(),
        header::CONTENT_LENGTH,
        &length.to_string(),
    );
    response
}

/// Several runs in one body, `multipart/byteranges` (RFC 9110, section 14.6).
fn many(
    reader: Option<Counted>,
    ranges: &[Range<u64>],
    size: u64,
    kind: &str,
) -> Result<Response, ErrorBody> {
    let boundary = random()?;
    let mut length = 0;
    let mut parts = Vec::with_capacity(ranges.len());
    for (index, range) in ranges.iter().enumerate() {
        let start = if index == 0 { "" } else { "\r\n" };
        let place = content_range(range, size);
        let head = format!(
            "{start}--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: {place}\r\n\r\n"
        );
        length += head.len() as u64 + (range.end - range.start);
        parts.push((Bytes::from(head), range.clone()));
    }
    let end = Bytes::from(format!("\r\n--{boundary}--\r\n"));
    length += end.len() as u64;
    let body = match reader {
        Some(reader) => {
            let parts = stream::iter(parts).flat_map(move |(head, range)| {
                stream::once(async move { Ok::<_, ErrorBody>(head) }).chain(reader.read(range))
            });
            Body::from_stream(parts.chain(stream::once(async move { Ok(end) })))
        }
        None => Body::empty(),
    };
    let mut response = (StatusCode::PARTIAL_CONTENT, body).into_response();
    let headers = response.headers_mut();
    set(headers, header::CONTENT_LENGTH, &length.to_string());
    let kind = format!("multipart/byteranges; boundary={boundary}");
    set(headers, header::CONTENT_TYPE, &kind);
    Ok(response)
}

fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end - 1)
}

/// `Content-Disposition` (RFC 6266): a name that every program can read, and the right one.
fn disposition(name: &str, as_download: bool) -> String {
    let kind = if as_download { "attachment" } else { "inline" };
    if name.is_empty() {
        return kind.to_owned();
    }
    let plain: String = name
        .chars()
        .map(|c| match c {
            '"' | '\\' | '%' => '_',
            c if c.is_ascii_graphic() || c == ' ' => c,
            _ => '_',
        })
        .collect();
    if plain == name {
        return format!("{kind}; filename=\"{plain}\"");
    }
    let full = utf8_percent_encode(name, NON_ALPHANUMERIC);
    format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{full}")
}

#[cfg(test)]
mod tests {
    use super::disposition;

    #[test]
    fn names_are_told_to_every_program() {
        assert_eq!(
            disposition("a b.txt", false),
            "inline; filename=\"a b.txt\""
        );
        assert_eq!(
            disposition("Übung\".txt", true),
            "attachment; filename=\"_bung_.txt\"; filename*=UTF-8''%C3%9Cbung%22%2Etxt"
        );
        assert_eq!(disposition("", true), "attachment");
        assert!(!disposition("a\r\nSet-Cookie: x", false).contains('\n'));
    }
}
