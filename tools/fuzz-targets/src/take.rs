//! Reading numbers off the front of an input, for targets that need more than bytes.

/// The input that is left. Reading past its end gives zeros, so that every input means something.
pub(crate) struct Take<'a>(pub(crate) &'a [u8]);

impl<'a> Take<'a> {
    pub(crate) fn u8(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let count = N.min(self.0.len());
        let (head, tail) = self.0.split_at(count);
        array[..count].copy_from_slice(head);
        self.0 = tail;
        array
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
