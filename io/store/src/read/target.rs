//! Where a span is read to.

use std::io::IoSliceMut;

use super::Failure;
use crate::types::SpanBuf;

/// The place of a span's proof and bytes: buffers that grow, or places that the caller chose.
pub(crate) enum Target<'a, 'b> {
    Buffer(&'a mut SpanBuf),
    Places {
        proof: &'a mut Vec<u8>,
        data: &'a mut [IoSliceMut<'b>],
    },
}

impl<'b> Target<'_, 'b> {
    /// Makes the proof empty and gives its buffer. Nothing that was read before is left.
    pub(super) fn proof(&mut self) -> &mut Vec<u8> {
        let proof = match self {
            Self::Buffer(buffer) => {
                buffer.data_len = 0;
                &mut buffer.proof
            }
            Self::Places { proof, .. } => proof,
        };
        proof.clear();
        proof
    }

    /// Calls `run` with the proof and with places for exactly `length` bytes. When that fails, no bytes
    /// are there to be had.
    pub(super) fn fill(
        &mut self,
        length: usize,
        run: impl FnOnce(&[u8], &mut [IoSliceMut<'_>]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match self {
            Self::Buffer(buffer) => {
                let data = buffer.data.room(length);
                run(&buffer.proof, &mut [IoSliceMut::new(data)])?;
                buffer.data_len = length;
                Ok(())
            }
            Self::Places { proof, data } => {
                let data: &mut [IoSliceMut<'b>] = data;
                if data.iter().map(|place| place.len()).sum::<usize>() != length {
                    return Err(Failure::BadSpan);
                }
                run(proof, data)
            }
        }
    }
}
