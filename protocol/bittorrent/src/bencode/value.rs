//! Writing.

use std::collections::BTreeMap;

/// A value to be written, in the one way there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Number(i64),
    Text(Vec<u8>),
    List(Vec<Value>),
    Dict(BTreeMap<Vec<u8>, Value>),
    /// Bytes that are bencode already.
    Raw(Vec<u8>),
}

impl Value {
    /// A dictionary of those entries that have a value.
    pub(crate) fn dict<'k>(entries: impl IntoIterator<Item = (&'k str, Option<Value>)>) -> Self {
        let entries = entries.into_iter();
        let present = entries.filter_map(|(key, value)| Some((key.as_bytes().to_vec(), value?)));
        Self::Dict(present.collect())
    }

    pub(crate) fn text(text: impl AsRef<[u8]>) -> Self {
        Self::Text(text.as_ref().to_vec())
    }

    /// A size. None that is allowed anywhere is too large for it.
    pub(crate) fn size(size: u64) -> Self {
        Self::Number(i64::try_from(size).unwrap_or(i64::MAX))
    }

    pub(crate) fn texts_of(texts: &[String]) -> Self {
        Self::List(texts.iter().map(Self::text).collect())
    }

    /// The value in bencode.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// As deep as the value is nested, which is as deep as a path at most.
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(number) => out.extend_from_slice(format!("i{number}e").as_bytes()),
            Self::Text(text) => write_text(text, out),
            Self::List(values) => {
                out.push(b'l');
                values.iter().for_each(|value| value.write(out));
                out.push(b'e');
            }
            Self::Dict(entries) => {
                out.push(b'd');
                for (key, value) in entries {
                    write_text(key, out);
                    value.write(out);
                }
                out.push(b'e');
            }
            Self::Raw(bytes) => out.extend_from_slice(bytes),
        }
    }
}

fn write_text(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{}:", text.len()).as_bytes());
    out.extend_from_slice(text);
}
