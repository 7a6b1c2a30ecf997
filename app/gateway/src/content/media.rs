//! What kind of file something is.

use crate::host::OpenedFile;
use futures::StreamExt as _;

/// Bytes at the start of a file that tell its kind where the name does not.
const LOOK: u64 = 8192;
const UNKNOWN: &str = "application/octet-stream";

/// Media type by the name.
pub(super) fn by_name(name: &str) -> Option<String> {
    let kind = mime_guess::from_path(name).first()?;
    let kind = kind.essence_str();
    Some(if is_text(kind) {
        format!("{kind}; charset=utf-8")
    } else {
        kind.to_owned()
    })
}

/// Media type of a file of this name, such as `video/mp4`.
#[must_use]
pub fn media_type(name: &str) -> String {
    by_name(name).unwrap_or_else(|| UNKNOWN.to_owned())
}

/// Media type by the first bytes.
pub(super) async fn by_start(file: &OpenedFile) -> String {
    if file.bytes == 0 {
        return UNKNOWN.to_owned();
    }
    let mut start = Vec::new();
    let mut bytes = file.reader.read(0..file.bytes.min(LOOK));
    while let Some(Ok(part)) = bytes.next().await {
        start.extend_from_slice(&part);
    }
    by_bytes(&start).to_owned()
}

/// A page is never told by its bytes: what nobody called one is shown as text.
fn by_bytes(start: &[u8]) -> &'static str {
    let known = infer::get(start).map(|kind| kind.mime_type());
    match known {
        Some("text/html" | "text/xml" | "application/xml") | None if is_utf8(start) => {
            "text/plain; charset=utf-8"
        }
        Some("text/html" | "text/xml" | "application/xml") | None => UNKNOWN,
        Some(kind) => kind,
    }
}

/// Whether these bytes begin a text; a letter may be cut at the end.
fn is_utf8(start: &[u8]) -> bool {
    let is_text = match std::str::from_utf8(start) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    is_text && !start.contains(&0)
}

fn is_text(kind: &str) -> bool {
    kind.starts_with("text/")
        || matches!(
            kind,
            "application/json" | "application/javascript" | "application/xml"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_name_or_by_what_is_in_it() {
        assert_eq!(by_name("a.mp4").as_deref(), Some("video/mp4"));
        assert_eq!(
            by_name("A.TXT").as_deref(),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(by_name("README"), None);
        assert_eq!(by_bytes(b"\x89PNG\r\n\x1a\n"), "image/png");
        assert_eq!(by_bytes(b"<html><script>"), "text/plain; charset=utf-8");
        assert_eq!(by_bytes("grün".as_bytes()), "text/plain; charset=utf-8");
        assert_eq!(by_bytes(&"ü".as_bytes()[..1]), "text/plain; charset=utf-8");
        assert_eq!(by_bytes(b"\xff\x00\x01"), UNKNOWN);
    }
}
