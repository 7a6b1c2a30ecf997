//! Pages about content: what is in a folder, and what went wrong.

use super::SEGMENT;
use crate::host::{FolderEntry, FolderEntryKind};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::utf8_percent_encode;
use std::fmt::Write as _;

/// Entries that are listed; a page with more is of no use to anybody.
const MOST: usize = 10_000;

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;margin:2rem auto;max-width:56rem;padding:0 1rem;\
    color-scheme:light dark}table{border-collapse:collapse;width:100%}td{padding:.15rem .5rem;border-bottom:1px solid #8883;\
    overflow-wrap:anywhere}td:last-child{text-align:right;white-space:nowrap}dt{font-weight:600}dd{margin:0 0 .5rem}";

/// What is in a folder.
pub(super) fn listing(title: &str, has_parent: bool, entries: &[FolderEntry]) -> Response {
    let title = escape(title);
    let mut page = head(&title);
    page.push_str("<table>");
    if has_parent {
        page.push_str("<tr><td><a href=\"../\">..</a><td>");
    }
    for entry in entries.iter().take(MOST) {
        let text = escape(&entry.name);
        // With './', a name with a colon is no scheme.
        let path = escape(&utf8_percent_encode(&entry.name, SEGMENT).to_string());
        let _ = match entry.kind {
            FolderEntryKind::File(bytes) => write!(
                page,
                "<tr><td><a href=\"./{path}\">{text}</a><td>{}",
                size(bytes)
            ),
            FolderEntryKind::Folder => {
                write!(page, "<tr><td><a href=\"./{path}/\">{text}/</a><td>")
            }
        };
    }
    page.push_str("</table>");
    if entries.len() > MOST {
        let _ = write!(page, "<p>and {} more", entries.len() - MOST);
    }
    if entries.is_empty() {
        page.push_str("<p>This folder is empty.");
    }
    page.push_str("</html>\n");
    html(StatusCode::OK, page)
}

/// What went wrong, what was tried, and what to do.
pub(super) fn failure(
    status: StatusCode,
    message: &str,
    hint: &str,
    more: &[(&str, String)],
) -> Response {
    let mut page = head(&escape(&sentence(message)));
    page.push_str("<dl>");
    for (name, value) in more {
        let short: String = value.chars().take(500).collect();
        let _ = write!(page, "<dt>{name}<dd>{}", escape(&short));
    }
    page.push_str("</dl>");
    if !hint.is_empty() {
        let _ = write!(page, "<p>{}.", escape(&sentence(hint)));
    }
    page.push_str("</html>\n");
    html(status, page)
}

fn head(title: &str) -> String {
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style><h1>{title}</h1>"
    )
}

fn html(status: StatusCode, page: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, page).into_response()
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

/// A text within HTML, in an attribute too.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[allow(clippy::cast_precision_loss)] // for people
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place() {
        assert_eq!(escape("<a b='\"&"), "&lt;a b=&#39;&quot;&amp;");
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1500), "1.5 kB");
        assert_eq!(size(999_990), "1.0 MB");
    }
}
