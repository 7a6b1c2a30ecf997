//! What a torrent goes through: it becomes known, is fetched, is served.

use super::super::PeerKey;
use super::super::content::{Content, Files};
use super::super::copies::Copies;
use super::super::news::Command;
use super::plan::Plan;
use super::{NewDownload, Swarm};
use potluck_content::PieceSet;
use potluck_store::TorrentReader;
use std::sync::Arc;

impl Swarm {
    /// The bytes are under their final name, and are served from there.
    pub(super) fn serve(&mut self, reader: &Arc<TorrentReader>) {
        let was_fetched = self.plan.is_some();
        let files = Files::Here(Arc::clone(reader));
        match &self.content {
            Some(content) => content.move_to(files),
            None => self.know(Arc::new(Content::new(reader.metainfo(), files))),
        }
        // Only now: others that take bytes from here go on with the files under their final names.
        self.plan = None;
        self.members.retain(|_, member| member.guest.is_none());
        for member in self.members.values_mut() {
            member.source = None;
        }
        if !was_fetched {
            self.begin_to_show();
        }
        self.choker.set_seeding(true);
        self.seeking.completed();
        self.interest();
    }

    /// Begins to fetch.
    pub(super) fn download(&mut self, new: NewDownload) {
        self.know(new.content);
        let content = self.content.clone();
        let mut plan = Plan::new(&self.ctx, new.download, new.order, new.registered);
        if let Some(content) = content {
            let copies = &new.copies;
            plan.reserved = Copies::pieces(&content, |piece| copies.will_have(&content, piece));
        }
        self.plan = Some(plan);
        self.failure = None;
        for member in self.members.values_mut() {
            // It was one of an earlier download, at most.
            member.source = None;
        }
        let keys: Vec<PeerKey> = self.members.keys().copied().collect();
        for key in keys {
            self.join_plan(key);
        }
        self.join_web_seeds();
        self.join_copies(new.copies);
        for borrower in new.borrowers {
            self.lend_to(borrower);
        }
        self.interest();
    }

    /// Nobody waits for what is fetched, or it is here and not to be served.
    pub(super) async fn stop_download(&mut self) {
        let Some(plan) = self.plan.take() else {
            return;
        };
        self.members.retain(|_, member| member.guest.is_none());
        for member in self.members.values_mut() {
            member.source = None;
        }
        if let Some(content) = &self.content {
            content.move_to(Files::Nowhere);
        }
        plan.close().await;
        self.interest();
    }

    pub(super) fn know(&mut self, content: Arc<Content>) {
        if content.metainfo.info().is_private() {
            self.seeking.go_private();
        }
        let none = PieceSet::new(content.metainfo.info().pieces());
        for member in self.members.values_mut() {
            member.claims = none.clone();
            member.tell(Command::Know(Arc::clone(&content)));
        }
        self.content = Some(content);
    }
}
