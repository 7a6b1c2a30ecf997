//! What `ffprobe` tells of a film.

use crate::content::SEGMENT;
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use std::fmt::Write as _;

/// Kinds of files that are opened. None of them leads to other files or addresses, as playlists do.
const FORMATS: &str = "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,avi,mpegts,mpeg,mpegvideo,flv,live_flv,asf,ogg,\
    rm,nut,h264,hevc,m4v,dv,mxf,wtv,ivf";
/// Longest film, in seconds: more is a slip of whoever made it.
const MAX_SECONDS: f64 = 7.0 * 86_400.0;

/// What both programs are told of what they read: over HTTP from this node, and nothing else from anywhere.
pub(super) const INPUT: [&str; 10] = [
    "-protocol_whitelist",
    "http,tcp",
    "-format_whitelist",
    FORMATS,
    // Microseconds: a part that is not here yet is waited for about as long as by a browser.
    "-rw_timeout",
    "60000000",
    "-max_pixels",
    "40000000",
    "-seekable",
    "1",
];

/// What matters of a film.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Probe {
    /// Names of its format, such as `matroska,webm`.
    pub(super) format: String,
    pub(super) seconds: Option<f64>,
    pub(super) video: Option<Stream>,
    pub(super) audio: Option<Stream>,
}

/// One of its streams.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub(super) struct Stream {
    pub(super) index: u32,
    #[serde(default)]
    pub(super) codec_type: String,
    #[serde(default, rename = "codec_name")]
    pub(super) codec: String,
    #[serde(default)]
    pub(super) profile: String,
    #[serde(default)]
    pub(super) pix_fmt: String,
    #[serde(default)]
    pub(super) level: i32,
    #[serde(default)]
    disposition: Disposition,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
struct Disposition {
    #[serde(default)]
    attached_pic: u8,
    #[serde(default)]
    default: u8,
}

#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    streams: Vec<Stream>,
    format: Format,
}

#[derive(Deserialize)]
struct Format {
    format_name: String,
    duration: Option<String>,
}

/// Arguments of `ffprobe`.
pub(super) fn arguments(url: &str) -> Vec<String> {
    let mut all = vec![
        "-hide_banner",
        "-loglevel",
        "error",
        "-max_alloc",
        "268435456",
    ];
    all.extend(INPUT);
    all.extend(["-print_format", "json", "-show_entries"]);
    all.push(
        "format=format_name,duration:stream=index,codec_type,codec_name,profile,pix_fmt,level:\
         stream_disposition=attached_pic,default",
    );
    all.extend(["-i", url]);
    all.into_iter().map(str::to_owned).collect()
}

/// The gateway of this node, as its own programs reach it.
pub(super) struct Origin<'a> {
    pub(super) port: u16,
    /// Of content that is not for everybody.
    pub(super) key: Option<&'a str>,
}

/// Where both programs read: the content of this node, by loopback.
pub(super) fn url(from: &Origin<'_>, link: &str, path: &[String], timeout: f64) -> String {
    let key = from.key.map(|key| format!("/k/{key}"));
    let mut url = format!(
        "http://127.0.0.1:{}{}/c/{}",
        from.port,
        key.unwrap_or_default(),
        utf8_percent_encode(link, SEGMENT)
    );
    for part in path {
        // Writing to a string can't fail.
        let _ = write!(url, "/{}", utf8_percent_encode(part, SEGMENT));
    }
    let _ = write!(url, "?timeout={timeout}");
    url
}

/// Reads what it printed.
pub(super) fn read(printed: &[u8]) -> Option<Probe> {
    let told: Told = serde_json::from_slice(printed).ok()?;
    let of_kind = |kind: &str| {
        let streams = told.streams.iter();
        let mut streams: Vec<&Stream> = streams
            .filter(|it| it.codec_type == kind && it.disposition.attached_pic == 0)
            .collect();
        // The one that its maker wants shown; the first of several.
        streams.sort_by_key(|it| (it.disposition.default == 0, it.index));
        streams.first().map(|it| (*it).clone())
    };
    let seconds = told.format.duration.as_ref();
    let seconds = seconds.and_then(|text| text.parse::<f64>().ok());
    Some(Probe {
        format: told.format.format_name,
        seconds: seconds.filter(|seconds| (0.0..=MAX_SECONDS).contains(seconds)),
        video: of_kind("video"),
        audio: of_kind("audio"),
    })
}
