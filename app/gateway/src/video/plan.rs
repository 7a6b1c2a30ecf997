//! How a film gets into a browser: as it is, put into MP4, or converted.

use super::probe::{INPUT, Probe, Stream};
use potluck_api::{Video, VideoWay};
use std::collections::BTreeSet;

/// Threads that encode and decode: the machine has other things to do.
const THREADS: &str = "2";
/// Widest picture that is encoded.
const SCALE: &str = "scale=w='min(1280,iw)':h=-2";
/// A picture that stands for itself this often, so that what follows a leap is shown soon.
const KEY_EVERY: &str = "48";

/// What becomes of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    /// It stays as it is.
    Copied,
    /// It is encoded by this encoder.
    Encoded(&'static str),
}

/// What becomes of a film.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing: browsers play it.
    Direct,
    /// MP4 in fragments.
    Made(Parts),
}

/// What its parts become; at least one of both is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts {
    video: Option<Made>,
    audio: Option<Made>,
}

impl Plan {
    /// By what it is, and what this `ffmpeg` has; or why it cannot be.
    pub(super) fn of(
        probe: &Probe,
        encoders: &BTreeSet<String>,
        convert: bool,
    ) -> Result<Self, String> {
        if probe.video.is_none() && probe.audio.is_none() {
            return Err("there are no pictures and no sound in it".to_owned());
        }
        if !convert && is_playable(probe) {
            return Ok(Self::Direct);
        }
        let choose = |names: &[&'static str]| {
            let found = names.iter().find(|name| encoders.contains(**name));
            found.copied().map(Made::Encoded)
        };
        let video = match &probe.video {
            None => None,
            Some(it) if !convert && can_copy_video(it) => Some(Made::Copied),
            Some(_) => Some(
                choose(&["libx264", "libopenh264", "libvpx-vp9"])
                    .ok_or("this ffmpeg encodes neither H.264 nor VP9")?,
            ),
        };
        let audio = match &probe.audio {
            None => None,
            Some(it) if !convert && it.codec == "aac" && it.profile != "HE-AACv2" => {
                Some(Made::Copied)
            }
            Some(_) => Some(
                choose(&["aac", "libopus"]).ok_or("this ffmpeg encodes neither AAC nor Opus")?,
            ),
        };
        Ok(Self::Made(Parts { video, audio }))
    }

    /// In the words of the API.
    pub(super) fn describe(&self, probe: &Probe) -> Video {
        let (way, media_type) = match self {
            Self::Direct => (VideoWay::Direct, None),
            Self::Made(parts) => {
                let is_copied = |made: Option<Made>| made.is_none_or(|it| it == Made::Copied);
                let is_remux = is_copied(parts.video) && is_copied(parts.audio);
                let way = if is_remux {
                    VideoWay::Remux
                } else {
                    VideoWay::Transcode
                };
                (way, Some(parts.media_type(probe)))
            }
        };
        Video {
            way,
            media_type,
            seconds: probe.seconds,
            what: words(probe),
            reason: None,
        }
    }

    /// Arguments of `ffmpeg` for the film from this second on.
    pub(super) fn arguments(&self, probe: &Probe, url: &str, start: f64) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        let mut add = |words: &[&str]| all.extend(words.iter().map(|word| (*word).to_owned()));
        add(&["-hide_banner", "-nostdin", "-loglevel", "error"]);
        add(&["-max_alloc", "536870912", "-threads", THREADS]);
        add(&INPUT);
        // Times stay those of the film, so that the page knows where what it gets belongs.
        add(&["-copyts", "-start_at_zero"]);
        if start > 0.0 {
            add(&["-ss", &format!("{start:.3}")]);
        }
        add(&["-i", url]);
        let (video, audio) = match self {
            Self::Direct => (Some(Made::Copied), Some(Made::Copied)),
            Self::Made(parts) => (parts.video, parts.audio),
        };
        if let (Some(made), Some(stream)) = (video, &probe.video) {
            add(&["-map", &format!("0:{}", stream.index)]);
            add(encode_video(made));
        }
        if let (Some(made), Some(stream)) = (audio, &probe.audio) {
            add(&["-map", &format!("0:{}", stream.index)]);
            match made {
                Made::Copied => add(&["-c:a", "copy"]),
                Made::Encoded(name) => {
                    add(&["-c:a", name, "-ac", "2", "-ar", "48000", "-b:a", "160k"]);
                }
            }
        }
        add(&["-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1"]);
        add(&[
            "-threads",
            THREADS,
            "-max_muxing_queue_size",
            "1024",
            "-f",
            "mp4",
        ]);
        add(&["-avoid_negative_ts", "make_non_negative"]);
        add(&[
            "-movflags",
            "frag_keyframe+empty_moov+default_base_moof+frag_discont",
        ]);
        add(&["-frag_duration", "500000", "-flush_packets", "1", "pipe:1"]);
        all
    }
}

fn encode_video(made: Made) -> &'static [&'static str] {
    match made {
        Made::Copied => &["-c:v", "copy"],
        Made::Encoded("libx264") => &[
            "-c:v",
            "libx264",
            "-preset",
            "superfast",
            "-crf",
            "24",
            "-maxrate",
            "6M",
            "-bufsize",
            "6M",
            "-bf",
            "0",
            "-g",
            KEY_EVERY,
            "-pix_fmt",
            "yuv420p",
            "-profile:v",
            "high",
            "-vf",
            SCALE,
        ],
        Made::Encoded("libopenh264") => &[
            "-c:v",
            "libopenh264",
            "-b:v",
            "3M",
            "-g",
            KEY_EVERY,
            "-pix_fmt",
            "yuv420p",
            "-vf",
            SCALE,
        ],
        Made::Encoded(_) => &[
            "-c:v",
            "libvpx-vp9",
            "-deadline",
            "realtime",
            "-cpu-used",
            "8",
            "-b:v",
            "2M",
            "-row-mt",
            "1",
            "-g",
            KEY_EVERY,
            "-pix_fmt",
            "yuv420p",
            "-vf",
            SCALE,
        ],
    }
}

impl Parts {
    /// What the page tells the browser that is to come (RFC 6381).
    fn media_type(&self, probe: &Probe) -> String {
        let video = self.video.map(|made| match made {
            Made::Copied => copied_video(probe.video.as_ref()),
            Made::Encoded("libx264" | "libopenh264") => "avc1.64002A".to_owned(),
            Made::Encoded(_) => "vp09.00.41.08".to_owned(),
        });
        let audio = self.audio.map(|made| match made {
            Made::Encoded("libopus") => "opus".to_owned(),
            Made::Copied | Made::Encoded(_) => "mp4a.40.2".to_owned(),
        });
        let kind = if video.is_some() { "video" } else { "audio" };
        let codecs: Vec<String> = [video, audio].into_iter().flatten().collect();
        format!("{kind}/mp4; codecs=\"{}\"", codecs.join(","))
    }
}

fn copied_video(stream: Option<&Stream>) -> String {
    let Some(stream) = stream else {
        return String::new();
    };
    match stream.codec.as_str() {
        "vp9" => "vp09.00.41.08".to_owned(),
        "av1" => "av01.0.08M.08".to_owned(),
        _ => {
            let profile = match stream.profile.as_str() {
                "Baseline" => "4200",
                "Constrained Baseline" => "42E0",
                "Main" => "4D00",
                _ => "6400",
            };
            // Levels are ten times what people call them.
            let level = if (10..=62).contains(&stream.level) {
                stream.level
            } else {
                42
            };
            format!("avc1.{profile}{level:02X}")
        }
    }
}

/// Whether its pictures can go into MP4 as they are, and every browser of today then shows them.
fn can_copy_video(stream: &Stream) -> bool {
    let is_plain = matches!(stream.pix_fmt.as_str(), "yuv420p" | "yuvj420p");
    match stream.codec.as_str() {
        "h264" => {
            is_plain
                && matches!(
                    stream.profile.as_str(),
                    "Baseline" | "Constrained Baseline" | "Main" | "High"
                )
        }
        "vp9" | "av1" => is_plain,
        _ => false,
    }
}

/// Whether browsers play it from its own file.
fn is_playable(probe: &Probe) -> bool {
    let codec = |stream: &Option<Stream>| {
        stream
            .as_ref()
            .map(|it| it.codec.clone())
            .unwrap_or_default()
    };
    let (video, audio) = (codec(&probe.video), codec(&probe.audio));
    let has = |name: &str| probe.format.split(',').any(|it| it == name);
    if has("mp4") {
        let shows = probe.video.as_ref().is_none_or(can_copy_video);
        return shows && matches!(audio.as_str(), "" | "aac" | "mp3" | "opus" | "flac");
    }
    // Both are called matroska; what is in WebM may be in it.
    if has("webm") || has("ogg") {
        let shows = match &probe.video {
            Some(stream) if video == "vp9" || video == "av1" => can_copy_video(stream),
            _ => matches!(video.as_str(), "" | "vp8"),
        };
        return shows && matches!(audio.as_str(), "" | "opus" | "vorbis");
    }
    false
}

/// What it is, in words: `MPEG-4 Visual and MP3 in AVI`.
fn words(probe: &Probe) -> String {
    let streams = [&probe.video, &probe.audio].into_iter().flatten();
    let codecs: Vec<String> = streams.map(|it| codec_name(&it.codec)).collect();
    format!("{} in {}", codecs.join(" and "), format_name(&probe.format))
}

fn codec_name(codec: &str) -> String {
    let known = match codec {
        "h264" => "H.264",
        "hevc" => "HEVC",
        "mpeg4" => "MPEG-4 Visual",
        "mpeg2video" => "MPEG-2",
        "mpeg1video" => "MPEG-1",
        "mp2" => "MPEG audio",
        "ac3" => "AC-3",
        "eac3" => "E-AC-3",
        "dts" => "DTS",
        "" => "something unknown",
        other => return short(other).to_uppercase(),
    };
    known.to_owned()
}

fn format_name(format: &str) -> String {
    let first = format.split(',').next().unwrap_or_default();
    let known = match first {
        "matroska" => "Matroska",
        "mov" => "MP4",
        "asf" => "Windows Media",
        "ogg" => "Ogg",
        "mpegts" => "a transport stream",
        "mpeg" => "MPEG",
        other => return short(other).to_uppercase(),
    };
    known.to_owned()
}

fn short(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_graphic)
        .take(20)
        .collect()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
