//! News as they happen: server-sent events.

use super::Shared;
use crate::answer::ApiError;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Json};
use potluck_api::{Activity, ActivityList, DownloadList, Status};
use serde::Serialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{broadcast, mpsc, watch};

/// Events that may wait for a slow reader, who is waited for then.
const QUEUE: usize = 16;
/// How often the node's state is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is told although nothing changed.
const AT_LEAST: Duration = Duration::from_secs(15);
/// How often downloads are told at most.
const DOWNLOADS: Duration = Duration::from_millis(250);

/// `GET /api/v1/activity`
pub(super) async fn activity(State(gateway): State<Shared>) -> Json<ActivityList> {
    Json(ActivityList {
        entries: gateway.journal.entries(),
    })
}

/// `GET /api/v1/events`
pub(super) async fn stream(State(gateway): State<Shared>) -> Result<impl IntoResponse, ApiError> {
    let Ok(place) = Arc::clone(&gateway.streams).try_acquire_owned() else {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let hint = "close some tabs";
        return Err(ApiError::new(status, "too many pages are open", hint));
    };
    let (out, news) = mpsc::channel::<Event>(QUEUE);
    tokio::spawn(async move {
        let teller = Teller {
            downloads: gateway.downloads.changes(),
            activity: gateway.journal.listen(),
            told: None,
            gateway,
            out,
        };
        teller.run().await;
        drop(place);
    });
    let events = futures::stream::unfold(news, |mut news| async move {
        let event = news.recv().await?;
        Some((Ok::<_, Infallible>(event), news))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(AT_LEAST)))
}

struct Teller {
    gateway: Shared,
    out: mpsc::Sender<Event>,
    downloads: watch::Receiver<u64>,
    activity: broadcast::Receiver<Activity>,
    /// The state that was told last, without what changes all the time, and when.
    told: Option<(String, Instant)>,
}

impl Teller {
    /// Tells until the reader or the node goes away.
    async fn run(mut self) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut downloads = tokio::time::interval(DOWNLOADS);
        downloads.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.downloads.mark_changed();
        let stop = self.gateway.stop.clone();
        let closed = self.out.clone();
        loop {
            let told = tokio::select! {
                _ = look.tick() => self.status().await,
                _ = downloads.tick() => self.list().await,
                entry = self.activity.recv() => match entry {
                    Ok(entry) => self.send("activity", &entry).await,
                    Err(broadcast::error::RecvError::Lagged(_)) => Some(()),
                    Err(broadcast::error::RecvError::Closed) => None,
                },
                () = closed.closed() => None,
                () = stop.cancelled() => None,
            };
            if told.is_none() {
                return;
            }
        }
    }

    async fn status(&mut self) -> Option<()> {
        let status = self.gateway.host.status().await;
        let state = state(&status);
        let is_old = |(told, at): &(String, Instant)| *told == state && at.elapsed() < AT_LEAST;
        if self.told.as_ref().is_some_and(is_old) {
            return Some(());
        }
        self.told = Some((state, Instant::now()));
        self.send("status", &status).await
    }

    async fn list(&mut self) -> Option<()> {
        if !self.downloads.has_changed().ok()? {
            return Some(());
        }
        self.downloads.mark_unchanged();
        let downloads = self.gateway.downloads.list();
        self.send("downloads", &DownloadList { downloads }).await
    }

    async fn send(&self, name: &str, data: &impl Serialize) -> Option<()> {
        let event = Event::default().event(name).json_data(data).ok()?;
        self.out.send(event).await.ok()
    }
}

/// What of a status makes it another one.
fn state(status: &Status) -> String {
    let mut status = status.clone();
    status.uptime = 0.0;
    status.memory_bytes = 0;
    for peer in &mut status.peers {
        peer.rtt_ms = None;
    }
    serde_json::to_string(&status).unwrap_or_default()
}
