//! Values: what each kind of setting accepts, and what to say when it does not.

use crate::schedule::{MAX_RULES, Rule, RuleError};
use potluck_api::Rate;
use potluck_identity::PeerId;
use potluck_net::Multiaddr;
use toml_edit::Value;

/// Peers that an owner may know.
const MAX_CONTACTS: usize = 1024;

/// A value that a setting does not take: what is wrong with it and what to write instead.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) hint: String,
}

impl Wrong {
    pub(super) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: hint.into(),
        }
    }

    fn kind(value: &Value, wanted: &str) -> Self {
        Self::new(
            format!("is {}", article(value.type_name())),
            format!("write {wanted}"),
        )
    }
}

fn article(name: &str) -> String {
    let vowel = name.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {name}", if vowel { "an" } else { "a" })
}

pub(super) fn boolean(value: &Value) -> Result<bool, Wrong> {
    value
        .as_bool()
        .ok_or_else(|| Wrong::kind(value, "true or false"))
}

pub(super) fn text(value: &Value) -> Result<String, Wrong> {
    let text = value
        .as_str()
        .ok_or_else(|| Wrong::kind(value, "a text in quotes"))?;
    if text.contains('\0') {
        return Err(Wrong::new("has a zero byte in it", "take it out"));
    }
    Ok(text.to_owned())
}

pub(super) fn count(value: &Value, least: u32, most: u32) -> Result<u32, Wrong> {
    let range = format!("a whole number from {least} to {most}");
    let number = value
        .as_integer()
        .ok_or_else(|| Wrong::kind(value, &range))?;
    let fits = u32::try_from(number)
        .ok()
        .filter(|number| (least..=most).contains(number));
    fits.ok_or_else(|| Wrong::new(format!("is {number}"), format!("write {range}")))
}

pub(super) fn choice<T: Copy>(value: &Value, choices: &[(&str, T)]) -> Result<T, Wrong> {
    let names: Vec<&str> = choices.iter().map(|choice| choice.0).collect();
    let wanted = format!("one of {}", names.join(", "));
    let text = value.as_str().ok_or_else(|| Wrong::kind(value, &wanted))?;
    let found = choices.iter().find(|choice| choice.0 == text);
    found
        .map(|choice| choice.1)
        .ok_or_else(|| Wrong::new(format!("is {}", quoted(text)), format!("write {wanted}")))
}

pub(super) fn rate(value: &Value) -> Result<Rate, Wrong> {
    let wanted = "a rate such as \"20MB/s\" or \"512KiB/s\", or \"off\"";
    let text = match value {
        Value::String(text) => text.value().clone(),
        Value::Integer(number) => number.value().to_string(),
        other => return Err(Wrong::kind(other, wanted)),
    };
    text.parse().map_err(|_| {
        Wrong::new(
            format!("is {}", quoted(&text)),
            format!("write {wanted}, at least 1KiB/s"),
        )
    })
}

/// A number of bytes; `None` is `off`.
pub(super) fn size(value: &Value) -> Result<Option<u64>, Wrong> {
    let wanted = "a size such as \"20GB\" or \"512MiB\", or \"off\"";
    let text = match value {
        Value::String(text) => text.value().clone(),
        Value::Integer(number) => number.value().to_string(),
        other => return Err(Wrong::kind(other, wanted)),
    };
    parse_size(&text)
        .ok_or_else(|| Wrong::new(format!("is {}", quoted(&text)), format!("write {wanted}")))
}

/// Bytes as people write them; `Some(None)` is `off`.
pub(crate) fn parse_size(text: &str) -> Option<Option<u64>> {
    let lower = text.trim().to_ascii_lowercase();
    if matches!(lower.as_str(), "off" | "none" | "unlimited") {
        return Some(None);
    }
    let end = lower
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(lower.len());
    let (number, unit) = lower.split_at(end);
    let number: f64 = number.parse().ok()?;
    let unit = unit.trim();
    let (prefix, base) = match unit.strip_suffix("ib").or_else(|| unit.strip_suffix('i')) {
        Some(prefix) => (prefix, 1024.0_f64),
        None => (unit.strip_suffix('b').unwrap_or(unit), 1000.0),
    };
    let power = ["", "k", "m", "g", "t", "p"]
        .iter()
        .position(|known| *known == prefix)?;
    if base > 1000.0 && prefix.is_empty() {
        return None;
    }
    let bytes = number * base.powi(i32::try_from(power).ok()?);
    // Above 2^53 a float no longer counts single bytes, and nobody has that much.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // bounded here
    (0.0..9e15).contains(&bytes).then_some(Some(bytes as u64))
}

/// Most that a ratio may be, in thousandths: ten thousand times.
const MAX_RATIO_MILLI: f64 = 1e7;
/// Longest time that a setting takes, in seconds: a hundred years.
const MAX_TIME_SECONDS: u64 = 100 * 365 * 86_400;
/// What times end in, and their seconds.
const TIME_UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

/// A ratio in thousandths.
pub(super) fn ratio(value: &Value) -> Result<u64, Wrong> {
    let wanted = "a number such as 2.0, or 0 for no goal";
    let text = match value {
        Value::String(text) => text.value().clone(),
        Value::Integer(number) => number.value().to_string(),
        Value::Float(number) => number.value().to_string(),
        other => return Err(Wrong::kind(other, wanted)),
    };
    parse_ratio(&text)
        .ok_or_else(|| Wrong::new(format!("is {}", quoted(&text)), format!("write {wanted}")))
}

/// A ratio as people write it, in thousandths.
pub(crate) fn parse_ratio(text: &str) -> Option<u64> {
    let milli = (text.trim().parse::<f64>().ok()? * 1000.0).round();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // bounded here
    (0.0..=MAX_RATIO_MILLI)
        .contains(&milli)
        .then_some(milli as u64)
}

/// Thousandths as people write them, such as `2.0`; `0` for none.
pub(crate) fn show_ratio(milli: u64) -> String {
    if milli == 0 {
        return "0".to_owned();
    }
    let (whole, rest) = (milli / 1000, format!("{:03}", milli % 1000));
    let rest = rest.trim_end_matches('0');
    format!("{whole}.{}", if rest.is_empty() { "0" } else { rest })
}

/// A time in seconds; 0 when the text is empty.
pub(super) fn time(value: &Value) -> Result<u64, Wrong> {
    let wanted = "a time such as \"24h\" or \"7d\", or \"\" for no goal";
    let text = value.as_str().ok_or_else(|| Wrong::kind(value, wanted))?;
    parse_time(text)
        .ok_or_else(|| Wrong::new(format!("is {}", quoted(text)), format!("write {wanted}")))
}

/// Seconds as people write them: a whole number and `s`, `m`, `h` or `d`; nothing, `0` and `off` are 0.
pub(crate) fn parse_time(text: &str) -> Option<u64> {
    let text = text.trim();
    if matches!(text, "" | "0" | "off" | "none") {
        return Some(0);
    }
    let (unit, seconds) = TIME_UNITS.iter().find(|(unit, _)| text.ends_with(*unit))?;
    let number: u64 = text.strip_suffix(*unit)?.trim_end().parse().ok()?;
    let total = number.checked_mul(*seconds)?;
    (total <= MAX_TIME_SECONDS).then_some(total)
}

/// Seconds in the largest unit that shows them whole.
pub(crate) fn show_time(seconds: u64) -> String {
    let whole = TIME_UNITS
        .iter()
        .find(|(_, unit)| seconds.is_multiple_of(*unit));
    whole.map_or_else(
        || format!("{seconds}s"),
        |(name, unit)| format!("{}{name}", seconds / unit),
    )
}

pub(super) fn show_size(bytes: Option<u64>) -> String {
    let Some(bytes) = bytes else {
        return "off".to_owned();
    };
    if bytes == u64::MAX {
        return "off".to_owned();
    }
    let units: [(u64, &str); 8] = [
        (1 << 40, "TiB"),
        (1_000_000_000_000, "TB"),
        (1 << 30, "GiB"),
        (1_000_000_000, "GB"),
        (1 << 20, "MiB"),
        (1_000_000, "MB"),
        (1 << 10, "KiB"),
        (1_000, "kB"),
    ];
    let whole = units
        .iter()
        .find(|(unit, _)| bytes > 0 && bytes % unit == 0);
    whole.map_or_else(
        || bytes.to_string(),
        |(unit, name)| format!("{}{name}", bytes / unit),
    )
}

/// A list of multiaddresses.
pub(super) fn addresses(value: &Value) -> Result<Vec<String>, Wrong> {
    let example = "addresses such as \"/ip4/0.0.0.0/tcp/4771\"";
    let list = value
        .as_array()
        .ok_or_else(|| Wrong::kind(value, &format!("a list of {example}")))?;
    let mut found = Vec::new();
    for item in list {
        let text = item.as_str().ok_or_else(|| Wrong::kind(item, example))?;
        address(text)?;
        found.push(text.to_owned());
    }
    if found.len() > 64 {
        return Err(Wrong::new(
            format!("has {} addresses", found.len()),
            "64 are the most",
        ));
    }
    Ok(found)
}

fn address(text: &str) -> Result<Multiaddr, Wrong> {
    text.parse().map_err(|_| {
        Wrong::new(
            format!("has {}, which is not a multiaddress", quoted(text)),
            "write for example \"/ip4/192.0.2.7/tcp/4771\"",
        )
    })
}

/// A list of hosts with their ports.
pub(super) fn hosts(value: &Value) -> Result<Vec<String>, Wrong> {
    let example = "nodes such as \"router.example.org:6881\"";
    let list = value
        .as_array()
        .ok_or_else(|| Wrong::kind(value, &format!("a list of {example}")))?;
    let mut found = Vec::new();
    for item in list {
        let text = item.as_str().ok_or_else(|| Wrong::kind(item, example))?;
        let parts = text.rsplit_once(':');
        let parts = parts.filter(|(host, port)| {
            !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
        });
        if parts.is_none() {
            return Err(Wrong::new(
                format!("has {}, which is not HOST:PORT", quoted(text)),
                format!("write {example}"),
            ));
        }
        found.push(text.to_owned());
    }
    if found.len() > 64 {
        return Err(Wrong::new(
            format!("has {} nodes", found.len()),
            "64 are the most",
        ));
    }
    Ok(found)
}

/// A list of multiaddresses that name a peer.
pub(super) fn peers(value: &Value) -> Result<Vec<String>, Wrong> {
    let found = addresses(value)?;
    for text in &found {
        // Parts alternate between names and values, and the text is known to be well-formed.
        let named = text.rsplit('/').nth(1) == Some("p2p");
        if !named {
            return Err(Wrong::new(
                format!("has {}, which names no peer", quoted(text)),
                "end it in /p2p/<peer id>; 'potluck id' on that node shows it",
            ));
        }
    }
    Ok(found)
}

/// A list of peer ids.
pub(super) fn peer_ids(value: &Value) -> Result<Vec<PeerId>, Wrong> {
    let wanted = "a list of peer ids, as 'potluck id' shows them";
    let list = value.as_array().ok_or_else(|| Wrong::kind(value, wanted))?;
    if list.len() > MAX_CONTACTS {
        let what = format!("has {} peers", list.len());
        return Err(Wrong::new(what, format!("{MAX_CONTACTS} are the most")));
    }
    let mut found = Vec::new();
    for item in list {
        let text = item.as_str().ok_or_else(|| Wrong::kind(item, wanted))?;
        let peer = text.parse().map_err(|_| {
            Wrong::new(
                format!("has {}, which is no peer id", quoted(text)),
                "'potluck id' on that node shows it",
            )
        })?;
        found.push(peer);
    }
    Ok(found)
}

/// Rates by the time of day and week.
pub(super) fn schedule(value: &Value) -> Result<Vec<Rule>, Wrong> {
    let wanted = "a list of rules such as \"mon-fri 08:00-18:00 up 500kB/s\"";
    let list = value.as_array().ok_or_else(|| Wrong::kind(value, wanted))?;
    if list.len() > MAX_RULES {
        let what = format!("has {} rules", list.len());
        return Err(Wrong::new(what, format!("{MAX_RULES} are the most")));
    }
    let mut found = Vec::new();
    for item in list {
        let text = item.as_str().ok_or_else(|| Wrong::kind(item, wanted))?;
        let rule = text.parse().map_err(|error: RuleError| {
            Wrong::new(format!("has {}: {error}", quoted(text)), error.hint())
        })?;
        found.push(rule);
    }
    Ok(found)
}

/// A text as shown in a message: on one line and not too long.
pub(super) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    let more = if text.chars().count() > 60 { "…" } else { "" };
    format!("'{short}{more}'")
}
