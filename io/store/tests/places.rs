//! Spans that are read straight to where the caller needs them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;

use std::fs;
use std::io::{IoSlice, IoSliceMut};

use common::*;
use potluck_store::{ReadError, SpanBuf};
use tempfile::tempdir;

const GROUP: usize = 16 * 1024;
/// What lies before and after the plaintext of an encrypted record.
const HEADER: usize = 5;
const TAG: usize = 17;

/// The plaintext places of records, the first of which begins with `taken` other bytes.
fn places(records: &mut [u8], taken: usize, length: usize) -> Vec<IoSliceMut<'_>> {
    let mut places = Vec::new();
    let mut left = length;
    for (index, record) in records.chunks_mut(HEADER + GROUP + TAG).enumerate() {
        let from = HEADER + if index == 0 { taken } else { 0 };
        let to = (from + left).min(HEADER + GROUP);
        left -= to - from;
        places.push(IoSliceMut::new(&mut record[from..to]));
    }
    assert_eq!(left, 0);
    places
}

#[test]
fn bytes_land_where_records_are_made_of_them() {
    let dir = tempdir().unwrap();
    let store = open(&dir.path().join("data"));
    let path = dir.path().join("file");
    let whole = bytes(4, 40 * GROUP + 77);
    put(&path, &whole);
    let shared = share(&store, &path).root.address.hash;
    let copied = {
        let request = potluck_store::ShareRequest {
            copy: true,
            ..potluck_store::ShareRequest::path(&path, 1)
        };
        let other = open(&dir.path().join("other"));
        share_with(&other, &request);
        other
    };
    let mut plain = SpanBuf::new();
    for store in [&store, &copied] {
        for (span, taken) in [(0..16, 0), (3..41, 1024), (40..41, 16_000), (7..8, 1)] {
            let data = &whole[span.start * GROUP..(span.end * GROUP).min(whole.len())];
            let mut records = vec![0xaa; (HEADER + GROUP + TAG) * (data.len() / GROUP + 2)];
            let mut proof = vec![1, 2, 3];
            let span = span.start as u64..span.end as u64;
            let mut into = places(&mut records, taken, data.len());
            store
                .read_span_into(&shared, span.clone(), &mut proof, &mut into)
                .unwrap();
            let found: Vec<u8> = into
                .iter()
                .flat_map(|place| place.iter().copied())
                .collect();
            assert!(found == data);
            store.read_span(&shared, span, &mut plain).unwrap();
            assert_eq!(proof, plain.proof());
            // Nothing else was touched.
            let kept = records.len() - records.iter().filter(|byte| **byte != 0xaa).count();
            assert!(kept >= records.len() - data.len());
            assert!(records[..HEADER + taken].iter().all(|byte| *byte == 0xaa));
        }
    }
}

#[test]
fn places_of_another_length_are_refused() {
    let dir = tempdir().unwrap();
    let store = open(&dir.path().join("data"));
    let path = dir.path().join("file");
    put(&path, &bytes(5, 3 * GROUP + 1));
    let hash = share(&store, &path).root.address.hash;
    for length in [0, GROUP - 1, GROUP + 1, 3 * GROUP] {
        let mut bytes = vec![0; length];
        let read = store.read_span_into(
            &hash,
            1..2,
            &mut Vec::new(),
            &mut [IoSliceMut::new(&mut bytes)],
        );
        assert!(matches!(read, Err(ReadError::BadSpan)), "{length}");
    }
    let mut one = [0];
    let mut last = [IoSliceMut::new(&mut one)];
    store
        .read_span_into(&hash, 3..4, &mut Vec::new(), &mut last)
        .unwrap();
}

#[test]
fn more_places_than_a_system_takes_in_one_call() {
    let dir = tempdir().unwrap();
    let store = open(&dir.path().join("data"));
    let path = dir.path().join("file");
    let whole = bytes(6, 20 * GROUP);
    put(&path, &whole);
    let hash = share(&store, &path).root.address.hash;
    let mut bytes = vec![0; whole.len()];
    let mut tiny: Vec<IoSliceMut<'_>> = bytes.chunks_mut(61).map(IoSliceMut::new).collect();
    store
        .read_span_into(&hash, 0..20, &mut Vec::new(), &mut tiny)
        .unwrap();
    assert!(bytes == whole);
}

#[test]
fn wrong_bytes_are_an_error_in_places_too() {
    let dir = tempdir().unwrap();
    let store = open(&dir.path().join("data"));
    let path = dir.path().join("file");
    put(&path, &bytes(7, 4 * GROUP));
    let hash = share(&store, &path).root.address.hash;
    let mut changed = bytes(7, 4 * GROUP);
    changed[2 * GROUP] ^= 1;
    fs::write(&path, changed).unwrap();
    let mut bytes = vec![0; GROUP];
    let mut place = [IoSliceMut::new(&mut bytes)];
    let read = store.read_span_into(&hash, 2..3, &mut Vec::new(), &mut place);
    assert!(matches!(read, Err(ReadError::Changed { .. })));
}

#[test]
fn bytes_in_records_are_written_as_they_lie() {
    let dir = tempdir().unwrap();
    let from = open(&dir.path().join("from"));
    let path = dir.path().join("file");
    let whole = bytes(8, 100 * GROUP + 3);
    put(&path, &whole);
    let address = share(&from, &path).root.address;
    let to = open(&dir.path().join("to"));
    let dest = dir.path().join("out");
    let download = to.begin(spec(&from, address, &dest)).unwrap();
    let layout = std::sync::Arc::clone(download.layout());
    let mut buffer = SpanBuf::new();
    for number in missing(&download).iter() {
        let groups = layout.piece(number).groups;
        from.read_span(&address.hash, groups.clone(), &mut buffer)
            .unwrap();
        let geometry = layout.geometry(0);
        let verified =
            potluck_content::tree::check(&address.hash, geometry, groups.clone(), buffer.proof())
                .unwrap();
        download.write_parents(0, verified.parents()).unwrap();
        let (first, rest) = buffer.data().split_at(1000.min(buffer.data().len()));
        let parts = std::iter::once(first).chain(rest.chunks(GROUP - 7));
        let parts: Vec<IoSlice<'_>> = parts.map(IoSlice::new).collect();
        // Groups that are not whole are refused, however they lie.
        if number == 0 {
            let cut = download.write_vectored(0, groups.start, &parts[..parts.len() - 1]);
            assert!(matches!(cut, Err(potluck_store::WriteError::BadRange)));
        }
        download.write_vectored(0, groups.start, &parts).unwrap();
        download.complete(&[number]).unwrap();
    }
    download.finish(true, 9).unwrap();
    assert!(fs::read(&dest).unwrap() == whole);
    read_all(&to, &address.hash, whole.len() as u64, 16).unwrap();
}
