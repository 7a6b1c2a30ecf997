//! What the planner says, done.

use super::{Engine, Work};
use crate::source::{FetchItem, Job, SourceCommand, items_of};
use potluck_transfer::{Output, RequestId, SourceId};
use std::sync::Arc;

/// Bytes of one item: a sender reads that much at once, and a cancel takes effect after it.
const MAX_ITEM_BYTES: u64 = 1024 * 1024;

impl Engine {
    /// Does what the planner says.
    pub(super) async fn obey(&mut self, work: &mut Work) {
        while let Some(output) = work.planner.poll(self.ctx.clock.now()) {
            match output {
                Output::Request {
                    source,
                    request,
                    pieces,
                    ..
                } => {
                    let items = items_of(&work.job.layout, &pieces, MAX_ITEM_BYTES);
                    let request = work.wire_id(request);
                    self.ask(source, Arc::clone(&work.job), request, items);
                }
                Output::Cancel { source, request } => {
                    let request = work.wire_id(request);
                    self.command(source, SourceCommand::Cancel { request });
                }
                Output::Ban { source, reason } => {
                    if let Some(peer) = self.sources.get(&source).map(|source| source.peer) {
                        self.ban(peer, reason.to_string());
                    }
                }
                Output::Complete => work.complete = true,
            }
        }
    }

    fn ask(&self, source: SourceId, job: Arc<Job>, request: RequestId, items: Vec<FetchItem>) {
        self.command(
            source,
            SourceCommand::Fetch {
                job,
                request,
                items,
            },
        );
    }

    /// Sources take commands as fast as they come; one that does not is stuck, and the planner
    /// notices its silence.
    fn command(&self, source: SourceId, command: SourceCommand) {
        if let Some(source) = self.sources.get(&source) {
            let _ = source.commands.try_send(command);
        }
    }
}
