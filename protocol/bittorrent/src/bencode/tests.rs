use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    depth: 10,
    items: 100,
};

fn read(bytes: &[u8]) -> Result<Document<'_>, BencodeError> {
    Document::read(bytes, LIMITS)
}

#[test]
fn reads_what_the_specification_shows() {
    let document = read(b"d3:cow3:moo4:spaml1:a1:bi-3eee and more").unwrap();
    let root = document.root();
    assert_eq!(root.raw(), b"d3:cow3:moo4:spaml1:a1:bi-3eee");
    assert_eq!(root.get("cow").unwrap().utf8(), Some("moo"));
    let list: Vec<_> = root.get("spam").unwrap().list().unwrap().collect();
    assert_eq!(list[1].text(), Some(&b"b"[..]));
    assert_eq!((list[2].number(), list[2].size()), (Some(-3), None));
    assert!(root.get("spa").is_none() && list[0].get("a").is_none());
    assert!(list[0].number().is_none() && list[2].text().is_none() && list[0].list().is_none());
}

#[test]
fn refuses_what_is_broken() {
    for broken in [
        "",
        "i",
        "i1",
        "i1x",
        "ie",
        "i-e",
        "i--1e",
        "i1-e",
        "i+1e",
        "i 1e",
        "e",
        "x",
        "l",
        "li1e",
        "d",
        "d1:a",
        "d1:ae",
        "di1ei1ee",
        "dlei1ee",
        "1",
        "1:",
        "2:a",
        "-1:a",
        "1a:",
        "18446744073709551615:a",
        "99999999999999999999999999:a",
        "d1:ai1e1:be",
    ] {
        assert!(read(broken.as_bytes()).is_err(), "{broken}");
    }
}

#[test]
fn large_numbers_are_for_the_field_to_refuse() {
    for (text, number) in [
        ("i9223372036854775807e", Some(i64::MAX)),
        ("i-9223372036854775808e", Some(i64::MIN)),
        ("i9223372036854775808e", None),
        ("i99999999999999999999999999999999e", None),
        ("i007e", Some(7)),
    ] {
        assert_eq!(
            read(text.as_bytes()).unwrap().root().number(),
            number,
            "{text}"
        );
    }
}

#[test]
fn limits() {
    let nested = |depth: usize| ["l".repeat(depth), "e".repeat(depth)].concat();
    assert!(read(nested(10).as_bytes()).is_ok());
    assert_eq!(
        read(nested(11).as_bytes()).unwrap_err(),
        BencodeError::TooDeep { limit: 10 }
    );
    let endless = "l".repeat(10_000_000);
    assert!(matches!(
        read(endless.as_bytes()),
        Err(BencodeError::TooDeep { .. })
    ));
    let many = |items: usize| format!("l{}e", "0:".repeat(items - 1));
    assert!(read(many(100).as_bytes()).is_ok());
    assert_eq!(
        read(many(101).as_bytes()).unwrap_err(),
        BencodeError::TooMany { limit: 100 }
    );
}

#[test]
fn tells_canonical_from_readable() {
    for (text, canonical) in [
        ("d1:ai0e1:bi-1ee", true),
        ("d1:bi0e1:ai1ee", false),
        ("d1:ai0e1:ai1ee", false),
        ("i00e", false),
        ("i-0e", false),
        ("i-01e", false),
        ("i0e", true),
        ("i-10e", true),
        ("0:", true),
        ("00:", false),
        ("01:a", false),
        ("ll1:aed1:a01:aee", false),
        ("10:aaaaaaaaaa", true),
    ] {
        assert_eq!(
            read(text.as_bytes()).unwrap().root().is_canonical(),
            canonical,
            "{text}"
        );
    }
    // Of a document, only the part that is asked about.
    let document = read(b"d1:bi00e1:ai1ee").unwrap();
    assert!(document.root().get("a").unwrap().is_canonical());
    let document = read(b"d1:ai1e1:ai2ee").unwrap();
    assert_eq!(document.root().get("a").unwrap().number(), Some(1));
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::Number),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(Value::Text),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
            proptest::collection::btree_map(
                proptest::collection::vec(any::<u8>(), 0..4),
                inner,
                0..5
            )
            .prop_map(Value::Dict),
        ]
    })
}

fn value_of(node: Node<'_, '_>) -> Value {
    if let Some(number) = node.number() {
        Value::Number(number)
    } else if let Some(text) = node.text() {
        Value::text(text)
    } else if let Some(list) = node.list() {
        Value::List(list.map(value_of).collect())
    } else {
        let entries = node.dict().unwrap();
        Value::Dict(
            entries
                .map(|(key, value)| (key.to_vec(), value_of(value)))
                .collect(),
        )
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(value in values()) {
        let bytes = value.encode();
        let document = Document::read(&bytes, Limits { depth: 10, items: 1000 }).unwrap();
        prop_assert_eq!(document.root().raw(), &bytes[..]);
        prop_assert!(document.root().is_canonical());
        prop_assert_eq!(value_of(document.root()), value);
    }

    #[test]
    fn any_bytes_are_judged(bytes in "[ilde0-9:ab-]{0,40}") {
        if let Ok(document) = read(bytes.as_bytes()) {
            let root = document.root();
            if root.is_canonical() && !root.raw().windows(19).any(|w| w.iter().all(u8::is_ascii_digit)) {
                prop_assert_eq!(value_of(root).encode(), root.raw());
            }
        }
    }
}
