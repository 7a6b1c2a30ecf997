//! Readers that come, go on and leave.

use super::{MAX_READERS, Reader};
use crate::Timestamp;
use crate::planner::Planner;
use crate::planner::api::{Order, ReaderId, Reading, RequestId};

impl Planner {
    pub(in crate::planner) fn reader_opened(
        &mut self,
        now: Timestamp,
        id: ReaderId,
        reading: Reading,
    ) {
        let known = self.readers.readers.contains_key(&id);
        if !known && self.readers.readers.len() >= MAX_READERS {
            return;
        }
        let reader = Reader::new(now, reading, &self.layout);
        self.readers.readers.insert(id, reader);
        self.make_way(now);
    }

    pub(in crate::planner) fn reader_moved(&mut self, now: Timestamp, id: ReaderId, position: u64) {
        let Some(reader) = self.readers.readers.get_mut(&id) else {
            return;
        };
        let before = reader.pieces.clone();
        let reading = Reading {
            position,
            ..reader.reading
        };
        *reader = Reader::new(now, reading, &self.layout);
        let further = reader.pieces.end > before.end;
        if !before.contains(&reader.pieces.start) {
            self.make_way(now);
        } else if further && self.order == Order::ReadersOnly {
            // Sources may be idle because all of the window was asked for.
            self.everyone_in_line();
        }
    }

    pub(in crate::planner) fn reader_closed(&mut self, now: Timestamp, id: ReaderId) {
        if self.readers.readers.remove(&id).is_none() {
            return;
        }
        if self.order == Order::ReadersOnly {
            self.stop_unread(now);
        }
        self.everyone_in_line();
    }

    /// Cancels what no reader waits for, also what has begun to come.
    fn stop_unread(&mut self, now: Timestamp) {
        let read = |piece: &u32| self.readers.wait_for(*piece);
        let unread: Vec<RequestId> = (self.ledger.requests())
            .filter(|(_, request)| !request.outstanding.iter().any(read))
            .map(|(id, _)| id)
            .collect();
        for request in unread {
            self.cancel(now, request);
        }
    }

    /// A reader begins somewhere: what was asked for, hasn't begun to come and isn't waited for makes way.
    fn make_way(&mut self, now: Timestamp) {
        let in_the_way: Vec<RequestId> = self
            .ledger
            .requests()
            .filter(|(_, request)| {
                !request.is_started()
                    && !request
                        .outstanding
                        .iter()
                        .any(|piece| self.readers.wait_for(*piece))
            })
            .map(|(id, _)| id)
            .collect();
        for request in in_the_way {
            self.cancel(now, request);
        }
        self.everyone_in_line();
        self.arm_rescue(now);
    }
}
