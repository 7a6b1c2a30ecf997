//! Changing one setting in the file without disturbing the rest of it.

use super::keys::{self, Key};
use super::{describe, path, read, unknown_key, usage};
use potluck_api::{ConfigReport, ErrorBody, ExitCode};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use toml_edit::{Array, DocumentMut, Item, Table, Value};

pub(super) fn set(data: &Path, name: &str, value: Option<&str>) -> Result<ConfigReport, ErrorBody> {
    let path = path(data);
    let old_text = read::text(&path)?;
    let mut document: DocumentMut = match old_text.parse() {
        Ok(document) => document,
        // Gives the same error as reading does, with its line.
        Err(_) => {
            return Err(read::config(&path, &old_text)
                .err()
                .unwrap_or_else(|| broken(&path)));
        }
    };
    let known = keys::find(name);
    match (value, known) {
        (Some(value), Some(key)) => insert(&mut document, key, value)?,
        (Some(_), None) => return Err(unknown_key(name)),
        // A key that is unknown can be taken out: that is how a broken file is mended.
        (None, _) => {
            if !remove(&mut document, name) && known.is_none() {
                return Err(unknown_key(name));
            }
        }
    }
    let new_text = document.to_string();
    let before = read::config(&path, &old_text);
    let after = match read::config(&path, &new_text) {
        Ok(after) => after,
        // Something else in the file is wrong too; taking a key out still brings it nearer.
        Err(error) if value.is_none() => {
            replace(&path, &new_text)?;
            return Err(error);
        }
        Err(error) => return Err(error),
    };
    if new_text != old_text {
        replace(&path, &new_text)?;
    }
    let mut report = describe(data, &after);
    let changed = before.map_or(true, |before| before != after);
    report.restart_needed = changed && known.is_some_and(|key| !key.live);
    Ok(report)
}

fn broken(path: &Path) -> ErrorBody {
    usage(
        format!("{} is not valid TOML", path.display()),
        "mend it in an editor",
    )
}

fn insert(document: &mut DocumentMut, key: &Key, text: &str) -> Result<(), ErrorBody> {
    let value = to_value(key, text);
    let mut probe = super::Config::default();
    (key.read)(&mut probe, &value)
        .map_err(|wrong| usage(format!("{} {}", key.name, wrong.what), wrong.hint))?;
    let (section, leaf) = key.name.split_once('.').unwrap_or(("", key.name));
    let root = document.as_table_mut();
    let table = root
        .entry(section)
        .or_insert_with(|| Item::Table(Table::new()));
    let Some(table) = table.as_table_like_mut() else {
        let message = format!("{section} is a section, not a value");
        return Err(usage(
            message,
            format!("take {section} out of the file first"),
        ));
    };
    match table.get_mut(leaf).and_then(Item::as_value_mut) {
        Some(old) => {
            let decor = old.decor().clone();
            *old = value;
            *old.decor_mut() = decor;
        }
        None => {
            table.insert(leaf, Item::Value(value));
        }
    }
    Ok(())
}

/// What the command line wrote, as TOML: lists have commas there, texts no quotes.
fn to_value(key: &Key, text: &str) -> Value {
    let text = text.trim();
    if key.list {
        // Addresses of IPv6 have such brackets too: [::1]:6881.
        let inner = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let parts = inner.unwrap_or(text).split(',');
        let parts = parts
            .map(|part| part.trim().trim_matches('"'))
            .filter(|part| !part.is_empty());
        return Value::Array(parts.collect::<Array>());
    }
    match text.parse::<Value>() {
        Ok(value @ (Value::Boolean(_) | Value::Integer(_) | Value::String(_))) => value,
        _ => Value::from(text),
    }
}

fn remove(document: &mut DocumentMut, name: &str) -> bool {
    let root = document.as_table_mut();
    let Some((section, leaf)) = name.split_once('.') else {
        return root.remove(name).is_some();
    };
    let Some(table) = root.get_mut(section).and_then(Item::as_table_like_mut) else {
        return false;
    };
    table.remove(leaf).is_some()
}

/// Puts the new text under the file's name in one step, so that a crash leaves the old or the new
/// file and never half of one.
fn replace(path: &Path, text: &str) -> Result<(), ErrorBody> {
    let failed = |error: std::io::Error| {
        ErrorBody::new(
            ExitCode::Failed,
            format!("cannot write {}: {error}", path.display()),
            "check that the data directory is yours and has space left",
        )
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    let temporary = folder.join(format!(".config.{}.tmp", std::process::id()));
    let written = write_new(&temporary, text).and_then(|()| {
        if let Ok(old) = fs::metadata(path) {
            let mode = old.permissions().mode() & 0o777;
            fs::set_permissions(&temporary, fs::Permissions::from_mode(mode))?;
        }
        fs::rename(&temporary, path)?;
        File::open(folder)?.sync_all()
    });
    written.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        failed(error)
    })
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
