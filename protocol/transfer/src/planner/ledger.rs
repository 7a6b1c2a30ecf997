//! Who was asked for what.

use std::collections::BTreeMap;

use super::api::{RequestId, SourceId};

#[derive(Debug)]
pub(super) struct Request {
    pub(super) source: SourceId,
    /// Pieces that haven't been verified yet, by anyone.
    pub(super) outstanding: Vec<u32>,
    /// Bytes still to come.
    pub(super) remaining: u64,
    pub(super) received: u64,
    pub(super) verified: u64,
    /// Asked because another source was late.
    pub(super) rescue: bool,
    /// The source fell silent: others may claim the pieces.
    pub(super) weak: bool,
}

impl Request {
    pub(super) fn is_started(&self) -> bool {
        self.received > 0
    }

    /// None of what is still to come is wanted.
    pub(super) fn is_useless(&self, wanted: impl Fn(u32) -> bool) -> bool {
        !self.outstanding.is_empty() && !self.outstanding.iter().any(|piece| wanted(*piece))
    }

    /// Bytes that came and led to nothing if the request ends now. After a full reply what isn't pieces is proofs.
    pub(super) fn in_vain(&self) -> u64 {
        if self.outstanding.is_empty() && self.remaining == 0 {
            0
        } else {
            self.received.saturating_sub(self.verified)
        }
    }
}

/// All requests in flight, by id and by piece.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    requests: BTreeMap<RequestId, Request>,
    holders: BTreeMap<u32, Vec<RequestId>>,
    last_id: u32,
}

impl Ledger {
    pub(super) fn add(&mut self, request: Request) -> RequestId {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            if !self.requests.contains_key(&RequestId(self.last_id)) {
                break;
            }
        }
        let id = RequestId(self.last_id);
        for piece in &request.outstanding {
            self.holders.entry(*piece).or_default().push(id);
        }
        self.requests.insert(id, request);
        id
    }

    pub(super) fn get(&self, id: RequestId) -> Option<&Request> {
        self.requests.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: RequestId) -> Option<&mut Request> {
        self.requests.get_mut(&id)
    }

    pub(super) fn remove(&mut self, id: RequestId) -> Option<Request> {
        let request = self.requests.remove(&id)?;
        for piece in &request.outstanding {
            self.unhold(*piece, id);
        }
        Some(request)
    }

    fn unhold(&mut self, piece: u32, id: RequestId) {
        if let Some(holders) = self.holders.get_mut(&piece) {
            holders.retain(|holder| *holder != id);
            if holders.is_empty() {
                self.holders.remove(&piece);
            }
        }
    }

    /// A piece is there: nobody needs to deliver it any more. Gives those who were asked.
    pub(super) fn settle(&mut self, piece: u32) -> Vec<RequestId> {
        let holders = self.holders.remove(&piece).unwrap_or_default();
        for id in &holders {
            if let Some(request) = self.requests.get_mut(id) {
                request.outstanding.retain(|other| *other != piece);
            }
        }
        holders
    }

    /// Whether a lively source was asked for it.
    pub(super) fn is_claimed(&self, piece: u32) -> bool {
        self.holders_of(piece).iter().any(|id| self.is_strong(*id))
    }

    pub(super) fn holders_of(&self, piece: u32) -> &[RequestId] {
        self.holders.get(&piece).map_or(&[], Vec::as_slice)
    }

    pub(super) fn is_strong(&self, id: RequestId) -> bool {
        self.requests.get(&id).is_some_and(|request| !request.weak)
    }

    pub(super) fn requests(&self) -> impl Iterator<Item = (RequestId, &Request)> {
        self.requests.iter().map(|(id, request)| (*id, request))
    }

    /// Pieces in flight with those who were asked.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (u32, &[RequestId])> {
        self.holders
            .iter()
            .map(|(piece, holders)| (*piece, holders.as_slice()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
}
