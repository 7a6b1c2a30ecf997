use serde::{Deserialize, Serialize};

/// A byte rate as people write it: `20MB/s`, `512 KiB`, `1.5G`, `off`. SI prefixes are powers of
/// 1000, `Ki`/`Mi`/`Gi` powers of 1024; a bare letter (`k`, `M`, `G`) is SI; no unit is bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate(
    /// Bytes per second; `None` is no limit.
    pub Option<u64>,
);

/// A rate that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateError {
    /// What was written.
    pub text: String,
}

impl std::fmt::Display for RateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "'{}' is not a rate; write for example 20MB/s, 512KiB or off",
            self.text
        )
    }
}

impl std::error::Error for RateError {}

impl std::str::FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let bad = || RateError {
            text: text.chars().take(40).collect(),
        };
        let lower = text.trim().to_ascii_lowercase();
        if matches!(lower.as_str(), "off" | "none" | "unlimited") {
            return Ok(Self(None));
        }
        let body = lower
            .strip_suffix("/s")
            .or_else(|| lower.strip_suffix("ps"))
            .unwrap_or(&lower);
        let digits = body
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(body.len());
        let (number, unit) = body.split_at(digits);
        let number: f64 = number.parse().map_err(|_| bad())?;
        let factor = match unit.trim() {
            "" | "b" => 1.0,
            "k" | "kb" => 1e3,
            "m" | "mb" => 1e6,
            "g" | "gb" => 1e9,
            "kib" | "ki" => 1024.0,
            "mib" | "mi" => 1024.0 * 1024.0,
            "gib" | "gi" => 1024.0 * 1024.0 * 1024.0,
            _ => return Err(bad()),
        };
        let bytes = number * factor;
        // 1 KiB/s is the floor below which a single 16 KiB group would never get through in time.
        if !(1024.0..=1e12).contains(&bytes) {
            return Err(bad());
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // bounded just above
        Ok(Self(Some(bytes as u64)))
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            None => f.write_str("off"),
            Some(bytes) if bytes % 1_000_000 == 0 => write!(f, "{}MB/s", bytes / 1_000_000),
            Some(bytes) if bytes % 1_000 == 0 => write!(f, "{}kB/s", bytes / 1_000),
            Some(bytes) => write!(f, "{bytes}B/s"),
        }
    }
}

impl TryFrom<String> for Rate {
    type Error = RateError;

    fn try_from(text: String) -> Result<Self, RateError> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> String {
        rate.to_string()
    }
}

/// One setting.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConfigEntry {
    /// Dotted key, e.g. `limits.up`.
    pub key: String,
    /// Value in force.
    pub value: String,
    /// Value without a config file.
    pub default: String,
    /// What it does.
    pub help: String,
    /// Whether a change takes effect without a restart.
    pub live: bool,
}

/// Answer of `GET /api/v1/config`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConfigReport {
    /// The file.
    pub path: String,
    /// All settings.
    pub entries: Vec<ConfigEntry>,
    /// Whether the last change waits for a restart.
    #[serde(default)]
    pub restart_needed: bool,
}

/// Body of `POST /api/v1/config`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConfigChange {
    /// Dotted key.
    pub key: String,
    /// New value; `None` goes back to the default.
    pub value: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::Rate;

    #[test]
    fn rates_as_people_write_them() {
        for (text, bytes) in [
            ("20MB/s", Some(20_000_000)),
            ("512 KiB", Some(524_288)),
            ("1.5G", Some(1_500_000_000)),
            ("4096", Some(4096)),
            ("10mbps", Some(10_000_000)),
            ("off", None),
        ] {
            assert_eq!(text.parse::<Rate>().unwrap(), Rate(bytes), "{text}");
        }
        for text in [
            "", "fast", "-1MB", "1TB/h", "0", "1e99", "NaN", "12XB", "1..2M",
        ] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_printed_rate_reads_back() {
        for bytes in [None, Some(1_024), Some(20_000_000), Some(1_536_000)] {
            assert_eq!(
                Rate(bytes).to_string().parse::<Rate>().unwrap(),
                Rate(bytes)
            );
        }
    }
}
