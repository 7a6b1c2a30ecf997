//! Buffers that bytes are read into and handed out from, without another copy.

use bytes::Bytes;
use potluck_content::GROUP_BYTES;
use potluck_store::SpanBuf;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Buffers that are kept while nobody uses them; of the length of a reader's chunk each.
const MAX_FREE: usize = 16;

/// Buffers for the next readers. Each reader uses one at a time, so that there are never more than
/// readers and parts on their way to them.
#[derive(Default)]
pub(crate) struct Buffers {
    free: Arc<Mutex<Vec<SpanBuf>>>,
}

impl Buffers {
    /// A buffer, with anything in it.
    pub(super) fn take(&self) -> Buffer {
        let free = self
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        Buffer {
            span: free.unwrap_or_default(),
            home: Arc::clone(&self.free),
        }
    }
}

/// A buffer that goes back where it came from.
pub(super) struct Buffer {
    pub(super) span: SpanBuf,
    home: Arc<Mutex<Vec<SpanBuf>>>,
}

impl Buffer {
    /// The bytes of `range` of a file, of which `groups` were read into it; it goes back when nobody holds
    /// them any more. `None` when it has no such bytes.
    pub(super) fn within(self, range: &Range<u64>, groups: &Range<u64>) -> Option<Bytes> {
        let offset = |at: u64| usize::try_from(at.checked_sub(groups.start * GROUP_BYTES)?).ok();
        let range = offset(range.start)?..offset(range.end)?;
        self.span.data().get(range.clone())?;
        Some(Bytes::from_owner(self).slice(range))
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.span.data()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut free = self.home.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < MAX_FREE {
            free.push(std::mem::take(&mut self.span));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_nobody_holds_its_bytes() {
        let buffers = Buffers::default();
        let free = |buffers: &Buffers| buffers.free.lock().unwrap().len();
        let bytes = Bytes::from_owner(buffers.take());
        let other = bytes.clone();
        drop(bytes);
        assert_eq!(free(&buffers), 0);
        drop(other);
        assert_eq!(free(&buffers), 1);
        assert!(buffers.take().within(&(0..1), &(0..1)).is_none());
        let many: Vec<Buffer> = (0..40).map(|_| buffers.take()).collect();
        drop(many);
        assert_eq!(free(&buffers), MAX_FREE);
    }
}
