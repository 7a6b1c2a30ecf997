use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// What a set is compared with: the plain set of its numbers.
fn model(set: &PieceSet) -> BTreeSet<u32> {
    (0..set.len()).filter(|p| set.contains(*p)).collect()
}

fn any_set(max: u32) -> impl Strategy<Value = PieceSet> {
    (
        0..max,
        proptest::collection::vec(any::<(u32, u32, bool)>(), 0..20),
    )
        .prop_map(|(len, changes)| {
            let mut set = PieceSet::new(len);
            for (from, to, add) in changes {
                let (from, to) = (from % (len + 2), to % (len + 70));
                if add {
                    set.insert_range(from..to);
                } else {
                    set.remove_range(from..to);
                }
            }
            set
        })
}

#[test]
fn edges() {
    for len in [0, 1, 63, 64, 65, 128] {
        let mut set = PieceSet::full(len);
        assert!(set.is_full());
        assert_eq!(set.count(), len);
        assert_eq!(set.first_missing(0), None);
        assert_eq!(set.ranges().count(), usize::from(len > 0));
        assert!(!set.insert(len), "past the end");
        assert!(!set.contains(len));
        assert!(!set.contains(u32::MAX));
        set.remove_range(0..u32::MAX);
        assert!(set.is_empty());
    }
}

#[test]
fn refuses_wrong_bytes() {
    let parse = |len, bytes: &[u8]| PieceSet::from_bytes(len, bytes);
    assert_eq!(parse(9, &[0xff, 0x01]), Ok(PieceSet::full(9)));
    assert_eq!(parse(9, &[0, 2]), Err(PieceSetError::StrayBits { len: 9 }));
    assert!(matches!(parse(9, &[0]), Err(PieceSetError::Length { .. })));
    assert!(matches!(
        parse(9, &[0; 3]),
        Err(PieceSetError::Length { .. })
    ));
    let len = MAX_PIECES + 1;
    assert_eq!(parse(len, &[]), Err(PieceSetError::TooLong { len }));
}

#[test]
fn longer_sets_do_not_leak_bits() {
    let mut set = PieceSet::new(3);
    set.union_with(&PieceSet::full(200));
    assert_eq!(set, PieceSet::full(3));
    let mut set = PieceSet::full(200);
    set.intersect_with(&PieceSet::full(3));
    assert_eq!(set, {
        let mut set = PieceSet::new(200);
        set.insert_range(0..3);
        set
    });
}

proptest! {
    #[test]
    fn behaves_as_a_set(a in any_set(200), b in any_set(200), piece in 0u32..220) {
        let (left, right) = (model(&a), model(&b));
        prop_assert_eq!(a.count() as usize, left.len());
        prop_assert_eq!(&a.iter().collect::<BTreeSet<_>>(), &left);
        prop_assert_eq!(&a.ranges().flatten().collect::<BTreeSet<_>>(), &left);
        prop_assert_eq!(model(&a.difference(&b)), &left - &right);
        prop_assert_eq!(model(&a.intersection(&b)), &left & &right);
        let joined: BTreeSet<_> = (&left | &right).into_iter().filter(|p| *p < a.len()).collect();
        prop_assert_eq!(model(&a.union(&b)), joined);
        prop_assert_eq!(a.intersection_count(&b) as usize, (&left & &right).len());
        prop_assert_eq!(a.is_subset(&b), left.is_subset(&right));
        prop_assert_eq!(a.first_present(piece), left.range(piece..).next().copied());
        let missing = (piece..a.len()).find(|p| !left.contains(p));
        prop_assert_eq!(a.first_missing(piece), missing);
        for set in [a.union(&b), a.difference(&b), a.intersection(&b)] {
            prop_assert_eq!(set.count() as usize, model(&set).len());
        }
    }

    #[test]
    fn ranges_are_contained(a in any_set(200), from in 0u32..210, to in 0u32..210) {
        let all = (from..to).all(|p| a.contains(p));
        prop_assert_eq!(a.contains_range(from..to), all);
    }

    #[test]
    fn one_at_a_time(len in 1u32..200, pieces in proptest::collection::vec(0u32..220, 0..60)) {
        let mut set = PieceSet::new(len);
        let mut plain = BTreeSet::new();
        for (turn, piece) in pieces.into_iter().enumerate() {
            if turn % 3 == 2 {
                prop_assert_eq!(set.remove(piece), plain.remove(&piece));
            } else if piece < len {
                prop_assert_eq!(set.insert(piece), plain.insert(piece));
            }
        }
        prop_assert_eq!(model(&set), plain);
    }

    #[test]
    fn encodings_round_trip(set in any_set(300)) {
        prop_assert_eq!(PieceSet::from_bytes(set.len(), &set.to_bytes()), Ok(set.clone()));
        let encoded = serde_ipld_dagcbor::to_vec(&set).unwrap();
        let back: PieceSet = serde_ipld_dagcbor::from_slice(&encoded).unwrap();
        prop_assert_eq!(back, set);
    }
}
