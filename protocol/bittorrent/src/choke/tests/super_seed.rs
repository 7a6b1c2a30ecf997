//! Super-seeding.

use potluck_content::PieceSet;

use super::*;

fn shown(seed: &mut SuperSeed<u32>, now: Duration) -> Vec<(u32, u32)> {
    std::iter::from_fn(|| seed.poll(now)).collect()
}

#[test]
fn the_next_piece_comes_when_the_last_is_spread() {
    let mut seed = SuperSeed::new(14);
    let none = PieceSet::new(14);
    for peer in 1..3 {
        assert!(seed.add_peer(peer, &none));
    }
    assert!(!seed.add_peer(1, &none));
    // One each, then a second one each, and so on.
    let first = (0..6).map(|piece| (1 + piece % 2, piece));
    assert_eq!(shown(&mut seed, START), first.collect::<Vec<_>>());
    assert!(seed.may_ask(1, 0) && !seed.may_ask(1, 1) && !seed.may_ask(3, 0));
    // What it got from us is not enough; but the other one has less now.
    seed.has(1, 0);
    assert_eq!(shown(&mut seed, START), [(2, 6)]);
    seed.has(2, 0);
    assert_eq!((shown(&mut seed, START), seed.spread()), (vec![(1, 7)], 1));
    // One that has it from elsewhere counts as well.
    seed.has(1, 1);
    assert_eq!(shown(&mut seed, START), [(2, 8)]);
    assert!(!seed.is_finished());
    for piece in 0..14 {
        for peer in 1..3 {
            seed.has(peer, piece);
        }
    }
    assert!(seed.is_finished());
    assert_eq!(
        (shown(&mut seed, START), seed.poll_timeout()),
        (vec![], None)
    );
    // Nonsense is ignored.
    seed.has(1, 99);
    seed.remove_peer(77, &none);
}

#[test]
fn what_is_kept_is_shown_to_others() {
    let mut seed = SuperSeed::new(3);
    let none = PieceSet::new(3);
    (1..3).for_each(|peer| assert!(seed.add_peer(peer, &none)));
    assert_eq!(shown(&mut seed, START), [(1, 0), (2, 1), (1, 2)]);
    assert_eq!(seed.poll_timeout(), Some(START + STALL_TIME));
    // A slow peer that takes blocks has time.
    seed.sent(START + seconds(100), 1, 0);
    seed.handle_timeout(START + STALL_TIME);
    // 2 goes to the other one, and 1 to nobody: who kept it doesn't get it again.
    let now = START + STALL_TIME;
    assert_eq!(shown(&mut seed, now), [(2, 2)]);
    seed.handle_timeout(START + seconds(220));
    assert_eq!(shown(&mut seed, START + seconds(220)), [(1, 1)]);
    // Nobody else has what one that leaves had.
    let mut had = PieceSet::new(3);
    had.insert(2);
    seed.has(2, 2);
    assert!(seed.add_peer(3, &none));
    shown(&mut seed, START + seconds(220));
    seed.remove_peer(2, &had);
    let again = shown(&mut seed, START + seconds(220));
    assert!(again.iter().any(|(_, piece)| *piece == 2), "{again:?}");
}

#[test]
fn who_has_less_than_others_is_shown_more() {
    let mut seed = SuperSeed::new(100);
    let none = PieceSet::new(100);
    (1..4).for_each(|peer| assert!(seed.add_peer(peer, &none)));
    // Two give each other what they got; the third neither gets nor gives anything.
    let mut waits = [0; 4];
    for turn in 0..4 {
        for (peer, piece) in shown(&mut seed, START) {
            waits[peer as usize] += 1;
            if peer < 3 && turn < 3 {
                seed.has(1, piece);
                seed.has(2, piece);
                waits[peer as usize] -= 1;
            }
        }
    }
    assert_eq!(waits, [0, 3, 3, 8]);
    // It catches up by what the others were shown, and is to spread its own now, as they are.
    for piece in 0..50 {
        seed.has(3, piece);
    }
    let next = shown(&mut seed, START);
    let of = |one: u32| next.iter().filter(|(peer, _)| *peer == one).count();
    assert_eq!([1, 2, 3].map(of), [3, 3, 0]);
}

#[test]
fn one_alone_gets_everything() {
    let mut seed = SuperSeed::new(50);
    let none = PieceSet::new(50);
    assert!(seed.add_peer(1, &none) && seed.add_peer(2, &none));
    let first = shown(&mut seed, START);
    let mine = first.iter().filter(|(peer, _)| *peer == 1);
    let mut got = mine.map(|(_, piece)| seed.has(1, *piece)).count();
    seed.remove_peer(2, &none);
    while let Some((peer, piece)) = seed.poll(START) {
        assert_eq!(peer, 1);
        seed.has(1, piece);
        got += 1;
    }
    assert_eq!(got, 50);
}

/// Eight peers and a seed; each sends a piece in a step, and all as fast. Says how many pieces the seed
/// sent, and how many steps it took until all had all.
fn simulate(pieces: u32, peers: u32, mut random: u64, keeps: Option<u32>) -> (u32, u64) {
    let mut seed = SuperSeed::new(pieces);
    let mut have = vec![PieceSet::new(pieces); peers as usize];
    let mut queue: Vec<(u32, u32)> = Vec::new();
    let mut sent = 0;
    for peer in 0..peers {
        assert!(seed.add_peer(peer, &have[peer as usize]));
    }
    for at in 0..100_000 {
        let now = START + seconds(at);
        seed.handle_timeout(now);
        queue.extend(std::iter::from_fn(|| seed.poll(now)));
        let mut moved = Vec::new();
        queue.retain(|(peer, piece)| !have[*peer as usize].contains(*piece));
        if !queue.is_empty() {
            let (peer, piece) = queue.remove(0);
            assert!(seed.may_ask(peer, piece));
            sent += 1;
            moved.push((peer, piece));
        }
        for from in (0..peers).filter(|from| Some(*from) != keeps) {
            // The rarest piece that somebody lacks.
            let start = u32::try_from(next(&mut random) % u64::from(pieces)).unwrap();
            let lacks = |piece: u32, moved: &[(u32, u32)]| {
                let to = (0..peers).map(|to| (to + from + 1 + piece) % peers);
                let mut to = to.filter(|to| !have[*to as usize].contains(piece));
                to.find(|to| !moved.contains(&(*to, piece)))
            };
            let own = (0..pieces).map(|step| (start + step) % pieces);
            let own = own.filter(|piece| have[from as usize].contains(*piece));
            let copies = |piece: u32| have.iter().filter(|set| set.contains(piece)).count();
            let best = own
                .filter(|piece| lacks(*piece, &moved).is_some())
                .min_by_key(|piece| copies(*piece));
            if let Some(piece) = best {
                moved.push((lacks(piece, &moved).unwrap(), piece));
            }
        }
        for (peer, piece) in moved {
            if have[peer as usize].insert(piece) {
                seed.has(peer, piece);
            }
        }
        if have.iter().all(PieceSet::is_full) {
            assert!(seed.is_finished());
            return (sent, at + 1);
        }
    }
    panic!("it doesn't end: {} of {pieces} are spread", seed.spread());
}

#[test]
fn a_seed_sends_each_piece_once() {
    for (pieces, random) in [(64, 1), (200, 2), (333, 3)] {
        let (sent, steps) = simulate(pieces, 8, random, None);
        assert!(sent * 100 <= pieces * 115, "{sent} of {pieces}");
        // All had all little after the seed had sent all.
        assert!(steps <= u64::from(pieces) * 3 / 2, "{steps} for {pieces}");
    }
}

#[test]
fn one_that_spreads_nothing_does_little_harm() {
    let (sent, steps) = simulate(200, 8, 5, Some(3));
    assert!(sent * 100 <= 200 * 115, "{sent}");
    assert!(steps <= 1000, "{steps}");
}
