//! Looking at what was read.

use super::Document;

/// A value in a document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'d, 'a> {
    document: &'d Document<'a>,
    item: usize,
}

impl<'d, 'a> Node<'d, 'a> {
    pub(super) fn new(document: &'d Document<'a>, item: usize) -> Self {
        Self { document, item }
    }

    /// Its bytes as they stand in the document.
    pub(crate) fn raw(self) -> &'a [u8] {
        let item = self.document.items.get(self.item);
        let range = item.map(|item| item.start as usize..item.end as usize);
        range
            .and_then(|range| self.document.bytes.get(range))
            .unwrap_or_default()
    }

    /// The bytes of a text.
    pub(crate) fn text(self) -> Option<&'a [u8]> {
        let raw = self.raw();
        raw.first().filter(|byte| byte.is_ascii_digit())?;
        let colon = raw.iter().position(|byte| *byte == b':')?;
        raw.get(colon + 1..)
    }

    /// The text, if it is UTF-8.
    pub(crate) fn utf8(self) -> Option<&'a str> {
        std::str::from_utf8(self.text()?).ok()
    }

    /// A number, if it fits.
    pub(crate) fn number(self) -> Option<i64> {
        let digits = self.raw().strip_prefix(b"i")?.strip_suffix(b"e")?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// A number that is not negative, if it fits.
    pub(crate) fn size(self) -> Option<u64> {
        u64::try_from(self.number()?).ok()
    }

    fn is(self, mark: u8) -> bool {
        self.raw().first() == Some(&mark)
    }

    pub(crate) fn is_dict(self) -> bool {
        self.is(b'd')
    }

    /// The values directly within a container, keys of a dictionary included.
    fn children(self) -> impl Iterator<Item = Node<'d, 'a>> {
        let items = &self.document.items;
        let end = items.get(self.item).map_or(0, |item| item.next as usize);
        let mut at = self.item + 1;
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let node = Node::new(self.document, at);
            at = items.get(at)?.next as usize;
            Some(node)
        })
    }

    /// The values of a list.
    pub(crate) fn list(self) -> Option<impl Iterator<Item = Node<'d, 'a>>> {
        self.is(b'l').then(|| self.children())
    }

    /// The keys and values of a dictionary, in the order in which they stand.
    pub(crate) fn dict(self) -> Option<impl Iterator<Item = (&'a [u8], Node<'d, 'a>)>> {
        if !self.is_dict() {
            return None;
        }
        let mut children = self.children();
        Some(std::iter::from_fn(move || {
            let key = children.next()?.text()?;
            Some((key, children.next()?))
        }))
    }

    /// The value of a key: the first, as for others, where it stands twice.
    pub(crate) fn get(self, key: &str) -> Option<Node<'d, 'a>> {
        let mut entries = self.dict()?;
        let found = entries.find(|(found, _)| *found == key.as_bytes());
        found.map(|(_, value)| value)
    }

    /// Whether this is the one way to write the value: keys in order and once, no number or length
    /// with zeros in front.
    pub(crate) fn is_canonical(self) -> bool {
        let items = &self.document.items;
        let end = items.get(self.item).map_or(0, |item| item.next as usize);
        (self.item..end).all(|item| Node::new(self.document, item).is_canonical_alone())
    }

    fn is_canonical_alone(self) -> bool {
        let raw = self.raw();
        match raw.first() {
            Some(b'i') => {
                let digits = raw.get(1..).unwrap_or_default();
                let digits = digits.strip_prefix(b"-").unwrap_or(digits);
                let is_negative = digits.len() + 1 < raw.len();
                match digits {
                    [b'0', rest @ ..] => rest == b"e" && !is_negative,
                    _ => true,
                }
            }
            Some(b'd') => {
                let keys = self.dict().into_iter().flatten().map(|(key, _)| key);
                keys.is_sorted_by(|a, b| a < b)
            }
            Some(b'l') | None => true,
            Some(_) => !raw.starts_with(b"0") || raw.starts_with(b"0:"),
        }
    }
}
