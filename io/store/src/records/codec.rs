//! Fixed-width integers, and byte strings with their length in front.

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It was written by a newer version.
    #[error("record version {0} is unknown")]
    Version(u8),
    /// It ends early.
    #[error("the record is cut")]
    Cut,
    /// Bytes follow its end.
    #[error("the record has bytes after its end")]
    Trailing,
    /// A value is not one of those that are possible.
    #[error("{0} is out of bounds")]
    Bounds(&'static str),
}

/// Writes a record.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn new(version: u8) -> Self {
        Self {
            bytes: vec![version],
        }
    }

    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes.push(value);
        self
    }

    pub(crate) fn flag(&mut self, value: bool) -> &mut Self {
        self.u8(u8::from(value))
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn i64(&mut self, value: i64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Bytes with their length; nothing that comes here is longer than 4 GiB.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.count(bytes.len()).raw(bytes)
    }

    pub(crate) fn count(&mut self, count: usize) -> &mut Self {
        self.u32(u32::try_from(count).unwrap_or(u32::MAX))
    }

    pub(crate) fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

/// Reads a record.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts after the version byte, which must be `version`.
    pub(crate) fn new(bytes: &'a [u8], version: u8) -> Result<Self, RecordError> {
        let (found, rest) = bytes.split_first().ok_or(RecordError::Cut)?;
        if *found != version {
            return Err(RecordError::Version(*found));
        }
        Ok(Self { rest })
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (value, rest) = self.rest.split_first_chunk().ok_or(RecordError::Cut)?;
        self.rest = rest;
        Ok(*value)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, RecordError> {
        self.array::<1>().map(|[value]| value)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, RecordError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(RecordError::Bounds("a flag")),
        }
    }

    pub(crate) fn u32(&mut self) -> Result<u32, RecordError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, RecordError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, RecordError> {
        self.array().map(i64::from_le_bytes)
    }

    pub(crate) fn count(&mut self, what: &'static str, max: usize) -> Result<usize, RecordError> {
        let count = usize::try_from(self.u32()?).map_err(|_| RecordError::Bounds(what))?;
        if count > max {
            return Err(RecordError::Bounds(what));
        }
        Ok(count)
    }

    pub(crate) fn bytes(
        &mut self,
        what: &'static str,
        max: usize,
    ) -> Result<&'a [u8], RecordError> {
        let length = self.count(what, max)?;
        let (value, rest) = self.rest.split_at_checked(length).ok_or(RecordError::Cut)?;
        self.rest = rest;
        Ok(value)
    }

    pub(crate) fn text(&mut self, what: &'static str, max: usize) -> Result<String, RecordError> {
        let bytes = self.bytes(what, max)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| RecordError::Bounds(what))
    }

    pub(crate) fn end(self) -> Result<(), RecordError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(RecordError::Trailing)
        }
    }
}
