//! A small world for one planner: sources with a rate, a latency and bad habits, in steps of a few milliseconds.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use potluck_content::{Hash, PieceLayout, PieceSet};
use potluck_transfer::{
    Availability, BanReason, Failure, Input, Output, Planner, PlannerConfig, RequestId, SourceId,
    SourceTraits, Timestamp,
};

/// Content is counted in blocks of four pieces.
pub const BLOCK: u64 = 256 * 1024;
const STEP_MICROS: u64 = 5_000;

/// What a source does.
#[derive(Clone, Debug)]
pub struct Habit {
    pub rate: u64,
    pub latency_micros: u64,
    /// Bytes arrive in batches of at least this many.
    pub batch: u64,
    pub has: Option<Vec<Range<u32>>>,
    pub joins: u64,
    pub leaves: Option<u64>,
    /// Silent during these times.
    pub silent: Option<Range<u64>>,
    /// Sends wrong bytes instead of its nth piece.
    pub lies_at: Option<u32>,
    /// Claims everything, and says that it doesn't have these when asked.
    pub lacks: Option<Range<u32>>,
    /// More requests than this at a time are refused.
    pub max_requests: usize,
    pub mixes_blobs: bool,
}

impl Default for Habit {
    fn default() -> Self {
        Self {
            rate: 20_000_000,
            latency_micros: 10_000,
            batch: 64 * 1024,
            has: None,
            joins: 0,
            leaves: None,
            silent: None,
            lies_at: None,
            lacks: None,
            max_requests: usize::MAX,
            mixes_blobs: true,
        }
    }
}

struct Asked {
    request: RequestId,
    pieces: VecDeque<u32>,
    sent_of_piece: u64,
    starts: u64,
    cancelled: bool,
}

struct Server {
    habit: Habit,
    joined: bool,
    gone: bool,
    queue: VecDeque<Asked>,
    credit: u64,
    verified: u32,
}

pub struct World {
    pub planner: Planner,
    pub layout: Arc<PieceLayout>,
    pub now: u64,
    servers: BTreeMap<SourceId, Server>,
    /// When each piece was verified, each time.
    pub arrivals: BTreeMap<u32, Vec<u64>>,
    pub requests: Vec<(u64, SourceId, Vec<u32>, u64)>,
    /// Verified pieces that weren't there.
    pub firsts: u32,
    pub bans: Vec<(u64, SourceId, BanReason)>,
    pub cancels: usize,
    pub sent_bytes: u64,
    pub completed: Option<u64>,
    pub check_every: u64,
    steps: u64,
}

pub fn blob_layout(blocks: u64) -> Arc<PieceLayout> {
    Arc::new(PieceLayout::for_blob(Hash::of(b"world"), blocks * BLOCK))
}

impl World {
    pub fn new(layout: Arc<PieceLayout>, habits: Vec<Habit>, seed: u64) -> Self {
        let pieces = layout.pieces();
        let (have, wanted) = (PieceSet::new(pieces), PieceSet::full(pieces));
        let config = PlannerConfig::default();
        let planner = Planner::new(config, Arc::clone(&layout), have, wanted, seed);
        let servers = habits.into_iter().zip(0..).map(|(habit, id)| {
            let server = Server {
                habit,
                joined: false,
                gone: false,
                queue: VecDeque::new(),
                credit: 0,
                verified: 0,
            };
            (SourceId(id), server)
        });
        Self {
            planner,
            layout,
            now: 0,
            servers: servers.collect(),
            arrivals: BTreeMap::new(),
            requests: Vec::new(),
            firsts: 0,
            bans: Vec::new(),
            cancels: 0,
            sent_bytes: 0,
            completed: None,
            check_every: 20,
            steps: 0,
        }
    }

    pub fn time(&self) -> Timestamp {
        Timestamp::from_micros(self.now)
    }

    /// Runs until complete; panics after `limit` of virtual time.
    pub fn run(&mut self, limit: Duration) -> Duration {
        let end = self.now + u64::try_from(limit.as_micros()).unwrap();
        while self.completed.is_none() {
            assert!(
                self.now < end,
                "not complete after {limit:?}: {:?}",
                self.describe()
            );
            self.step();
        }
        Duration::from_micros(self.completed.unwrap())
    }

    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + u64::try_from(time.as_micros()).unwrap();
        while self.now < end {
            self.step();
        }
    }

    fn describe(&self) -> String {
        let (progress, waiting) = (
            self.planner.progress(self.time()),
            self.planner.waiting(self.time()),
        );
        let last = self.requests.len().saturating_sub(40);
        format!(
            "{progress:?}\n{waiting:?}\n{:#?}\nthe last requests: {:?}",
            self.planner.sources(self.time()),
            &self.requests[last..]
        )
    }

    pub fn give(&mut self, input: Input) {
        self.planner.handle(self.time(), input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.planner.poll(self.time()) {
            self.act(output);
        }
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Request {
                source,
                request,
                pieces,
                bytes,
            } => {
                let size: u64 = pieces
                    .iter()
                    .map(|piece| self.layout.piece(*piece).bytes)
                    .sum();
                assert_eq!(size, bytes);
                assert!(!pieces.is_empty());
                let distinct: BTreeSet<_> = pieces.iter().collect();
                assert_eq!(distinct.len(), pieces.len());
                self.requests
                    .push((self.now, source, pieces.clone(), bytes));
                let server = self.servers.get_mut(&source).unwrap();
                assert!(
                    server.joined && !server.gone,
                    "asked a source that isn't there"
                );
                let starts = self.now + server.habit.latency_micros;
                server.queue.push_back(Asked {
                    request,
                    pieces: pieces.into(),
                    sent_of_piece: 0,
                    starts,
                    cancelled: false,
                });
            }
            Output::Cancel { source, request } => {
                self.cancels += 1;
                if let Some(server) = self.servers.get_mut(&source) {
                    for asked in server
                        .queue
                        .iter_mut()
                        .filter(|asked| asked.request == request)
                    {
                        asked.cancelled = true;
                    }
                }
            }
            Output::Ban { source, reason } => {
                self.bans.push((self.now, source, reason));
                let server = self.servers.get_mut(&source).unwrap();
                server.gone = true;
                server.queue.clear();
            }
            Output::Complete => self.completed = Some(self.now),
        }
    }

    pub fn step(&mut self) {
        self.now += STEP_MICROS;
        self.steps += 1;
        let ids: Vec<SourceId> = self.servers.keys().copied().collect();
        for id in ids {
            self.come_and_go(id);
            self.serve(id);
        }
        if self
            .planner
            .poll_timeout()
            .is_some_and(|due| due <= self.time())
        {
            self.planner.handle(self.time(), Input::Timeout);
        }
        self.drain();
        self.planner.check_settled().unwrap();
        if self.steps.is_multiple_of(self.check_every) {
            self.planner.check_invariants().unwrap();
        }
    }

    fn come_and_go(&mut self, id: SourceId) {
        let server = self.servers.get_mut(&id).unwrap();
        if !server.joined && self.now >= server.habit.joins {
            server.joined = true;
            let change = match &server.habit.has {
                None => Availability::All,
                Some(ranges) => Availability::Add(ranges.clone()),
            };
            let traits = SourceTraits {
                mixes_blobs: server.habit.mixes_blobs,
                ..SourceTraits::default()
            };
            self.give(Input::SourceJoined { source: id, traits });
            self.give(Input::Availability { source: id, change });
        }
        let server = self.servers.get_mut(&id).unwrap();
        if server.joined && !server.gone && server.habit.leaves.is_some_and(|at| self.now >= at) {
            server.gone = true;
            server.queue.clear();
            self.give(Input::SourceLeft { source: id });
        }
    }

    fn serve(&mut self, id: SourceId) {
        let now = self.now;
        let server = self.servers.get_mut(&id).unwrap();
        let silent = server
            .habit
            .silent
            .as_ref()
            .is_some_and(|times| times.contains(&now));
        if !server.joined || server.gone || silent {
            return;
        }
        server
            .queue
            .retain(|asked| !asked.cancelled || asked.sent_of_piece > 0);
        if server.queue.len() > server.habit.max_requests {
            let refused = server.queue.pop_back().unwrap().request;
            self.give(Input::RequestFailed {
                source: id,
                request: refused,
                failure: Failure::Busy,
            });
            return;
        }
        if server.queue.front().is_none_or(|asked| asked.starts > now) {
            server.credit = 0;
            return;
        }
        server.credit += server.habit.rate * STEP_MICROS / 1_000_000;
        while self.send_some(id) {}
    }

    /// Sends up to the end of the current piece; says whether there is more to do.
    fn send_some(&mut self, id: SourceId) -> bool {
        let server = self.servers.get_mut(&id).unwrap();
        if server.gone {
            return false;
        }
        let credit = server.credit;
        let Some(asked) = server
            .queue
            .front_mut()
            .filter(|asked| asked.starts <= self.now)
        else {
            return false;
        };
        let request = asked.request;
        let Some(piece) = asked.pieces.front().copied() else {
            unreachable!()
        };
        if server
            .habit
            .lacks
            .as_ref()
            .is_some_and(|lacks| lacks.contains(&piece))
        {
            server.queue.pop_front();
            let failure = Failure::Unavailable { piece };
            self.give(Input::RequestFailed {
                source: id,
                request,
                failure,
            });
            return true;
        }
        let left = self.layout.piece(piece).bytes - asked.sent_of_piece;
        let bytes = left.min(credit);
        if bytes == 0 || bytes < left && bytes < server.habit.batch {
            return false;
        }
        server.credit -= bytes;
        asked.sent_of_piece += bytes;
        self.sent_bytes += bytes;
        let whole = bytes == left;
        self.give(Input::Received {
            source: id,
            request,
            bytes,
        });
        if whole {
            self.piece_sent(id, request, piece);
        }
        true
    }

    fn piece_sent(&mut self, id: SourceId, request: RequestId, piece: u32) {
        let server = self.servers.get_mut(&id).unwrap();
        server.verified += 1;
        if server.habit.lies_at == Some(server.verified) {
            let failure = Failure::BadData { piece };
            self.give(Input::RequestFailed {
                source: id,
                request,
                failure,
            });
            return;
        }
        self.arrivals.entry(piece).or_default().push(self.now);
        self.firsts += u32::from(!self.planner.have().contains(piece));
        self.give(Input::PieceVerified {
            source: id,
            request,
            piece,
        });
        let server = self.servers.get_mut(&id).unwrap();
        let Some(asked) = server
            .queue
            .iter_mut()
            .find(|asked| asked.request == request)
        else {
            return;
        };
        asked.pieces.pop_front();
        asked.sent_of_piece = 0;
        if asked.cancelled || asked.pieces.is_empty() {
            let done = asked.pieces.is_empty();
            server.queue.retain(|asked| asked.request != request);
            if done {
                self.give(Input::RequestDone {
                    source: id,
                    request,
                });
            }
        }
    }

    /// Bytes sent beyond one copy of the content.
    pub fn excess(&self) -> u64 {
        self.sent_bytes.saturating_sub(self.layout.total_bytes())
    }

    pub fn last_request_to(&self, id: SourceId) -> Option<u64> {
        self.requests
            .iter()
            .rev()
            .find(|request| request.1 == id)
            .map(|request| request.0)
    }

    pub fn first_request_to(&self, id: SourceId) -> Option<u64> {
        self.requests
            .iter()
            .find(|request| request.1 == id)
            .map(|request| request.0)
    }

    /// Requests to a source in a stretch of time.
    pub fn requests_to(&self, id: SourceId, times: Range<u64>) -> usize {
        self.requests
            .iter()
            .filter(|request| request.1 == id && times.contains(&request.0))
            .count()
    }
}
