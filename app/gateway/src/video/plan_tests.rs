//! What becomes of which film, and with what arguments.

use super::super::probe::{self, Probe};
use super::Plan;
use potluck_api::VideoWay;
use std::collections::BTreeSet;

/// A film as `ffprobe` tells of it: format, pictures (codec, profile, pixels, level), sound.
fn film(format: &str, video: Option<[&str; 4]>, audio: Option<&str>) -> Probe {
    let mut streams = Vec::new();
    if let Some([codec, profile, pixels, level]) = video {
        streams.push(format!(
            r#"{{"index":0,"codec_type":"video","codec_name":"{codec}","profile":"{profile}","pix_fmt":"{pixels}","level":{level}}}"#
        ));
    }
    if let Some(codec) = audio {
        streams.push(format!(
            r#"{{"index":1,"codec_type":"audio","codec_name":"{codec}","profile":"LC"}}"#
        ));
    }
    let streams = streams.join(",");
    let told = format!(
        r#"{{"streams":[{streams}],"format":{{"format_name":"{format}","duration":"61.500"}}}}"#
    );
    probe::read(told.as_bytes()).unwrap()
}

fn encoders(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

const H264: Option<[&str; 4]> = Some(["h264", "High", "yuv420p", "31"]);
const MATROSKA: &str = "matroska,webm";
const MP4: &str = "mov,mp4,m4a,3gp,3g2,mj2";

const fn plain(codec: &str) -> Option<[&str; 4]> {
    Some([codec, "Main", "yuv420p", "0"])
}

type Case = (
    &'static str,
    Option<[&'static str; 4]>,
    Option<&'static str>,
    &'static str,
);

/// Films that browsers play.
const DIRECT: [Case; 5] = [
    (MP4, H264, Some("aac"), ""),
    (MP4, H264, None, ""),
    (MATROSKA, plain("vp9"), Some("opus"), ""),
    (MATROSKA, plain("vp8"), Some("vorbis"), ""),
    ("ogg", None, Some("vorbis"), ""),
];
/// Films of which nothing is made anew, with their codecs.
const REMUX: [Case; 3] = [
    (MATROSKA, H264, Some("aac"), "avc1.64001F,mp4a.40.2"),
    (MATROSKA, H264, None, "avc1.64001F"),
    ("mpegts", MAIN_4, Some("aac"), "avc1.4D0028,mp4a.40.2"),
];
const MAIN_4: Option<[&str; 4]> = Some(["h264", "Main", "yuv420p", "40"]);
/// Ten bits a colour: browsers don't.
const DEEP: Option<[&str; 4]> = Some(["h264", "High 10", "yuv420p10le", "41"]);
const TRANSCODE: [Case; 6] = [
    // Only the sound has to be made anew.
    (MATROSKA, H264, Some("ac3"), "avc1.64001F,mp4a.40.2"),
    (MP4, H264, Some("ac3"), "avc1.64001F,mp4a.40.2"),
    ("avi", plain("mpeg4"), Some("mp3"), "avc1.64002A,mp4a.40.2"),
    (MP4, plain("hevc"), Some("aac"), "avc1.64002A,mp4a.40.2"),
    (MATROSKA, DEEP, None, "avc1.64002A"),
    ("asf", None, Some("wmav2"), "mp4a.40.2"),
];

#[test]
fn each_film_goes_the_cheapest_way_that_browsers_play() {
    let encoders = encoders(&["libx264", "aac"]);
    let check = |cases: &[Case], way: VideoWay| {
        for (format, video, audio, codecs) in cases {
            let probe = film(format, *video, *audio);
            let told = Plan::of(&probe, &encoders, false).unwrap().describe(&probe);
            let name = format!("{format} {video:?} {audio:?}");
            assert_eq!(told.way, way, "{name}");
            let kind = if video.is_some() { "video" } else { "audio" };
            let wanted = format!("{kind}/mp4; codecs=\"{codecs}\"");
            let wanted = (way != VideoWay::Direct).then_some(wanted);
            assert_eq!(told.media_type, wanted, "{name}");
            assert_eq!(told.seconds, Some(61.5));
        }
    };
    check(&DIRECT, VideoWay::Direct);
    check(&REMUX, VideoWay::Remux);
    check(&TRANSCODE, VideoWay::Transcode);
}

#[test]
fn what_a_browser_turned_down_is_made_anew_as_a_whole() {
    let probe = film(MP4, H264, Some("aac"));
    let plan = Plan::of(&probe, &encoders(&["libvpx-vp9", "libopus"]), true).unwrap();
    let told = plan.describe(&probe);
    assert_eq!(told.way, VideoWay::Transcode);
    assert_eq!(
        told.media_type.unwrap(),
        "video/mp4; codecs=\"vp09.00.41.08,opus\""
    );
    assert_eq!(told.what, "H.264 and AAC in MP4");
}

#[test]
fn what_cannot_be_says_why() {
    let nothing = encoders(&[]);
    let avi = film("avi", Some(["mpeg4", "", "yuv420p", "1"]), Some("mp3"));
    assert!(
        Plan::of(&avi, &nothing, false)
            .unwrap_err()
            .contains("neither H.264 nor VP9")
    );
    let sound = film("asf", None, Some("wmav2"));
    assert!(
        Plan::of(&sound, &nothing, false)
            .unwrap_err()
            .contains("neither AAC nor Opus")
    );
    let words = film("matroska,webm", None, None);
    assert!(
        Plan::of(&words, &nothing, false)
            .unwrap_err()
            .contains("no pictures")
    );
    // Nothing has to be encoded for these.
    for (format, audio) in [(MP4, "aac"), (MATROSKA, "aac")] {
        assert!(Plan::of(&film(format, H264, Some(audio)), &nothing, false).is_ok());
    }
}

#[test]
fn arguments_name_one_address_and_hold_the_program_back() {
    let open = probe::Origin {
        port: 4770,
        key: None,
    };
    let locked = probe::Origin {
        key: Some("0a"),
        ..open
    };
    assert_eq!(
        probe::url(&locked, "x", &[], 1.5),
        "http://127.0.0.1:4770/k/0a/c/x?timeout=1.5"
    );
    let url = probe::url(
        &open,
        "bafk/x?",
        &["a b".to_owned(), "-i&'".to_owned()],
        30.0,
    );
    assert_eq!(
        url,
        "http://127.0.0.1:4770/c/bafk%2Fx%3F/a%20b/-i%26%27?timeout=30"
    );
    let probe = film(MATROSKA, H264, Some("ac3"));
    let plan = Plan::of(&probe, &encoders(&["libx264", "aac"]), false).unwrap();
    let all = plan.arguments(&probe, &url, 12.25);
    let line = all.join(" ");
    let at = |word: &str| {
        all.iter()
            .position(|it| it == word)
            .unwrap_or_else(|| panic!("{word}: {line}"))
    };
    // What holds for the input is said ahead of it.
    for word in [
        "-protocol_whitelist",
        "-format_whitelist",
        "-rw_timeout",
        "-max_pixels",
        "-ss",
    ] {
        assert!(at(word) < at("-i"), "{word}");
    }
    assert_eq!(all[at("-protocol_whitelist") + 1], "http,tcp");
    assert_eq!(all[at("-i") + 1], url);
    assert_eq!(all[at("-ss") + 1], "12.250");
    assert!(line.contains("-nostdin") && line.contains("-threads 2"));
    assert!(
        line.contains("-map 0:0 -c:v copy -map 0:1 -c:a aac"),
        "{line}"
    );
    assert_eq!(all.last().unwrap(), "pipe:1");
    assert!(
        !plan
            .arguments(&probe, &url, 0.0)
            .contains(&"-ss".to_owned())
    );
    for playlist in ["hls", "dash", "concat", "applehttp", "sdp", "image2"] {
        let formats = &all[at("-format_whitelist") + 1];
        assert!(!formats.split(',').any(|it| it == playlist), "{playlist}");
        assert!(!formats.contains(' '), "{formats}");
    }
}

#[test]
fn odd_answers_of_ffprobe_are_no_films() {
    for odd in [
        "",
        "{}",
        "[]",
        r#"{"format":{}}"#,
        r#"{"streams":[{"index":-1}],"format":{"format_name":"x"}}"#,
    ] {
        assert!(probe::read(odd.as_bytes()).is_none(), "{odd}");
    }
    let told = r#"{"streams":[
        {"index":0,"codec_type":"video","codec_name":"mjpeg","disposition":{"attached_pic":1}},
        {"index":1,"codec_type":"audio","codec_name":"mp3"},
        {"index":2,"codec_type":"audio","codec_name":"aac","disposition":{"default":1}}],
        "format":{"format_name":"mp3","duration":"1e99"}}"#;
    let probe = probe::read(told.as_bytes()).unwrap();
    // A picture on the sleeve is no film, and nothing lasts so long.
    assert!(probe.video.is_none() && probe.seconds.is_none());
    assert_eq!(probe.audio.unwrap().index, 2);
}
