//! Reading the file: every line has to be understood.

use super::value::{Wrong, quoted};
use super::{Config, MAX_FILE_BYTES, keys, usage};
use potluck_api::{ErrorBody, ExitCode};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::path::Path;
use toml_edit::{Document, Item, Key, TableLike};

/// The text of the file; empty when there is none.
pub(super) fn text(path: &Path) -> Result<String, ErrorBody> {
    let failed = |error: &std::io::Error| {
        ErrorBody::new(
            ExitCode::Failed,
            format!("cannot read {}: {error}", path.display()),
            "check who owns the file and what it is",
        )
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(failed(&error)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(&error))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let message = format!("{} is larger than 1 MiB", path.display());
        return Err(usage(
            message,
            "this is no config file of Potluck; move it away",
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = 1 + count_lines(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        let message = format!("{}:{line}: not UTF-8 text", path.display());
        usage(message, "save the file as UTF-8")
    })
}

/// The settings in a text that was read from `path`.
pub(super) fn config(path: &Path, text: &str) -> Result<Config, ErrorBody> {
    let document = Document::parse(text).map_err(|error| {
        let first = error
            .message()
            .lines()
            .next()
            .unwrap_or("not understood")
            .to_owned();
        at(
            path,
            text,
            error.span(),
            &first,
            "see https://toml.io for how to write it",
        )
    })?;
    let mut reader = Reader {
        path,
        text,
        config: Config::default(),
    };
    reader.table("", document.as_table())?;
    Ok(reader.config)
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    config: Config,
}

impl Reader<'_> {
    fn table(&mut self, prefix: &str, table: &dyn TableLike) -> Result<(), ErrorBody> {
        for (name, item) in table.iter() {
            let key = table.key(name);
            let full = if prefix.is_empty() {
                name.to_owned()
            } else {
                format!("{prefix}.{name}")
            };
            let span = key.and_then(Key::span);
            if let Some(known) = keys::find(&full) {
                let span = item.span().or(span);
                let value = item.as_value().ok_or_else(|| {
                    let what = format!("{full} is a section, not a value");
                    at(self.path, self.text, span.clone(), &what, known.help)
                })?;
                (known.read)(&mut self.config, value).map_err(|Wrong { what, hint }| {
                    at(self.path, self.text, span, &format!("{full} {what}"), &hint)
                })?;
            } else if prefix.is_empty() && keys::is_section(&full) {
                self.section(&full, item, span)?;
            } else {
                return Err(self.unknown(&full, span));
            }
        }
        Ok(())
    }

    fn section(
        &mut self,
        name: &str,
        item: &Item,
        span: Option<Range<usize>>,
    ) -> Result<(), ErrorBody> {
        match item.as_table_like() {
            Some(table) => self.table(name, table),
            None => {
                let what = format!("{name} is a section, not a value");
                Err(at(
                    self.path,
                    self.text,
                    span,
                    &what,
                    &format!("begin it by [{name}]"),
                ))
            }
        }
    }

    fn unknown(&self, full: &str, span: Option<Range<usize>>) -> ErrorBody {
        let what = format!("unknown key {}", quoted(full));
        at(self.path, self.text, span, &what, &unknown_hint(full))
    }
}

/// What to do about a key that there is not.
pub(super) fn unknown_hint(key: &str) -> String {
    match keys::nearest(key) {
        Some(near) => format!("did you mean {near}? 'potluck config' lists all keys"),
        None => "'potluck config' lists all keys".to_owned(),
    }
}

fn at(path: &Path, text: &str, span: Option<Range<usize>>, what: &str, hint: &str) -> ErrorBody {
    let place = match span {
        Some(span) => {
            let before = text.as_bytes().get(..span.start).unwrap_or(text.as_bytes());
            format!("{}:{}", path.display(), 1 + count_lines(before))
        }
        None => path.display().to_string(),
    };
    usage(format!("{place}: {what}"), hint)
}

fn count_lines(before: &[u8]) -> usize {
    before.iter().filter(|byte| **byte == b'\n').count()
}
