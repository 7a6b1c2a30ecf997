//! The node behind the gateway: what `potluck_gateway` asks, answered by the services of the daemon.

mod activity;
mod content;
mod host;
mod listen;
mod outside;
mod torrents;
mod uploads;

pub(crate) use listen::{Ears, listen};

use crate::context::Context;
use host::Web;
use potluck_gateway::{Gateway, Journal};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Makes the gateway of a node, starts it, and gives the addresses of its first page, here and for
/// others.
pub(crate) fn start(
    ctx: &Arc<Context>,
    tasks: &mut JoinSet<()>,
    ears: Ears,
    token: &str,
) -> (String, Option<String>) {
    let journal = Arc::new(Journal::default());
    let web = Arc::new(Web::new(Arc::clone(ctx)));
    let (gateway, serving) = Gateway::new(
        Arc::clone(&web) as Arc<dyn potluck_gateway::Host>,
        Arc::clone(&journal),
        potluck_gateway::Ears {
            local: ears.listeners,
            port: ears.port,
            outside: ears.outside,
        },
        token,
        ctx.shutdown.clone(),
    );
    tasks.spawn(activity::keep(Arc::clone(ctx), journal));
    tasks.spawn(async move { web.uploads.tidy().await });
    tasks.spawn(serving);
    (gateway.page(), gateway.outside_page())
}
