//! Any history, and everything at once.

use super::Pair;
use crate::common::*;
use potluck_store::SpanBuf;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is interrupted, checkpointed and damaged in whatever order: what is finished is right,
    /// and nothing is fetched twice but what was damaged.
    #[test]
    fn any_history_ends_in_the_right_bytes(
        sizes in proptest::collection::vec(0_usize..600_000, 1..8),
        steps in proptest::collection::vec((0_u8..5, any::<u32>()), 0..40),
    ) {
        let mut pair = Pair::new();
        for (n, size) in sizes.iter().enumerate() {
            put(&pair.path(&format!("src/d{}/f{n}", n % 2)), &bytes(n as u64, *size));
        }
        let address = share(&pair.from, &pair.path("src")).root.address;
        let dest = pair.path("out");
        let mut download = Some(pair.to.begin(spec(&pair.from, address, &dest)).unwrap());
        let mut buffer = SpanBuf::new();
        for (step, number) in steps {
            let open = download.take().unwrap();
            match step {
                0 => open.checkpoint().unwrap(),
                1 => {
                    let have = open.have();
                    drop(open);
                    pair = pair.restart();
                    let open = pair.to.resume(&address).unwrap();
                    prop_assert_eq!(open.have(), have);
                    download = Some(open);
                    continue;
                }
                _ => {
                    let missing: Vec<u32> = missing(&open).iter().collect();
                    if !missing.is_empty() {
                        let piece = missing[number as usize % missing.len()];
                        fetch_piece(&pair.from, &open, piece, &mut buffer);
                    }
                }
            }
            download = Some(open);
        }
        let open = download.unwrap();
        fetch(&pair.from, &open);
        open.finish(true, 1).unwrap();
        prop_assert!(tree(&dest) == tree(&pair.path("src")));
    }
}

#[test]
fn many_threads_write_read_and_checkpoint_at_once() {
    let pair = Pair::new();
    for n in 0..60 {
        put(
            &pair.path(&format!("src/d{}/f{n}", n % 7)),
            &bytes(n, 20_000 * n as usize),
        );
    }
    let address = share(&pair.from, &pair.path("src")).root.address;
    let download = pair
        .to
        .begin(spec(&pair.from, address, &pair.path("out")))
        .unwrap();
    let layout = download.layout();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let (from, download) = (&pair.from, &download);
                scope.spawn(move || {
                    let mut buffer = SpanBuf::new();
                    for piece in (0..layout.pieces()).filter(|piece| piece % 4 == worker) {
                        fetch_piece(from, download, piece, &mut buffer);
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                download.checkpoint().unwrap();
            }
        });
        scope.spawn(|| {
            let mut buffer = SpanBuf::new();
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                for piece in pair.to.available(&address).unwrap().unwrap().iter() {
                    let piece = layout.piece(piece);
                    let hash = layout.blobs()[piece.blob as usize].hash;
                    pair.to.read_span(&hash, piece.groups, &mut buffer).unwrap();
                }
            }
        });
        for worker in workers {
            worker.join().unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert!(missing(&download).is_empty());
    download.finish(true, 1).unwrap();
    assert!(tree(&pair.path("out")) == tree(&pair.path("src")));
}
