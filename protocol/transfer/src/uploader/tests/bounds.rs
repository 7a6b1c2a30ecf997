//! What is kept is bounded, and adds up.

use proptest::prelude::*;

use super::*;

#[test]
fn queues_are_bounded() {
    let config = UploaderConfig {
        queue_per_peer: 2,
        queue_total: 3,
        ..UploaderConfig::default()
    };
    let mut uploader = Uploader::new(config);
    let contact = peer(9);
    uploader.set_contact(contact, true);
    assert_eq!(uploader.enqueue(at(0), peer(1), 1, 1), Ok(()));
    assert_eq!(
        uploader.enqueue(at(0), peer(1), 1, 1),
        Err(QueueFull::Ticket(1))
    );
    assert_eq!(uploader.enqueue(at(0), peer(1), 2, 1), Ok(()));
    assert_eq!(
        uploader.enqueue(at(0), peer(1), 3, 1),
        Err(QueueFull::Peer(2))
    );
    assert_eq!(uploader.enqueue(at(0), peer(2), 3, 1), Ok(()));
    assert_eq!(
        uploader.enqueue(at(0), peer(2), 4, 1),
        Err(QueueFull::Total(3))
    );
    assert_eq!(uploader.enqueue(at(0), contact, 4, 1), Ok(()));
    uploader.abandon(2);
    assert_eq!(uploader.enqueue(at(0), peer(2), 5, 1), Ok(()));
}

#[test]
fn accounts_are_bounded() {
    let config = UploaderConfig {
        max_peers: 10,
        ..UploaderConfig::default()
    };
    let mut uploader = Uploader::new(config);
    uploader.set_contact(peer(0), true);
    for seed in 1..100 {
        uploader.received_from(at(u64::from(seed)), peer(seed), 1);
    }
    let kept: Vec<PeerId> = uploader
        .reports(at(0))
        .iter()
        .map(|report| report.peer)
        .collect();
    assert_eq!(kept.len(), 10);
    assert!(kept.contains(&peer(0)) && kept.contains(&peer(99)) && !kept.contains(&peer(1)));
}

#[derive(Clone, Debug)]
enum Op {
    Enqueue(u8, u64),
    EnqueueKeyed(u8, u64, u64),
    Poll,
    Finish(prop::sample::Index, bool),
    Abandon(prop::sample::Index),
    Contact(u8, bool),
    Received(u8, u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0..6_u8, 0..20_000_000_u64).prop_map(|(peer, bytes)| Op::Enqueue(peer, bytes)),
        2 => (0..6_u8, 0..9_u64, 0..4_u64).prop_map(|(peer, key, more)| Op::EnqueueKeyed(peer, key, more)),
        3 => Just(Op::Poll),
        2 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(i, all)| Op::Finish(i, all)),
        1 => any::<prop::sample::Index>().prop_map(Op::Abandon),
        1 => (0..6_u8, any::<bool>()).prop_map(|(peer, contact)| Op::Contact(peer, contact)),
        1 => (0..6_u8, 0..20_000_000_u64).prop_map(|(peer, bytes)| Op::Received(peer, bytes)),
    ]
}

proptest! {
    /// Whatever happens: slots are kept, waiting requests are granted as long as there is a slot, nothing is granted twice.
    #[test]
    fn books_agree(ops in proptest::collection::vec(op(), 0..200)) {
        let config = UploaderConfig { slots: 3, queue_per_peer: 8, max_parts: 5, ..Default::default() };
        let mut uploader = Uploader::new(config);
        let mut waiting: Vec<u64> = Vec::new();
        let mut granted: Vec<(u64, u64)> = Vec::new();
        let mut sizes = BTreeMap::new();
        let peers: Vec<PeerId> = (0..6).map(peer).collect();
        for (op, ticket) in ops.into_iter().zip(0..) {
            let now = at(ticket);
            match op {
                Op::Enqueue(who, bytes) => {
                    if uploader.enqueue(now, peers[who as usize], ticket, bytes).is_ok() {
                        waiting.push(ticket);
                        sizes.insert(ticket, bytes);
                    }
                }
                Op::EnqueueKeyed(who, key, more) => {
                    let peer = peers[who as usize];
                    if uploader.enqueue_for(now, peer, ticket, 9_000_000, parts(key..key + more)).is_ok() {
                        waiting.push(ticket);
                        sizes.insert(ticket, 9_000_000);
                    }
                }
                Op::Poll => {
                    let may = granted.len() < 3 && !waiting.is_empty();
                    let grant = uploader.poll(now);
                    prop_assert_eq!(grant.is_some(), may);
                    if let Some(grant) = grant {
                        prop_assert!(waiting.contains(&grant.ticket));
                        waiting.retain(|other| *other != grant.ticket);
                        granted.push((grant.ticket, sizes[&grant.ticket]));
                    }
                }
                Op::Finish(which, all) if !granted.is_empty() => {
                    let (ticket, bytes) = granted.swap_remove(which.index(granted.len()));
                    uploader.finished(now, ticket, if all { bytes } else { bytes / 2 });
                }
                Op::Abandon(which) if !waiting.is_empty() => {
                    uploader.abandon(waiting.swap_remove(which.index(waiting.len())));
                }
                Op::Contact(who, contact) => uploader.set_contact(peers[who as usize], contact),
                Op::Received(who, bytes) => uploader.received_from(now, peers[who as usize], bytes),
                Op::Finish(..) | Op::Abandon(_) => {}
            }
            prop_assert_eq!(uploader.waiting(), waiting.len());
            prop_assert_eq!(uploader.serving(), granted.len());
            let lines = uploader.accounts.iter().filter(|(_, account)| !account.queue.is_empty());
            let lines: BTreeSet<PeerId> = lines.map(|(peer, _)| *peer).collect();
            prop_assert_eq!(&uploader.waiting, &lines);
        }
    }
}
