//! Films that browsers do not play, made into what they do with `ffmpeg`, while they are watched.
//!
//! For the owner alone, as it costs processor time: the way here is the API. `docs/adr/0028` says why it is
//! one stream from any second on, and what is done about hostile films.

mod plan;
mod probe;
mod programs;
mod run;

use crate::access::Pass;
use crate::answer::ApiError;
use crate::gateway::Gateway;
use axum::body::Body;
use axum::http::StatusCode;
use plan::Plan;
use potluck_api::{ErrorBody, Video, VideoWay};
use probe::Probe;
use programs::Programs;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

/// Films that are looked at (not converted) at a time.
const PROBES: usize = 2;
/// Findings that are kept.
const KEPT: usize = 64;
/// A viewer who leaps ends one conversion and begins another: as long is waited for a place.
const WAIT: Duration = Duration::from_secs(5);

/// What is known of films, and places for the work on them.
pub(crate) struct Films {
    /// Where the programs find content: the port of this gateway.
    port: u16,
    probes: Semaphore,
    jobs: Arc<Jobs>,
    known: Mutex<VecDeque<(String, Probe)>>,
}

/// Conversions that run.
#[derive(Default)]
struct Jobs {
    running: Mutex<usize>,
    freed: Notify,
}

impl Jobs {
    fn running(&self) -> MutexGuard<'_, usize> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place for a conversion, free again when it is dropped.
struct Place {
    jobs: Arc<Jobs>,
    /// What its program is let in with.
    pass: Option<Pass>,
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.jobs.running() -= 1;
        self.jobs.freed.notify_waiters();
    }
}

/// A file of content.
pub(crate) struct Film<'a> {
    /// CID or link, and the path within it.
    pub(crate) link: &'a str,
    pub(crate) path: &'a [String],
    /// The file's own address, under which what is known of it is kept.
    pub(crate) cid: &'a str,
    /// Seconds in which somebody who has it is looked for.
    pub(crate) timeout: f64,
}

impl Films {
    pub(crate) fn new(port: u16) -> Self {
        Self {
            port,
            probes: Semaphore::new(PROBES),
            jobs: Arc::default(),
            known: Mutex::default(),
        }
    }

    fn known(&self, cid: &str) -> Option<Probe> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().find(|(key, _)| key == cid)?;
        Some(found.1.clone())
    }

    fn learn(&self, cid: &str, probe: &Probe) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(key, _)| key != cid);
        known.push_back((cid.to_owned(), probe.clone()));
        if known.len() > KEPT {
            known.pop_front();
        }
    }

    /// A place among `most`; waits a while for one.
    async fn place(&self, most: usize) -> Option<Place> {
        let take = async {
            loop {
                let freed = self.jobs.freed.notified();
                if let Some(place) = self.free(most) {
                    return place;
                }
                freed.await;
            }
        };
        tokio::time::timeout(WAIT, take).await.ok()
    }

    fn free(&self, most: usize) -> Option<Place> {
        let mut running = self.jobs.running();
        if *running >= most {
            return None;
        }
        *running += 1;
        let jobs = Arc::clone(&self.jobs);
        Some(Place { jobs, pass: None })
    }

    async fn probe(
        &self,
        programs: &Programs,
        film: &Film<'_>,
        url: &str,
    ) -> Result<Probe, String> {
        if let Some(known) = self.known(film.cid) {
            return Ok(known);
        }
        let _place = self
            .probes
            .acquire()
            .await
            .map_err(|error| error.to_string())?;
        let found = run::probe(&programs.ffprobe, url).await?;
        self.learn(film.cid, &found);
        Ok(found)
    }
}

/// Where both programs read a film. Where content is for its owner alone, they are let in to this one, while
/// the pass is there: all users of the machine see what a program is told.
fn url(gateway: &Gateway, film: &Film<'_>) -> Result<(String, Option<Pass>), ErrorBody> {
    let pass = match gateway.host.has_locked_content() {
        true => Some(gateway.access.pass(film.link)?),
        false => None,
    };
    let from = probe::Origin {
        port: gateway.films.port,
        key: pass.as_ref().map(Pass::key),
    };
    let url = probe::url(&from, film.link, film.path, film.timeout);
    Ok((url, pass))
}

/// How a film can be watched; `convert`: its browser does not play what it is told that browsers do.
pub(crate) async fn about(gateway: &Gateway, film: &Film<'_>, convert: bool) -> Video {
    match plan(gateway, film, convert).await {
        Ok((_, probe, plan)) => plan.describe(&probe),
        Err(reason) => Video {
            way: VideoWay::None,
            media_type: None,
            seconds: None,
            what: String::new(),
            reason: Some(reason),
        },
    }
}

async fn plan(
    gateway: &Gateway,
    film: &Film<'_>,
    convert: bool,
) -> Result<(Programs, Probe, Plan), String> {
    if gateway.host.films_at_a_time() == 0 {
        return Err("films are not converted here: the setting 'gateway.films' is 0".to_owned());
    }
    let programs = Programs::find()
        .ok_or("ffmpeg is not installed on the machine where the node runs".to_owned())?;
    let (url, _pass) = url(gateway, film).map_err(|error| error.message)?;
    let probe = gateway.films.probe(&programs, film, &url).await?;
    let encoders = programs.encoders().await?;
    let plan = Plan::of(&probe, &encoders, convert)?;
    Ok((programs, probe, plan))
}

/// The film from this second on, as MP4 in fragments.
pub(crate) async fn stream(
    gateway: &Gateway,
    film: &Film<'_>,
    start: f64,
    convert: bool,
) -> Result<Body, ApiError> {
    let cannot = |reason: String| {
        ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            reason,
            "download it, and play it with another program",
        )
    };
    let (programs, probe, plan) = plan(gateway, film, convert).await.map_err(cannot)?;
    let most = gateway.host.films_at_a_time() as usize;
    let Some(mut place) = gateway.films.place(most).await else {
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "as many films are converted as the setting 'gateway.films' allows",
            "close another film, or raise it",
        ));
    };
    let (url, pass) = url(gateway, film)?;
    place.pass = pass;
    let arguments = plan.arguments(&probe, &url, start);
    let bytes = run::convert(&programs.ffmpeg, &arguments, gateway.stop.clone(), place);
    Ok(Body::from_stream(bytes.await.map_err(cannot)?))
}
