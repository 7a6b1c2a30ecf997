//! Bencode (BEP 3), read without copying and without recursion.
//!
//! A document becomes a flat list of items, each with its place in the bytes and the number of the
//! item after it, so that what a stranger nests costs twelve bytes an item and no stack. Strictness
//! is asked for apart from that ([`Node::is_canonical`]): torrents of version 1 with unordered keys or
//! padded numbers exist and are taken by others, those of version 2 must be canonical.

mod node;
mod value;

pub(crate) use node::Node;
pub(crate) use value::Value;

/// Most bytes of a document: offsets have 32 bits.
const MAX_BYTES: usize = 1 << 30;

/// What a document may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Most containers within each other.
    pub(crate) depth: usize,
    /// Most items: texts, numbers, lists, dictionaries and keys.
    pub(crate) items: usize,
}

/// Why bytes are not bencode, or too much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BencodeError {
    /// The bytes end within a value.
    #[error("the data ends too early")]
    End,
    /// A byte that can't stand where it does.
    #[error("byte {at} of the data can't stand there")]
    Syntax {
        /// Its offset.
        at: usize,
    },
    /// Lists and dictionaries within each other too many times.
    #[error("the data is nested deeper than {limit} levels")]
    TooDeep {
        /// Most levels.
        limit: usize,
    },
    /// More items than allowed, or more bytes than offsets can name.
    #[error("the data has more than {limit} items")]
    TooMany {
        /// Most items.
        limit: usize,
    },
}

/// The place of an item.
#[derive(Clone, Copy, Debug)]
struct Item {
    /// Offset of its first byte.
    start: u32,
    /// Offset of the byte after it.
    end: u32,
    /// Number of the item after it and all within it.
    next: u32,
}

/// A value that was read, with its bytes.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    bytes: &'a [u8],
    items: Vec<Item>,
}

impl<'a> Document<'a> {
    /// Reads one value from the front. What follows it is left: [`Node::raw`] of the root says how
    /// long the value is.
    pub(crate) fn read(bytes: &'a [u8], limits: Limits) -> Result<Self, BencodeError> {
        if bytes.len() > MAX_BYTES {
            let limit = limits.items;
            return Err(BencodeError::TooMany { limit });
        }
        let mut reader = Reader {
            bytes,
            at: 0,
            limits,
            items: Vec::new(),
            open: Vec::new(),
        };
        loop {
            reader.step()?;
            if reader.open.is_empty() {
                break;
            }
        }
        let items = reader.items;
        Ok(Self { bytes, items })
    }

    /// The value.
    pub(crate) fn root(&self) -> Node<'_, 'a> {
        Node::new(self, 0)
    }
}

/// A container whose end was not seen yet.
struct Open {
    /// Its number.
    item: usize,
    is_dict: bool,
    /// A key was read and its value was not.
    has_key: bool,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    limits: Limits,
    items: Vec<Item>,
    open: Vec<Open>,
}

impl Reader<'_> {
    /// Reads a text or a number, or goes into or out of a container.
    fn step(&mut self) -> Result<(), BencodeError> {
        let start = self.at;
        let byte = self.take()?;
        let mut is_key = false;
        if let Some(open) = self.open.last_mut() {
            if byte == b'e' {
                return self.close(start);
            }
            if open.is_dict {
                is_key = !open.has_key;
                open.has_key = is_key;
            }
        }
        if is_key && !byte.is_ascii_digit() {
            return Err(BencodeError::Syntax { at: start });
        }
        match byte {
            b'l' | b'd' => self.enter(start, byte == b'd'),
            b'i' => {
                self.number()?;
                self.push(start)
            }
            b'0'..=b'9' => {
                self.text(byte)?;
                self.push(start)
            }
            _ => Err(BencodeError::Syntax { at: start }),
        }
    }

    fn take(&mut self) -> Result<u8, BencodeError> {
        let byte = *self.bytes.get(self.at).ok_or(BencodeError::End)?;
        self.at += 1;
        Ok(byte)
    }

    fn push(&mut self, start: usize) -> Result<(), BencodeError> {
        let limit = self.limits.items;
        if self.items.len() >= limit {
            return Err(BencodeError::TooMany { limit });
        }
        let next = self.items.len() + 1;
        self.items.push(Item {
            start: short(start),
            end: short(self.at),
            next: short(next),
        });
        Ok(())
    }

    fn enter(&mut self, start: usize, is_dict: bool) -> Result<(), BencodeError> {
        let limit = self.limits.depth;
        if self.open.len() >= limit {
            return Err(BencodeError::TooDeep { limit });
        }
        self.open.push(Open {
            item: self.items.len(),
            is_dict,
            has_key: false,
        });
        self.push(start)
    }

    fn close(&mut self, at: usize) -> Result<(), BencodeError> {
        let open = self.open.pop().filter(|open| !open.has_key);
        let open = open.ok_or(BencodeError::Syntax { at })?;
        let next = short(self.items.len());
        if let Some(item) = self.items.get_mut(open.item) {
            item.end = short(self.at);
            item.next = next;
        }
        Ok(())
    }

    /// Passes a number whose first byte was taken. How large it may be is for the field to say.
    fn number(&mut self) -> Result<(), BencodeError> {
        let mut digits = 0_usize;
        loop {
            let at = self.at;
            match self.take()? {
                b'-' if digits == 0 && self.bytes.get(at.wrapping_sub(1)) == Some(&b'i') => {}
                b'0'..=b'9' => digits += 1,
                b'e' if digits > 0 => return Ok(()),
                _ => return Err(BencodeError::Syntax { at }),
            }
        }
    }

    /// Passes a text, of whose length one digit was taken.
    fn text(&mut self, first: u8) -> Result<(), BencodeError> {
        let mut length = usize::from(first - b'0');
        loop {
            let at = self.at;
            match self.take()? {
                b':' => break,
                digit @ b'0'..=b'9' => {
                    let longer = length.checked_mul(10);
                    let longer = longer.and_then(|n| n.checked_add(usize::from(digit - b'0')));
                    length = longer.ok_or(BencodeError::End)?;
                }
                _ => return Err(BencodeError::Syntax { at }),
            }
        }
        let end = self.at.checked_add(length);
        self.at = end
            .filter(|end| *end <= self.bytes.len())
            .ok_or(BencodeError::End)?;
        Ok(())
    }
}

/// Offsets stay below [`MAX_BYTES`], and there are no more items than bytes.
fn short(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
