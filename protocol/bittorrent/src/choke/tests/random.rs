//! Whatever happens in whatever order.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Join(u32, bool),
    Leave(u32),
    Interested(u32, bool),
    UploadOnly(u32, bool),
    Requesting(u32, bool),
    Received(u32, u64),
    Sent(u32, u64),
    Seeding(bool),
    Wait(u64, u64),
    Tell(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let peer = || 0..12_u32;
    prop_oneof![
        (peer(), prop::bool::weighted(0.2)).prop_map(|(p, c)| Step::Join(p, c)),
        peer().prop_map(Step::Leave),
        (peer(), any::<bool>()).prop_map(|(p, on)| Step::Interested(p, on)),
        (peer(), any::<bool>()).prop_map(|(p, on)| Step::Interested(p, on)),
        (peer(), any::<bool>()).prop_map(|(p, on)| Step::UploadOnly(p, on)),
        (peer(), any::<bool>()).prop_map(|(p, on)| Step::Requesting(p, on)),
        (peer(), any::<u64>()).prop_map(|(p, n)| Step::Received(p, n)),
        (peer(), any::<u64>()).prop_map(|(p, n)| Step::Sent(p, n)),
        any::<bool>().prop_map(Step::Seeding),
        (0..20_u64, any::<u64>()).prop_map(|(s, r)| Step::Wait(s, r)),
        (0..8_usize).prop_map(Step::Tell),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn slots_are_kept_and_all_is_told(slots in 1..4_u32, optimistic in 0..3_u32, steps in vec(step(), 1..300)) {
        let config = ChokeConfig { slots, optimistic, quota_bytes: 1000 };
        let mut choker = Choker::new(START, config);
        let mut now = START;
        let (mut here, mut contacts) = (BTreeSet::new(), BTreeSet::new());
        let (mut interested, mut upload_only) = (BTreeSet::new(), BTreeSet::new());
        let mut told: BTreeSet<u32> = BTreeSet::new();
        for step in steps {
            let put = |set: &mut BTreeSet<u32>, peer: u32, on: bool| {
                if on && here.contains(&peer) { set.insert(peer); } else { set.remove(&peer); }
            };
            match step {
                Step::Join(peer, contact) => {
                    if choker.add_peer(now, peer, contact) {
                        here.insert(peer);
                        if contact { contacts.insert(peer); }
                    }
                }
                Step::Leave(peer) => {
                    choker.remove_peer(now, peer);
                    for set in [&mut here, &mut contacts, &mut interested, &mut upload_only, &mut told] {
                        set.remove(&peer);
                    }
                }
                Step::Interested(peer, on) => { choker.set_interested(now, peer, on); put(&mut interested, peer, on); }
                Step::UploadOnly(peer, on) => { choker.set_upload_only(now, peer, on); put(&mut upload_only, peer, on); }
                Step::Requesting(peer, on) => choker.set_requesting(now, peer, on),
                Step::Received(peer, bytes) => choker.received(now, peer, bytes),
                Step::Sent(peer, bytes) => choker.sent(peer, bytes),
                Step::Seeding(on) => choker.set_seeding(on),
                Step::Wait(time, random) => { now += seconds(time); choker.handle_timeout(now, random); }
                Step::Tell(most) => {
                    for _ in 0..most {
                        let Some(change) = choker.poll() else { break };
                        // Nothing is said twice, and nothing to those who are gone.
                        prop_assert!(here.contains(&change.peer));
                        if change.choke {
                            prop_assert!(told.remove(&change.peer));
                        } else {
                            prop_assert!(told.insert(change.peer));
                        }
                        prop_assert_eq!(choker.is_unchoked(change.peer), !change.choke);
                    }
                }
            }
            let served: BTreeSet<u32> = here.iter().copied().filter(|peer| choker.is_unchoked(*peer)).collect();
            prop_assert_eq!(served.len(), choker.unchoked());
            let friends = served.intersection(&contacts).count();
            let most = (slots as usize).max(friends) + optimistic as usize;
            prop_assert!(served.len() <= most);
            let wanting: BTreeSet<u32> = interested.difference(&upload_only).copied().collect();
            for peer in &wanting {
                prop_assert!(served.contains(peer) || !contacts.contains(peer), "a contact waits");
            }
            // Nobody waits beside a free slot or one that is not wanted.
            if wanting.difference(&served).next().is_some() {
                let strangers = served.difference(&contacts);
                let room = (slots as usize).saturating_sub(friends) + optimistic as usize;
                prop_assert!(strangers.clone().count() >= room);
            }
        }
        while let Some(change) = choker.poll() {
            if change.choke { told.remove(&change.peer); } else { told.insert(change.peer); }
        }
        let served: BTreeSet<u32> = here.into_iter().filter(|peer| choker.is_unchoked(*peer)).collect();
        prop_assert_eq!(served, told);
    }
}
