//! What one stage of a download fetches: the manifest, or the pieces.

use crate::clock::unix_now;
use crate::context::Context;
use crate::download::keep::Keeper;
use crate::source::Job;
use potluck_content::PieceSet;
use potluck_identity::PeerId;
use potluck_transfer::{Input, Order, Planner, PlannerConfig, RequestId, member_number};
use std::sync::Arc;

/// Requests for the manifest carry this bit, so that a late answer is not taken for one of the
/// pieces' requests.
const MANIFEST_BIT: u32 = 1 << 31;

/// What is fetched now.
pub(in crate::download) struct Work {
    pub(in crate::download) planner: Planner,
    pub(in crate::download) job: Arc<Job>,
    pub(in crate::download) have: PieceSet,
    /// Called about every tick, for checkpoints.
    pub(in crate::download) keeper: Option<Keeper>,
    pub(super) manifest: bool,
    pub(super) complete: bool,
}

impl Work {
    pub(in crate::download) fn new(
        job: Arc<Job>,
        have: PieceSet,
        wanted: PieceSet,
        manifest: bool,
        own: &PeerId,
    ) -> Self {
        let layout = Arc::clone(&job.layout);
        let config = PlannerConfig {
            member: member_number(own),
            ..PlannerConfig::default()
        };
        // Those who begin at the same time must not break ties alike.
        let seed = unix_now() ^ config.member;
        let planner = Planner::new(config, layout, have.clone(), wanted, seed);
        Self {
            planner,
            job,
            have,
            keeper: None,
            manifest,
            complete: false,
        }
    }

    pub(in crate::download) fn is_manifest(&self) -> bool {
        self.manifest
    }

    pub(super) fn wire_id(&self, request: RequestId) -> RequestId {
        if self.manifest {
            RequestId(request.0 | MANIFEST_BIT)
        } else {
            request
        }
    }

    /// The planner's id of a request, unless it belongs to another stage.
    pub(super) fn planner_id(&self, request: RequestId) -> Option<RequestId> {
        let of_manifest = request.0 & MANIFEST_BIT != 0;
        (of_manifest == self.manifest).then_some(RequestId(request.0 & !MANIFEST_BIT))
    }
}

/// Sets the order in which pieces are fetched.
pub(in crate::download) fn order(work: &mut Work, ctx: &Context, order: Order) {
    work.planner.handle(ctx.clock.now(), Input::Order(order));
}
