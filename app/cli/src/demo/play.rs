//! The course of the demo.

use super::nodes::{self, DemoNode, Spec};
use super::progress::{Cue, Fetched, Fetcher};
use super::summary::{Killed, Result as NodeResult, Summary};
use super::view::View;
use super::{compare, content};
use crate::app::App;
use crate::client::Client;
use crate::failure::failed;
use crate::ui::units::{clip, count, duration, percent, size};
use potluck_api::{ErrorBody, GetEvent, GetRequest, ShareEvent, ShareRequest};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// With nothing moving for so long, something is wrong.
const DEADLINE: Duration = Duration::from_secs(180);

/// Each node sends a whole copy in about so many seconds, so that there is something to see.
const COPY_SECONDS: u64 = 10;

/// A small folder is not drawn out.
const LEAST_RATE: u64 = 8 << 20;

/// Plays all of it; every process has ended when this returns, or is dropped.
pub(super) async fn play(app: &App, home: &Path, bytes: u64) -> Result<Summary, ErrorBody> {
    let mut view = View::new(&app.output);
    let played = tokio::time::timeout(DEADLINE, Box::pin(acts(&mut view, home, bytes))).await;
    view.close();
    played.unwrap_or_else(|_| {
        Err(failed(
            format!("the demo was not done within {DEADLINE:?}"),
            "look at the logs",
        ))
    })
}

async fn acts(view: &mut View, home: &Path, bytes: u64) -> Result<Summary, ErrorBody> {
    let original = home.join("Potluck demo");
    view.say(&format!("making a folder of {}", size(bytes)));
    let made = make_content(&original, bytes).await?;
    view.say(&format!(
        "made {}, {}",
        count(made.files, "file"),
        size(made.bytes)
    ));
    let mut nodes = start_nodes(view, home, made.bytes).await?;
    let link = share(&nodes[0], &original).await?;
    let shown = clip(link.split('?').next().unwrap_or_default(), 24);
    view.say(&format!(
        "node 1 shares {shown}; the link tells no addresses"
    ));
    let mut act = Act {
        view,
        nodes: &mut nodes,
        home,
        link,
        killed: None,
    };
    let fetchers = act.fetch().await?;
    let killed = act.killed.take();
    view.say("comparing every byte with the original");
    let results = compare_all(view, &original, fetchers).await?;
    let names = nodes
        .iter()
        .map(|node| (node.ready.peer_id.clone(), node.number))
        .collect();
    nodes::stop(nodes).await;
    Ok(Summary {
        files: made.files,
        bytes: made.bytes,
        seconds: view.seconds(),
        killed,
        results,
        names,
    })
}

async fn make_content(original: &Path, bytes: u64) -> Result<content::Made, ErrorBody> {
    let root = original.to_owned();
    let made = tokio::task::spawn_blocking(move || content::make(&root, bytes)).await;
    match made {
        Ok(Ok(made)) => Ok(made),
        Ok(Err(error)) => Err(failed(
            format!("cannot write the folder to share: {error}"),
            "",
        )),
        Err(_) => Err(failed("writing the folder to share broke off", "")),
    }
}

/// Node 3 first: it is the one that all others are told of, and the only one.
async fn start_nodes(view: &mut View, home: &Path, bytes: u64) -> Result<Vec<DemoNode>, ErrorBody> {
    let rate = (bytes / COPY_SECONDS).max(LEAST_RATE);
    let third = DemoNode::start(Spec {
        home,
        number: 3,
        peer: None,
        up: None,
        down: None,
    })
    .await?;
    let meeting = third.address()?.to_owned();
    let spec = |number| Spec {
        home,
        number,
        peer: Some(&meeting),
        up: Some(rate),
        // At half the rate the late fetchers leave node 2 its share of what node 1 sends, so that
        // they are about half-way when it is done.
        down: (number >= 4).then_some(rate / 2),
    };
    let (first, second, fourth, fifth) = tokio::try_join!(
        DemoNode::start(spec(1)),
        DemoNode::start(spec(2)),
        DemoNode::start(spec(4)),
        DemoNode::start(spec(5)),
    )?;
    let nodes = vec![first, second, third, fourth, fifth];
    view.introduce(
        nodes
            .iter()
            .map(|node| (node.ready.peer_id.clone(), node.number))
            .collect(),
    );
    let rate = size(rate);
    view.say(&format!(
        "5 nodes run; 1, 2, 4, 5 know only node 3, and send at most {rate}/s"
    ));
    Ok(nodes)
}

async fn share(node: &DemoNode, original: &Path) -> Result<String, ErrorBody> {
    let request = ShareRequest {
        paths: vec![original.display().to_string()],
        name: None,
        copy: false,
        skip_unreadable: false,
        torrent: None,
    };
    let mut events = node.client.stream("share", &request).await?;
    loop {
        match events.next::<ShareEvent>().await?.0 {
            ShareEvent::Shared { link, .. } => return Ok(without_addresses(&link)),
            ShareEvent::Error(error) => return Err(error),
            ShareEvent::Skipped { path, reason } => {
                return Err(failed(format!("node 1 left out {path}: {reason}"), ""));
            }
            _ => {}
        }
    }
}

/// Without the hints where node 1 is, so that it has to be found.
fn without_addresses(link: &str) -> String {
    let Some((address, query)) = link.split_once('?') else {
        return link.to_owned();
    };
    let kept: Vec<&str> = query
        .split('&')
        .filter(|part| !part.starts_with("addr="))
        .collect();
    if kept.is_empty() {
        address.to_owned()
    } else {
        format!("{address}?{}", kept.join("&"))
    }
}

/// The fetchers at work.
struct Act<'a> {
    view: &'a mut View,
    nodes: &'a mut Vec<DemoNode>,
    home: &'a Path,
    link: String,
    killed: Option<Killed>,
}

type Cues = mpsc::Sender<(usize, Cue)>;

impl Act<'_> {
    async fn fetch(&mut self) -> Result<Vec<Fetcher>, ErrorBody> {
        let (cues, mut heard) = mpsc::channel(64);
        let mut tasks = JoinSet::new();
        let mut fetchers = vec![Fetcher::new(2), Fetcher::new(4), Fetcher::new(5)];
        self.start(&mut tasks, &cues, &mut fetchers[0]);
        self.view.say("node 2 fetches");
        while fetchers.iter().any(|fetcher| fetcher.fetched.is_none()) {
            let Some((index, cue)) = heard.recv().await else {
                break;
            };
            let number = fetchers[index].number;
            match cue {
                Cue::Event(event) => self.take(&mut fetchers[index], event),
                Cue::Ended(Ok(fetched)) => {
                    let took = duration(fetched.seconds);
                    self.view
                        .say(&format!("node {number} has everything, after {took}"));
                    fetchers[index].finish(fetched);
                }
                Cue::Ended(Err(error)) => {
                    let message = format!("node {number} could not fetch: {}", error.message);
                    return Err(failed(message, error.hint));
                }
            }
            if !fetchers[1].started && fetchers[0].is_half_way() {
                for late in &mut fetchers[1..] {
                    self.start(&mut tasks, &cues, late);
                }
                self.view
                    .say("node 2 is half-way; nodes 4 and 5 begin to fetch");
            }
            if self.killed.is_none() && time_to_kill(&fetchers) {
                self.kill_first(&fetchers).await?;
            }
            self.view.show(&fetchers);
        }
        if self.killed.is_none() {
            let message = "all were done before node 1 could be killed";
            return Err(failed(message, "use a larger --mib"));
        }
        Ok(fetchers)
    }

    fn start(&self, tasks: &mut JoinSet<()>, cues: &Cues, fetcher: &mut Fetcher) {
        let Some(node) = self.nodes.iter().find(|node| node.number == fetcher.number) else {
            return;
        };
        fetcher.started = true;
        let index = match fetcher.number {
            2 => 0,
            4 => 1,
            _ => 2,
        };
        let request = GetRequest {
            also: Vec::new(),
            link: self.link.clone(),
            dest: format!(
                "{}/",
                self.home
                    .join(format!("fetched-{}", fetcher.number))
                    .display()
            ),
            files: Vec::new(),
            timeout: Some(60.0),
            serve: true,
            sequential: false,
        };
        tasks.spawn(fetch_one(node.client.clone(), request, index, cues.clone()));
    }

    fn take(&self, fetcher: &mut Fetcher, event: GetEvent) {
        let number = fetcher.number;
        match &event {
            GetEvent::Found { .. } if fetcher.total == 0 => {
                self.view.say(&format!(
                    "node {number} found a provider through node 3 (DHT)"
                ));
            }
            GetEvent::Banned { peer, reason } => {
                self.view
                    .shout(&format!("node {number} banned {peer}: {reason}"));
            }
            GetEvent::Notice { message } => {
                self.view.say(&format!("node {number}: {message}"));
            }
            _ => {}
        }
        fetcher.take(event);
    }

    async fn kill_first(&mut self, fetchers: &[Fetcher]) -> Result<(), ErrorBody> {
        let first = &mut self.nodes[0];
        let pid = first.pid().unwrap_or_default();
        first.kill().await?;
        let progress: Vec<(usize, u64, u64)> = fetchers
            .iter()
            .map(|one| (one.number, one.done, one.total))
            .collect();
        let at = self.view.seconds();
        self.view.shout(&format!(
            "node 1 (process {pid}) killed; node 4 has {}, node 5 has {}",
            percent(fetchers[1].done, fetchers[1].total),
            percent(fetchers[2].done, fetchers[2].total),
        ));
        self.killed = Some(Killed {
            number: 1,
            pid,
            at_seconds: at,
            progress,
        });
        Ok(())
    }
}

/// Node 2 has everything, so that nothing is lost with node 1; and the late ones are half-way.
fn time_to_kill(fetchers: &[Fetcher]) -> bool {
    let late_are_half_way = fetchers[1..].iter().all(Fetcher::is_half_way);
    let late_still_fetch = fetchers[1..].iter().any(|late| late.fetched.is_none());
    fetchers[0].fetched.is_some() && late_are_half_way && late_still_fetch
}

async fn fetch_one(client: Client, request: GetRequest, index: usize, cues: Cues) {
    let ended = match client.stream("get", &request).await {
        Ok(mut events) => loop {
            match events.next::<GetEvent>().await {
                Ok((
                    GetEvent::Done {
                        path,
                        bytes,
                        wasted_bytes,
                        seconds,
                        sources,
                        ..
                    },
                    _,
                )) => {
                    break Ok(Fetched {
                        path,
                        bytes,
                        wasted_bytes,
                        seconds,
                        sources,
                    });
                }
                Ok((GetEvent::Error(error), _)) | Err(error) => break Err(error),
                Ok((event, _)) => {
                    if cues.send((index, Cue::Event(event))).await.is_err() {
                        return;
                    }
                }
            }
        },
        Err(error) => Err(error),
    };
    let _ = cues.send((index, Cue::Ended(ended))).await;
}

async fn compare_all(
    view: &View,
    original: &Path,
    fetchers: Vec<Fetcher>,
) -> Result<Vec<NodeResult>, ErrorBody> {
    let mut results = Vec::new();
    let mut running = Vec::new();
    for fetcher in fetchers {
        let Some(fetched) = fetcher.fetched else {
            continue;
        };
        let (original, copy) = (original.to_owned(), PathBuf::from(&fetched.path));
        let compared = tokio::task::spawn_blocking(move || compare::compare(&original, &copy));
        running.push((fetcher.number, fetched, compared));
    }
    for (number, fetched, compared) in running {
        let compared = compared
            .await
            .map_err(|_| failed("the comparison broke off", ""))?;
        let equal = compared.map_err(|what| {
            failed(
                format!("the copy of node {number} is not the original: {what}"),
                "",
            )
        })?;
        results.push(NodeResult {
            number,
            fetched,
            equal,
        });
    }
    view.say("all copies equal the original");
    Ok(results)
}
