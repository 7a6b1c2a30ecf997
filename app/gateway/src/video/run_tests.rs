//! Real programs: those that hang, flood and fail; and `ffmpeg`, where it is installed.

use super::super::Films;
use super::*;

async fn start(script: &str) -> Result<BoxStream<'static, std::io::Result<Bytes>>, String> {
    let films = Films::new(1);
    let place = films.place(1).await.unwrap();
    let arguments = ["-c".to_owned(), script.to_owned()];
    convert(
        Path::new("/bin/sh"),
        &arguments,
        CancellationToken::new(),
        place,
    )
    .await
}

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[tokio::test]
async fn a_program_that_fails_is_told_of_in_its_words() {
    let failed = start("echo first >&2; echo 'Invalid data\x07 found' >&2; exit 1").await;
    let words = failed.err().unwrap();
    assert_eq!(words, "ffmpeg cannot convert it: Invalid data found");
    let missing = convert(
        Path::new("/nowhere/ffmpeg"),
        &[],
        CancellationToken::new(),
        Films::new(1).place(1).await.unwrap(),
    );
    assert!(missing.await.err().unwrap().contains("cannot be started"));
}

#[tokio::test]
async fn a_program_ends_with_its_viewer_and_frees_its_place() {
    let films = Films::new(1);
    let place = films.place(1).await.unwrap();
    let arguments = [
        "-c".to_owned(),
        "echo $$; while :; do echo more; done".to_owned(),
    ];
    let stream = convert(
        Path::new("/bin/sh"),
        &arguments,
        CancellationToken::new(),
        place,
    );
    let mut stream = Box::pin(stream.await.unwrap());
    let first = stream.next().await.unwrap().unwrap();
    let pid = String::from_utf8(first.to_vec()).unwrap();
    let pid = pid.lines().next().unwrap().to_owned();
    assert!(is_alive(&pid));
    // Who doesn't read holds it up: it waits, and nothing piles up here.
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        fields[11].parse::<u64>().unwrap()
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = ticks();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(ticks() - before <= 2, "it goes on although nobody reads");
    assert_eq!(*films.jobs.running(), 1);
    drop(stream);
    let ended = async {
        while is_alive(&pid) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), ended)
        .await
        .unwrap();
    assert_eq!(*films.jobs.running(), 0);
}

#[tokio::test]
async fn places_are_as_many_as_the_setting_says_and_are_waited_for() {
    let films = std::sync::Arc::new(Films::new(1));
    let first = films.place(1).await.unwrap();
    let waiting = tokio::spawn({
        let films = std::sync::Arc::clone(&films);
        async move { films.place(1).await.is_some() }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    drop(first);
    assert!(waiting.await.unwrap());
    let _held = [films.place(2).await.unwrap(), films.place(2).await.unwrap()];
    let third = tokio::time::timeout(Duration::from_millis(100), films.place(2));
    assert!(third.await.is_err(), "a third one found a place");
}

#[tokio::test]
async fn a_program_writes_no_files_and_floods_nobody_with_words() {
    let path = std::env::temp_dir().join(format!("potluck-restrained-{}", std::process::id()));
    let script = format!(
        "sleep 0.2; echo x > {0}; trap '' XFSZ; i=0; while [ $i -lt 20000 ]; do echo many words of complaint >&2; i=$((i+1)); done; echo end",
        path.display()
    );
    let said = start(&script).await;
    // It goes on to its end, or was ended for the file; either way that is empty.
    drop(said);
    let bytes = std::fs::metadata(&path).unwrap().len();
    let _ = std::fs::remove_file(&path);
    assert_eq!(bytes, 0);
    let mut stream = Box::pin(start("i=0; while [ $i -lt 20000 ]; do echo many words of complaint >&2; i=$((i+1)); done; echo end").await.unwrap());
    assert_eq!(stream.next().await.unwrap().unwrap().as_ref(), b"end\n");
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_film_that_breaks_off_does_not_look_whole() {
    let mut stream = Box::pin(start("echo begun; exit 3").await.unwrap());
    assert_eq!(stream.next().await.unwrap().unwrap().as_ref(), b"begun\n");
    assert!(stream.next().await.unwrap().is_err());
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn the_node_that_stops_ends_what_runs() {
    let films = Films::new(1);
    let stop = CancellationToken::new();
    let place = films.place(1).await.unwrap();
    let arguments = ["-c".to_owned(), "echo begun; sleep 600".to_owned()];
    let stream = convert(Path::new("/bin/sh"), &arguments, stop.clone(), place);
    let mut stream = Box::pin(stream.await.unwrap());
    assert!(stream.next().await.unwrap().is_ok());
    stop.cancel();
    let end = tokio::time::timeout(Duration::from_secs(5), stream.next()).await;
    assert!(end.unwrap().is_none());
}
