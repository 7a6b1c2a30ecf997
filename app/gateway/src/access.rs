//! Secrets that let someone in: the token of programs, tickets, and sessions of browsers.

use crate::gateway::random;
use potluck_api::ErrorBody;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq as _;

/// How long a ticket can be used.
const TICKET_TIME: Duration = Duration::from_secs(60);
/// How long a browser stays in.
const SESSION_TIME: Duration = Duration::from_secs(30 * 86_400);
/// Tickets and sessions at once; the oldest go first.
const MOST: usize = 64;

/// All secrets of one run of the node.
pub(crate) struct Access {
    token: String,
    tickets: Secrets,
    sessions: Secrets,
    content_key: OnceLock<String>,
    passes: Arc<Mutex<BTreeMap<String, String>>>,
}

/// A secret that opens one content while this is there.
pub(crate) struct Pass {
    key: String,
    all: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Pass {
    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&self.key);
    }
}

impl Access {
    pub(crate) fn new(token: &str) -> Self {
        Self {
            token: token.to_owned(),
            tickets: Secrets::new(TICKET_TIME),
            sessions: Secrets::new(SESSION_TIME),
            content_key: OnceLock::new(),
            passes: Arc::default(),
        }
    }

    /// Whether this is the token of `api.json`.
    pub(crate) fn is_token(&self, given: &str) -> bool {
        same(&self.token, given)
    }

    /// Whether a browser came in with this secret.
    pub(crate) fn is_session(&self, given: &str) -> bool {
        self.sessions.holds(given)
    }

    /// A secret that opens content alone, the same until the node ends.
    pub(crate) fn content_key(&self) -> Result<&str, ErrorBody> {
        if let Some(key) = self.content_key.get() {
            return Ok(key);
        }
        let key = random()?;
        Ok(self.content_key.get_or_init(|| key))
    }

    /// Lets a program in to what one link leads to. Others see what a program is told.
    pub(crate) fn pass(&self, link: &str) -> Result<Pass, ErrorBody> {
        let key = random()?;
        let mut all = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(key.clone(), link.to_owned());
        drop(all);
        Ok(Pass {
            key,
            all: Arc::clone(&self.passes),
        })
    }

    /// Whether this is the key of content, or a pass for this link.
    pub(crate) fn opens(&self, given: &str, link: Option<&str>) -> bool {
        let is_key = self.content_key.get().is_some_and(|key| same(key, given));
        let all = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        is_key || link.is_some() && all.get(given).map(String::as_str) == link
    }

    /// A secret that opens one session.
    pub(crate) fn ticket(&self) -> Result<String, ErrorBody> {
        self.tickets.make()
    }

    /// Opens a session for a ticket; `None` when the ticket is none, too old, or used.
    pub(crate) fn enter(&self, ticket: &str) -> Option<Result<String, ErrorBody>> {
        self.tickets.take(ticket).then(|| self.sessions.make())
    }
}

/// Takes the same time wherever the first difference is.
fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

struct Secrets {
    time: Duration,
    held: Mutex<VecDeque<(Instant, String)>>,
}

impl Secrets {
    fn new(time: Duration) -> Self {
        Self {
            time,
            held: Mutex::default(),
        }
    }

    /// Those that still count.
    fn fresh(&self) -> MutexGuard<'_, VecDeque<(Instant, String)>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|(made, _)| made.elapsed() < self.time);
        held
    }

    fn make(&self) -> Result<String, ErrorBody> {
        let secret = random()?;
        let mut held = self.fresh();
        if held.len() == MOST {
            held.pop_front();
        }
        held.push_back((Instant::now(), secret.clone()));
        Ok(secret)
    }

    fn holds(&self, given: &str) -> bool {
        // All are compared, so that time does not tell which one it was.
        let mut found = false;
        for (_, secret) in self.fresh().iter() {
            found |= same(secret, given);
        }
        found
    }

    fn take(&self, given: &str) -> bool {
        let mut held = self.fresh();
        let before = held.len();
        held.retain(|(_, secret)| !same(secret, given));
        held.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_opens_one_session_and_nothing_else() {
        let access = Access::new("token");
        assert!(access.is_token("token"));
        for wrong in ["", "toke", "tokem", "token2"] {
            assert!(!access.is_token(wrong), "{wrong}");
        }
        let ticket = access.ticket().unwrap();
        assert!(!access.is_session(&ticket) && !access.is_token(&ticket));
        let session = access.enter(&ticket).unwrap().unwrap();
        assert!(access.is_session(&session));
        assert!(access.enter(&ticket).is_none() && access.enter(&session).is_none());
        assert!(!access.is_session("") && !access.is_session("token"));
    }

    #[test]
    fn the_key_of_content_opens_nothing_else() {
        let access = Access::new("token");
        assert!(!access.opens("", None));
        let key = access.content_key().unwrap().to_owned();
        assert_eq!(access.content_key().unwrap(), key);
        assert!(access.opens(&key, None) && !access.opens("token", None));
        let pass = access.pass("bafk").unwrap();
        let of = pass.key().to_owned();
        assert!(access.opens(&of, Some("bafk")));
        assert!(!access.opens(&of, Some("other")) && !access.opens(&of, None));
        drop(pass);
        assert!(!access.opens(&of, Some("bafk")));
        assert!(!access.is_token(&key) && !access.is_session(&key));
    }

    #[test]
    fn secrets_age_and_are_so_many_at_most() {
        let secrets = Secrets::new(Duration::ZERO);
        let old = secrets.make().unwrap();
        assert!(!secrets.holds(&old) && !secrets.take(&old));
        let secrets = Secrets::new(Duration::from_secs(60));
        let first = secrets.make().unwrap();
        let more: Vec<String> = (0..MOST).map(|_| secrets.make().unwrap()).collect();
        assert!(!secrets.holds(&first));
        assert!(more.iter().all(|secret| secrets.holds(secret)));
    }
}
