use super::{data, host, offline, size};
use potluck_api::Verdict;
use std::fs::File;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

fn verdict(report: &potluck_api::DoctorReport, name: &str) -> Verdict {
    let found = report.checks.iter().find(|check| check.name == name);
    found
        .unwrap_or_else(|| panic!("no check {name}: {report:?}"))
        .verdict
}

#[test]
fn a_fresh_machine_is_fine() {
    let dir = tempfile::tempdir().unwrap();
    let report = offline(&dir.path().join("new"));
    for name in ["version", "data directory", "in use", "settings", "clock"] {
        assert_eq!(verdict(&report, name), Verdict::Good, "{report:?}");
    }
    assert!(!dir.path().join("new").exists());
}

#[test]
fn every_bad_verdict_comes_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.toml"), "[net]\nlam = true\n").unwrap();
    std::fs::write(dir.path().join("version"), "999\n").unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let report = offline(dir.path());
    assert_eq!(verdict(&report, "settings"), Verdict::Bad);
    assert_eq!(verdict(&report, "data format"), Verdict::Bad);
    assert_eq!(verdict(&report, "data directory"), Verdict::Warning);
    assert_eq!(report.verdict, Verdict::Bad);
    for check in report
        .checks
        .iter()
        .filter(|check| check.verdict != Verdict::Good)
    {
        assert!(!check.advice.is_empty(), "{check:?}");
    }
}

#[test]
fn a_taken_port_is_found() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let config = format!("[net]\nlisten = [\"/ip4/127.0.0.1/tcp/{port}\"]\n");
    std::fs::write(dir.path().join("config.toml"), config).unwrap();
    assert_eq!(
        verdict(&offline(dir.path()), &format!("port {port} tcp")),
        Verdict::Bad
    );
    drop(taken);
    assert_eq!(
        verdict(&offline(dir.path()), &format!("port {port} tcp")),
        Verdict::Good
    );
}

#[test]
fn the_lock_names_its_holder() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("lock"), "4321\n").unwrap();
    assert!(!data::Lock::look(dir.path()).is_held());
    let held = File::open(dir.path().join("lock")).unwrap();
    held.lock().unwrap();
    let lock = data::Lock::look(dir.path());
    assert!(lock.is_held());
    assert!(lock.check().found.contains("process 4321"));
}

#[test]
fn clocks_are_judged() {
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    assert_eq!(host::judge_clock(at(0), None).verdict, Verdict::Bad);
    assert_eq!(
        host::judge_clock(at(1_800_000_000), None).verdict,
        Verdict::Good
    );
    assert_eq!(
        host::judge_clock(at(9_999_999_999), None).verdict,
        Verdict::Bad
    );
    let built = Some(at(1_810_000_000));
    assert_eq!(
        host::judge_clock(at(1_800_000_000), built).verdict,
        Verdict::Warning
    );
    assert_eq!(
        host::date(Duration::from_secs(951_782_400)),
        "2000-02-29 00:00 UTC"
    );
    assert_eq!(
        host::date(Duration::from_secs(1_798_761_599)),
        "2026-12-31 23:59 UTC"
    );
}

#[test]
fn limits_of_the_system_are_judged() {
    assert_eq!(
        host::judge_open_files(Some(100), Some(100)).verdict,
        Verdict::Bad
    );
    assert_eq!(
        host::judge_open_files(Some(512), Some(4096)).verdict,
        Verdict::Warning
    );
    assert_eq!(host::judge_open_files(None, None).verdict, Verdict::Good);
    let gib = 1 << 30;
    assert_eq!(
        host::judge_memory(Some(8 * gib), None, gib).verdict,
        Verdict::Good
    );
    assert_eq!(
        host::judge_memory(Some(8 * gib), Some(gib), gib).verdict,
        Verdict::Warning
    );
    assert_eq!(
        host::judge_memory(Some(100 << 20), None, 64 << 20).verdict,
        Verdict::Warning
    );
}

#[test]
fn sizes_read_well() {
    assert_eq!(size(0), "0 bytes");
    assert_eq!(size(1536), "1.5 KiB");
    assert_eq!(size(20 << 40), "20.0 TiB");
}
