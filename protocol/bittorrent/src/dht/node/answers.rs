//! What comes in: questions of others, and answers to those of this node.

use std::net::SocketAddrV6;
use std::time::Duration;

use super::super::Contact;
use super::super::krpc::{Body, Message, Query, Reply};
use super::super::search::{CLOSEST, Goal};
use super::{Event, MAX_QUESTIONS, Node, Purpose, Question};

/// A token that was not given to this address (BEP 5).
const BAD_TOKEN: i64 = 203;
/// A question that is not known.
const UNKNOWN: i64 = 204;

impl Node {
    /// Takes a datagram.
    pub fn handle_datagram(&mut self, now: Duration, from: SocketAddrV6, datagram: &[u8]) {
        let Ok(message) = Message::decode(datagram) else {
            return;
        };
        match message.body {
            Body::Query {
                id,
                read_only,
                query,
            } => {
                if self.options.read_only || !self.budget.allows(now, from.ip()) {
                    return;
                }
                self.answer(now, from, message.transaction, &query);
                let contact = Contact { id, address: from };
                if !read_only {
                    self.meet(now, contact);
                }
            }
            Body::Reply(reply) => {
                if let Some(purpose) = self.question(&message.transaction, &from) {
                    self.answered(now, from, purpose, &reply);
                }
            }
            Body::Error(_) => {
                if let Some(purpose) = self.question(&message.transaction, &from) {
                    self.failed(&from, purpose);
                }
            }
        }
        self.drive(now);
    }

    /// What was asked there by this number, if it was.
    fn question(&mut self, transaction: &[u8], from: &SocketAddrV6) -> Option<Purpose> {
        let transaction: [u8; 4] = transaction.try_into().ok()?;
        let question = self.questions.get(&transaction)?;
        if question.to != *from {
            return None;
        }
        let question = self.questions.remove(&transaction)?;
        Some(question.purpose)
    }

    fn answer(&mut self, now: Duration, to: SocketAddrV6, transaction: Vec<u8>, query: &Query) {
        let mut reply = Reply {
            id: self.options.id,
            nodes: Vec::new(),
            peers: Vec::new(),
            token: None,
        };
        let mut refused = None;
        match query {
            Query::Ping => {}
            Query::FindNode(target) => reply.nodes = self.table.nearest(target, CLOSEST),
            Query::GetPeers(target) => {
                let [a, b, c, d, ..] = self.draw();
                let random = u64::from(u32::from_be_bytes([a, b, c, d]));
                reply.nodes = self.table.nearest(target, CLOSEST);
                reply.peers = self.store.peers(target, random);
                reply.token = Some(self.store.token(to.ip()));
            }
            Query::Announce {
                target,
                port,
                token,
            } => {
                if self.store.is_good(token, to.ip()) {
                    let port = port.unwrap_or(to.port());
                    let peer = SocketAddrV6::new(*to.ip(), port, 0, 0);
                    self.store.keep(now, *target, peer);
                } else {
                    refused = Some(BAD_TOKEN);
                }
            }
            Query::Unknown => refused = Some(UNKNOWN),
        }
        let body = refused.map_or(Body::Reply(reply), Body::Error);
        self.send(to, &Message { transaction, body });
    }

    /// Somebody asked who may be worth knowing: whether it is there, is for it to show.
    fn meet(&mut self, now: Duration, contact: Contact) {
        let is_known = self
            .table
            .good()
            .any(|known| known.address == contact.address);
        let asked = |question: &Question| question.to == contact.address;
        if is_known || self.questions.len() >= MAX_QUESTIONS / 2 {
            return;
        }
        let near = self.table.nearest(&contact.id, CLOSEST);
        let distance = contact.id.distance(&self.options.id);
        let is_wanted = near.len() < CLOSEST
            || near
                .iter()
                .any(|known| known.id.distance(&self.options.id) > distance);
        if is_wanted && !self.questions.values().any(asked) {
            self.ask(now, contact.address, Query::Ping, Purpose::Care);
        }
    }

    fn answered(&mut self, now: Duration, from: SocketAddrV6, purpose: Purpose, reply: &Reply) {
        if reply.id == self.options.id {
            return self.failed(&from, purpose);
        }
        let contact = Contact {
            id: reply.id,
            address: from,
        };
        self.table.answered(now, contact);
        match purpose {
            Purpose::Care => {}
            Purpose::Announce(id) => {
                if let Some(search) = self.searches.get_mut(&id) {
                    search.heard(true);
                }
            }
            Purpose::Search(id) => {
                let Some(search) = self.searches.get_mut(&id) else {
                    return;
                };
                let peers = search.answered(&from, reply);
                if !peers.is_empty() && search.goal != Goal::Nodes {
                    self.tell(Event::Found { search: id, peers });
                }
            }
        }
    }

    pub(super) fn failed(&mut self, from: &SocketAddrV6, purpose: Purpose) {
        match purpose {
            Purpose::Care => {}
            Purpose::Announce(id) => {
                if let Some(search) = self.searches.get_mut(&id) {
                    search.heard(false);
                }
            }
            Purpose::Search(id) => {
                if let Some(search) = self.searches.get_mut(&id) {
                    search.failed(from);
                }
            }
        }
    }
}
