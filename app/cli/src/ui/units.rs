//! Numbers as people read them.

/// `1.2 GiB`
pub(crate) fn size(bytes: u64) -> String {
    let units = [
        (1_u64 << 40, "TiB"),
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
    ];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => {
            let tenths = u128::from(bytes) * 10 / u128::from(*unit);
            if tenths >= 1000 {
                format!("{} {name}", tenths / 10)
            } else {
                format!("{}.{} {name}", tenths / 10, tenths % 10)
            }
        }
        None => format!("{bytes} B"),
    }
}

/// `85.1 MiB/s`
pub(crate) fn rate(bytes_per_second: u64) -> String {
    format!("{}/s", size(bytes_per_second))
}

/// `0.4 s`, `12 s`, `3 min 05 s`, `2 h 07 min`, `3 d 4 h`
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "?".to_owned();
    }
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates, and is positive
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3_600 => format!("{} min {:02} s", whole / 60, whole % 60),
        3_600..86_400 => format!("{} h {:02} min", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

/// `62 %`; 100 only when nothing is left.
pub(crate) fn percent(done: u64, total: u64) -> String {
    if total == 0 {
        return "100 %".to_owned();
    }
    format!("{} %", u128::from(done) * 100 / u128::from(total))
}

/// Bytes a second over a time.
pub(crate) fn average(bytes: u64, seconds: f64) -> u64 {
    if seconds <= 0.0 {
        return 0;
    }
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss
    )]
    let rate = (bytes as f64 / seconds) as u64;
    rate
}

/// `1 file`, `2 files`
pub(crate) fn count(number: u64, one: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {one}s")
    }
}

/// A peer id short enough for a line: all of ours begin alike, so the end tells them apart.
pub(crate) fn peer(id: &str) -> String {
    if id.len() <= 12 || !id.is_ascii() {
        return id.to_owned();
    }
    format!("{}…{}", &id[..4], &id[id.len() - 6..])
}

/// At most `width` characters of a text, in one line.
pub(crate) fn clip(text: &str, width: usize) -> String {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    if clean.chars().count() <= width {
        return clean;
    }
    let mut cut: String = clean.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1_023), "1023 B");
        assert_eq!(size(1_536), "1.5 KiB");
        assert_eq!(size(335_544_320), "320 MiB");
        assert_eq!(size(u64::MAX), "16777215 TiB");
    }

    #[test]
    fn durations() {
        for (seconds, text) in [
            (0.04, "0.0 s"),
            (9.94, "9.9 s"),
            (9.96, "10 s"),
            (59.6, "1 min 00 s"),
            (185.0, "3 min 05 s"),
            (7_620.0, "2 h 07 min"),
            (273_600.0, "3 d 4 h"),
            (f64::NAN, "?"),
            (f64::INFINITY, "?"),
            (-1.0, "?"),
        ] {
            assert_eq!(duration(seconds), text);
        }
        assert!(!duration(1e300).is_empty());
    }

    #[test]
    fn the_rest() {
        assert_eq!(percent(999, 1000), "99 %");
        assert_eq!(percent(0, 0), "100 %");
        assert_eq!(average(10, 0.0), 0);
        assert_eq!(
            peer("12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5"),
            "12D3…MtimQ5"
        );
        assert_eq!(clip("a\x1b[31mb", 20), "a?[31mb");
        assert_eq!(clip("abcdef", 4), "abc…");
        assert_eq!(
            (count(1, "file"), count(0, "file")),
            ("1 file".into(), "0 files".into())
        );
    }
}
