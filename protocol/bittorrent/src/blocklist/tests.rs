use super::*;
use proptest::prelude::*;

fn read(text: &[u8]) -> (Blocklist, BlocklistLines) {
    let mut reader = BlocklistReader::default();
    reader.push(text).unwrap();
    reader.finish().unwrap()
}

fn ranges(list: &Blocklist) -> Vec<String> {
    let shown = list.iter().map(|(first, last)| format!("{first}-{last}"));
    shown.collect()
}

fn one(line: &str) -> Option<String> {
    let (list, lines) = match read_all(line.as_bytes()) {
        Err(BlocklistError::NoList) => return None,
        read => read.unwrap(),
    };
    assert_eq!(lines.bad, 0, "{line}");
    Some(ranges(&list).join(" "))
}

fn read_all(text: &[u8]) -> Result<(Blocklist, BlocklistLines), BlocklistError> {
    let mut reader = BlocklistReader::default();
    reader.push(text)?;
    reader.finish()
}

/// Lines as lists of each format have them.
const LINES: [(&str, Option<&str>); 31] = [
    // P2P
    ("Some Org:1.2.4.0-1.2.4.255", Some("1.2.4.0-1.2.4.255")),
    (
        "Fox: news - studio:10.0.0.1-10.0.0.9",
        Some("10.0.0.1-10.0.0.9"),
    ),
    (":9.9.9.9-9.9.9.9", Some("9.9.9.9-9.9.9.9")),
    ("name: 1.1.1.1 - 1.1.1.2 ", Some("1.1.1.1-1.1.1.2")),
    (
        "v6:2001:db8::1-2001:db8::ff",
        Some("2001:db8::1-2001:db8::ff"),
    ),
    ("x;y#z:1.1.1.1-1.1.1.2", Some("1.1.1.1-1.1.1.2")),
    // DAT
    (
        "001.009.096.105 - 001.009.096.110 , 000 , Some, Org",
        Some("1.9.96.105-1.9.96.110"),
    ),
    ("1.2.3.4-1.2.3.5,127,x", Some("1.2.3.4-1.2.3.5")),
    ("1.2.3.4 - 1.2.3.5 , 128 , let in", Some("")),
    ("1.2.3.4 - 1.2.3.5 , 100", Some("1.2.3.4-1.2.3.5")),
    // CIDR, ranges, addresses
    ("10.0.0.0/8", Some("10.0.0.0-10.255.255.255")),
    ("10.1.2.3/8", Some("10.0.0.0-10.255.255.255")),
    ("0.0.0.0/0", Some("0.0.0.0-255.255.255.255")),
    ("1.10.16.0/20 ; SBL256894", Some("1.10.16.0-1.10.31.255")),
    ("192.0.2.7", Some("192.0.2.7-192.0.2.7")),
    ("192.0.2.7/32 # one", Some("192.0.2.7-192.0.2.7")),
    (
        "2001:db8::/32",
        Some("2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
    ),
    ("::ffff:1.2.3.4", Some("1.2.3.4-1.2.3.4")),
    ("::ffff:1.2.3.0/120", Some("1.2.3.0-1.2.3.255")),
    ("::fffe:0:0/95", Some("::fffe:0:0-::ffff:255.255.255.255")),
    ("\u{feff}1.2.3.4", Some("1.2.3.4-1.2.3.4")),
    // nothing
    ("# a list", Some("")),
    ("// a list", Some("")),
    (" \t\r", Some("")),
    // no sense
    ("hello", None),
    ("1.2.3.9-1.2.3.4", None),
    ("1.2.3.256", None),
    ("1.2.3", None),
    ("1.2.3.4/33", None),
    ("::1/129", None),
    ("name:1.2.3.4-::1", None),
];

#[test]
fn every_format_is_read_as_others_read_it() {
    for (line, expected) in LINES {
        assert_eq!(one(line).as_deref(), expected, "{line}");
    }
}

#[test]
fn ranges_that_overlap_or_touch_are_one() {
    let (list, _) = read(
        b"1.0.0.5-1.0.0.9\na:1.0.0.0-1.0.0.4\n1.0.0.8\n1.0.0.11\n255.255.255.255\n::1\n::2/127\n",
    );
    assert_eq!(
        ranges(&list),
        [
            "1.0.0.0-1.0.0.9",
            "1.0.0.11-1.0.0.11",
            "255.255.255.255-255.255.255.255",
            "::1-::3",
        ]
    );
    for (address, is_in) in [
        ("1.0.0.0", true),
        ("1.0.0.9", true),
        ("1.0.0.10", false),
        ("0.255.255.255", false),
        ("255.255.255.255", true),
        ("::ffff:1.0.0.3", true),
        ("::", false),
        ("::3", true),
        ("::4", false),
    ] {
        assert_eq!(list.contains(address.parse().unwrap()), is_in, "{address}");
    }
}

#[test]
fn bad_lines_are_counted_and_the_rest_holds() {
    let long = "x".repeat(MAX_BLOCKLIST_LINE + 1);
    let text = format!("# head\r\nrubbish\r\n1.2.3.4\r\n{long}\nü\n5.6.7.8 - 5.6.7.9 , 200 , x");
    let (list, lines) = read(text.as_bytes());
    assert_eq!(ranges(&list), ["1.2.3.4-1.2.3.4"]);
    let expected = BlocklistLines {
        bad: 3,
        first_bad: Some(2),
        allowed: 1,
    };
    assert_eq!(lines, expected);
}

#[test]
fn ranges_of_ipv6_hold_for_addresses_of_ipv4_within() {
    let (list, _) = read(b"::fffe:0:0/95\n");
    for address in ["1.2.3.4", "::ffff:1.2.3.4", "::fffe:1:1"] {
        assert!(list.contains(address.parse().unwrap()), "{address}");
    }
    assert!(!list.contains("::fffd:1:1".parse().unwrap()));
}

#[test]
fn names_may_be_in_any_encoding() {
    let (list, lines) = read(b"Universit\xe9 de X:1.2.3.4-1.2.3.5\n");
    assert_eq!((list.ranges(), lines.bad), (1, 0));
}

#[test]
fn what_is_no_list_is_refused() {
    assert_eq!(read_all(b"<html>\n"), Err(BlocklistError::NoList));
    assert_eq!(
        read_all(b"\x1f\x8b\x08\0\0\n"),
        Err(BlocklistError::Compressed)
    );
    assert_eq!(read_all(b"").unwrap().0, Blocklist::default());
    let mut reader = BlocklistReader::default();
    let chunk = vec![b'x'; 1 << 20];
    let taken = (0..65).try_for_each(|_| reader.push(&chunk));
    assert_eq!(taken, Err(BlocklistError::TooLong));
}

proptest! {
    /// The table against the plain way: looking at each range.
    #[test]
    fn the_table_is_the_ranges(
        given in proptest::collection::vec((any::<u8>(), any::<u8>()), 0..20), probe: u8, wide: bool,
    ) {
        let start = |last: u8| match wide {
            true => format!("2001:db8::{last:x}"),
            false => format!("10.0.0.{last}"),
        };
        let given: Vec<(u8, u8)> = given.into_iter().map(|(a, b)| (a.min(b), a.max(b))).collect();
        let lines = given.iter().map(|(first, last)| format!("{}-{}\n", start(*first), start(*last)));
        let (list, _) = read(lines.collect::<String>().as_bytes());
        let is_in = given.iter().any(|(first, last)| (*first..=*last).contains(&probe));
        prop_assert_eq!(list.contains(start(probe).parse().unwrap()), is_in);
        let all: Vec<_> = list.iter().collect();
        prop_assert!(all.windows(2).all(|pair| pair[0].1 < pair[1].0));
    }

    /// Where a list is cut makes no difference.
    #[test]
    fn cuts_change_nothing(at in proptest::collection::vec(0_usize..200, 0..6)) {
        let text = b"a:1.2.3.4-1.2.3.9\nrubbish\n10.0.0.0/8\r\n2001:db8::/32\n5.6.7.8 - 5.6.7.9 , 200 , x\n7.7.7.7";
        let mut cuts: Vec<usize> = at.into_iter().map(|at| at.min(text.len())).collect();
        cuts.sort_unstable();
        let mut reader = BlocklistReader::default();
        let mut from = 0;
        for cut in cuts {
            reader.push(&text[from..cut]).unwrap();
            from = cut;
        }
        reader.push(&text[from..]).unwrap();
        prop_assert_eq!(reader.finish().unwrap(), read(text));
    }
}
