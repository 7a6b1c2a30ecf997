//! `bench small-files`: a folder of many small files from one process to another on loopback.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use super::compare::Field;
use super::machine::Machine;
use super::options::{Bench, Options, first_line};
use super::pair::sendme::Sendme;
use super::pair::{RECEIVER, SENDER, Sample as Transfer, Setting, native};
use super::process::Process;
use super::report::{Column, Part, Report, figure, ratio, spread};
use super::site::Site;
use super::{node, payload};
use crate::workspace::Workspace;

/// Options of `bench small-files`.
#[derive(Args)]
pub(crate) struct SmallArgs {
    /// How many files of 4 to 64 KiB
    #[arg(long, default_value_t = 50_000)]
    files: u64,
    #[command(flatten)]
    options: Options,
}

const FILES_A_FOLDER: u64 = 500;
const SMALLEST: usize = 4 << 10;
const LARGEST: usize = 64 << 10;

/// One transfer of the folder.
#[derive(Serialize)]
struct Sample {
    files: u64,
    #[serde(flatten)]
    transfer: Transfer,
}

impl Sample {
    fn seconds(&self) -> Option<f64> {
        Some(self.transfer.seconds)
    }

    fn rate(&self) -> Option<f64> {
        Some(self.files as f64 / self.transfer.seconds)
    }

    fn cpu(&self) -> Option<f64> {
        Some(self.transfer.receiver_cpu? + self.transfer.sender_cpu?)
    }
}

const COLUMNS: &[Column<Sample>] = &[
    Column {
        title: "seconds",
        cell: |row, _| spread(row, Sample::seconds, 2),
    },
    Column {
        title: "time ÷ potluck's",
        cell: |row, ours| ratio(row, ours, Sample::seconds),
    },
    Column {
        title: "files a second",
        cell: |row, _| figure(row.median(Sample::rate), 0),
    },
    Column {
        title: "CPU s, both",
        cell: |row, _| figure(row.median(Sample::cpu), 2),
    },
    Column {
        title: "peak MiB receiver / sender",
        cell: |row, _| {
            let receiver = figure(row.median(|sample| sample.transfer.receiver_peak_mib), 0);
            let sender = figure(row.median(|sample| sample.transfer.sender_peak_mib), 0);
            format!("{receiver} / {sender}")
        },
    },
];

/// Measures and reports.
pub(super) fn run(workspace: &Workspace, args: &SmallArgs) -> Result<bool> {
    let options = &args.options;
    let bench = Bench::prepare(workspace, options)?;
    let site = Site::Loopback;
    let (folder, bytes) = make(&bench, args.files)?;
    let setting = Setting::new(&bench, &site, folder);
    let setting = &setting;
    let files = args.files;
    let checked = move |transfer: Result<Transfer>| -> Result<Sample> {
        let transfer = transfer?;
        check(&setting.payload, &setting.received, files)?;
        Ok(Sample { files, transfer })
    };
    let mut field = Field::new();
    field.add(
        options,
        "potluck",
        "potluck",
        || Ok(((), node::version(&bench)?)),
        |()| checked(native::transfer(setting)),
    );
    field.add(
        options,
        "sendme",
        "sendme pair",
        || Sendme::prepare(&bench),
        |sendme| checked(sendme.transfer(setting)),
    );
    field.add(
        options,
        "tar",
        "tar → socat → tar",
        || tar_version(&bench),
        |()| checked(tar(setting)),
    );
    let runs = options.runs.unwrap_or(5);
    let rows = field.compare(&bench, runs, |sample| {
        format!("{:.2} s", sample.transfer.seconds)
    });
    let report = Report {
        name: "small-files",
        machine: Machine::this(),
        runs,
        parts: vec![Part {
            about: format!(
                "{files} files of 4 to 64 KiB, {} MiB in all, over loopback.",
                bytes >> 20
            ),
            rows,
        }],
    };
    let dry = options.dry || !options.only.is_empty();
    report.publish(&bench.root, COLUMNS, dry)
}

/// The size of a file by its number: each size in the range is as frequent as any other.
fn size(number: u64) -> usize {
    let range = LARGEST - SMALLEST + 1;
    // A multiplier that is prime to the range walks through all of it.
    let step = number.wrapping_mul(7_919) % range as u64;
    SMALLEST + usize::try_from(step).unwrap_or(0)
}

fn place(folder: &Path, number: u64) -> PathBuf {
    folder
        .join(format!("{:03}", number / FILES_A_FOLDER))
        .join(format!("file-{number}.bin"))
}

/// The folder of random files, made if it is not there, and its bytes.
fn make(bench: &Bench, files: u64) -> Result<(PathBuf, u64)> {
    let folder = bench.payloads.join(format!("small-{files}"));
    let bytes = (0..files).map(|number| size(number) as u64).sum();
    let last = files.checked_sub(1).context("no files to move")?;
    let is_there = place(&folder, last)
        .metadata()
        .is_ok_and(|found| found.len() == size(last) as u64);
    if !is_there {
        println!("writing {files} files of random bytes");
        let mut random = File::open("/dev/urandom").context("no source of random bytes")?;
        let mut content = vec![0; LARGEST];
        for number in 0..files {
            let path = place(&folder, number);
            if number % FILES_A_FOLDER == 0 {
                std::fs::create_dir_all(path.parent().context("a file without a folder")?)?;
            }
            let content = &mut content[..size(number)];
            random.read_exact(content).context("no random bytes")?;
            std::fs::write(&path, content)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    payload::settle(&place(&folder, last))?;
    Ok((folder, bytes))
}

/// An error unless everything arrived.
fn check(payload: &Path, received: &Path, files: u64) -> Result<()> {
    for number in 0..files {
        payload::check(&place(payload, number), &place(received, number))?;
    }
    Ok(())
}

fn tar_version(bench: &Bench) -> Result<((), String)> {
    bench.install("pipe")?;
    let tar = first_line(Command::new("tar").arg("--version"))?;
    let socat = Command::new("socat").arg("-V").output()?;
    let socat = String::from_utf8_lossy(&socat.stdout).into_owned();
    let socat = socat.lines().find(|line| line.starts_with("socat version"));
    let socat = socat.and_then(|line| line.split(" on ").next());
    Ok(((), format!("{tar}, {}", socat.unwrap_or("socat"))))
}

/// In the clear, nothing verified, nothing synced. Timed is the receiver, from its start to its end.
fn tar(setting: &Setting<'_>) -> Result<Transfer> {
    let Setting { bench, site, .. } = setting;
    std::fs::create_dir(&setting.received).context("cannot make the folder of received files")?;
    let port = site.free_port(SENDER)?;
    let mut send = site.command(SENDER, "bash");
    send.arg("-c")
        .arg("tar -C \"$0\" -cf - . | socat -u -b 1048576 STDIN TCP-LISTEN:$1,reuseaddr,bind=$2")
        .arg(&setting.payload)
        .args([port.to_string(), site.address(SENDER).to_string()]);
    let sender = Process::start(&mut send, &bench.log("send"), bench.timeout)?;
    let mut receive = site.command(RECEIVER, "bash");
    receive
        .arg("-c")
        .arg("set -o pipefail; socat -u -b 1048576 TCP:$1:$2,retry=50,interval=0.02 STDOUT | tar -C \"$0\" -xf -")
        .arg(&setting.received)
        .args([site.address(SENDER).to_string(), port.to_string()]);
    let receiver = Process::start(&mut receive, &bench.log("receive"), bench.timeout)?;
    let ended = receiver.wait_end()?;
    let sent = sender.wait_end()?;
    Ok(Transfer {
        mib: 0,
        seconds: ended.seconds,
        receiver_cpu: ended.cpu,
        sender_cpu: sent.cpu,
        receiver_peak_mib: None,
        sender_peak_mib: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_range_and_spread() {
        let sizes: Vec<usize> = (0..50_000).map(size).collect();
        assert!(sizes.iter().all(|size| (SMALLEST..=LARGEST).contains(size)));
        let mean = sizes.iter().sum::<usize>() / 50_000;
        assert!((33_000..37_000).contains(&mean), "{mean}");
    }
}
