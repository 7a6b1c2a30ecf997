use ring::aead::AES_128_GCM;

use super::*;

fn cipher() -> Cipher {
    // RFC 8448, section 3: what the client writes application data with.
    let key = bytes("17 42 2d da 59 6e d5 d9 ac d8 90 e3 c6 3f 50 51");
    let iv = bytes("5b 78 92 3d ee 08 57 90 33 e5 23 d9");
    Cipher {
        key: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap()),
        iv: iv.try_into().unwrap(),
        sequence: 0,
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}

/// RFC 8448, section 3: fifty bytes from the client.
const RECORD: &str = "17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 \
    f9 14 aa 66 bc ab 3f 2b 98 19 a8 a5 b4 6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2 \
    97 70 14 bd 1e 3d ea e6 3a ee bb 21 69 49 15 e4";

#[test]
fn a_record_is_that_of_the_specification() {
    let mut frame = vec![0; 50 + OVERHEAD_BYTES];
    for (place, byte) in frame[HEADER_BYTES..].iter_mut().zip(0u8..50) {
        *place = byte;
    }
    cipher().seal(TYPE_APPLICATION_DATA, &mut frame).unwrap();
    assert_eq!(frame, bytes(RECORD));
    let opened = cipher().open(&mut frame).unwrap();
    assert_eq!(opened, (TYPE_APPLICATION_DATA, 50));
    let content: Vec<u8> = (0..50).collect();
    assert_eq!(&frame[HEADER_BYTES..HEADER_BYTES + 50], content);
}

#[test]
fn any_changed_byte_is_noticed() {
    let record = bytes(RECORD);
    for at in 0..record.len() {
        let mut changed = record.clone();
        changed[at] ^= 1;
        assert!(cipher().open(&mut changed).is_err(), "byte {at}");
    }
}

#[test]
fn a_record_out_of_order_is_noticed() {
    let mut sender = cipher();
    let mut frames = [vec![0; 100], vec![0; 100]];
    for frame in &mut frames {
        sender.seal(TYPE_APPLICATION_DATA, frame).unwrap();
    }
    assert!(cipher().open(&mut frames[1]).is_err());
}

#[test]
fn padding_is_passed_over_and_may_not_be_all() {
    let mut frame = vec![0; 40 + OVERHEAD_BYTES];
    frame[HEADER_BYTES] = 7;
    frame[HEADER_BYTES + 1] = TYPE_APPLICATION_DATA;
    // The place of the type holds zero, which makes all before it padding.
    cipher().seal(0, &mut frame).unwrap();
    assert_eq!(
        cipher().open(&mut frame).unwrap(),
        (TYPE_APPLICATION_DATA, 1)
    );
    let mut frame = vec![0; 40 + OVERHEAD_BYTES];
    cipher().seal(0, &mut frame).unwrap();
    assert!(cipher().open(&mut frame).is_err());
}

#[test]
fn lengths_are_bounded() {
    assert!(matches!(record_len(&[23, 3, 3, 0]), Ok(None)));
    assert!(matches!(record_len(&[23, 3, 3, 0, 17]), Ok(Some(22))));
    assert!(record_len(&[23, 3, 3, 0, 0]).is_err());
    assert!(record_len(&[23, 3, 3, 0x41, 0x01]).is_err());
    assert!(record_len(&[21, 3, 3, 0, 2]).is_err());
    let mut none = [0; OVERHEAD_BYTES - 1];
    assert!(
        cipher()
            .seal(TYPE_APPLICATION_DATA, &mut none[..HEADER_BYTES])
            .is_err()
    );
    let mut long = vec![0; MAX_CONTENT_BYTES + OVERHEAD_BYTES + 1];
    assert!(cipher().seal(TYPE_APPLICATION_DATA, &mut long).is_err());
}
