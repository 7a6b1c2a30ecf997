//! What one stage of a download fetches: the manifest, or the pieces.

use crate::context::Context;
use crate::download::keep::Keeper;
use crate::source::Job;
use potluck_content::PieceSet;
use potluck_transfer::{Input, Order, Planner, PlannerConfig, RequestId};
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
        seed: u64,
    ) -> Self {
        let layout = Arc::clone(&job.layout);
        let planner = Planner::new(PlannerConfig::default(), layout, have.clone(), wanted, seed);
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
