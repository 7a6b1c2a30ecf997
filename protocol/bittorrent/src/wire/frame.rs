//! Finding messages in what a connection has received.

use super::geometry::check_block;
use super::{
    Block, Geometry, MAX_FRAME_BYTES, Message, PIECE_HEAD_BYTES, PREFIX_BYTES, WireError, message,
};

/// Takes messages off the front of a receive buffer.
///
/// It keeps no bytes. Of all messages but one it waits for the whole frame; of a block it shows the
/// head as soon as that is there, and then the data as it comes, so that a caller can read the data
/// from the socket to where it belongs:
///
/// ```
/// # use potluck_bittorrent::wire::{Event, FrameReader};
/// let mut reader = FrameReader::new(None);
/// let received = b"\0\0\0\x01\x01\0\0\0\x0c\x07\0\0\0\x02\0\0\0\0da";
/// let (used, unchoke) = reader.next(received).unwrap();
/// let (more, piece) = reader.next(&received[used..]).unwrap();
/// let Event::Piece(block) = piece else { panic!() };
/// assert_eq!((block.piece, block.begin, block.length), (2, 0, 3));
/// // Two bytes of the block are here; the third may be read to its place.
/// let (used, _) = reader.next(&received[used + more..]).unwrap();
/// assert_eq!((used, reader.data_left()), (2, 1));
/// reader.skip_data(1);
/// assert_eq!(reader.data_left(), 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct FrameReader {
    known: Option<Geometry>,
    /// The block whose data comes now, and how much of it was passed.
    open: Option<(Block, u32)>,
}

/// What stands at the front of a receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Nothing whole. At least so many bytes must come before there is more to say, at most
    /// [`MAX_FRAME_BYTES`] and a prefix together with those that are there.
    Need(usize),
    /// A message, never a block.
    Message(Message<'a>),
    /// The head of a block; its data follows. Whether it was asked for is for the caller to say, and
    /// before anything is kept.
    Piece(Block),
    /// Data of the block that was shown last.
    Data {
        /// The block.
        block: Block,
        /// Bytes of the block ahead of these.
        offset: u32,
        /// As many as there were.
        data: &'a [u8],
    },
}

impl FrameReader {
    /// A reader for a connection about a torrent, which may not be known yet.
    #[must_use]
    pub fn new(known: Option<Geometry>) -> Self {
        Self { known, open: None }
    }

    /// Tells it the torrent, once that is known.
    pub fn set_geometry(&mut self, known: Geometry) {
        self.known = Some(known);
    }

    /// Bytes of a block that are still to come before the next message.
    #[must_use]
    pub fn data_left(&self) -> u32 {
        self.open.map_or(0, |(block, done)| block.length - done)
    }

    /// Says that so many bytes of the block were read elsewhere. More than are left count as those.
    pub fn skip_data(&mut self, bytes: u32) {
        let Some((block, done)) = self.open else {
            return;
        };
        let done = done.saturating_add(bytes).min(block.length);
        self.open = (done < block.length).then_some((block, done));
    }

    /// Looks at what stands at the front of the buffer: how many bytes of it are done with, and what
    /// they were.
    ///
    /// # Errors
    ///
    /// Refuses frames longer than their kind can be as soon as the kind is there, and all that
    /// [`Message::decode`] refuses.
    // Of a stream, not of an iterator.
    #[allow(clippy::should_implement_trait)]
    pub fn next<'a>(&mut self, buffer: &'a [u8]) -> Result<(usize, Event<'a>), WireError> {
        if let Some((block, offset)) = self.open {
            let left = (block.length - offset) as usize;
            let data = buffer.get(..left).unwrap_or(buffer);
            let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
            if data.is_empty() {
                return Ok((0, Event::Need(1)));
            }
            self.skip_data(bytes);
            return Ok((
                data.len(),
                Event::Data {
                    block,
                    offset,
                    data,
                },
            ));
        }
        let need = |total: usize| Ok((0, Event::Need(total.saturating_sub(buffer.len()))));
        let Some((prefix, rest)) = buffer.split_first_chunk::<PREFIX_BYTES>() else {
            return need(PREFIX_BYTES);
        };
        let bytes = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
        if bytes == 0 {
            return Ok((PREFIX_BYTES, Event::Message(Message::KeepAlive)));
        }
        let id = rest.first().copied();
        let limit = id.map_or(MAX_FRAME_BYTES, message::limit);
        if bytes > limit {
            return Err(WireError::TooLong { bytes, limit });
        }
        let Some(id) = id else {
            return need(PREFIX_BYTES + 1);
        };
        if message::is_piece(id) {
            return self.piece(bytes, buffer);
        }
        match rest.get(..bytes) {
            Some(frame) => {
                let message = Message::decode(frame, self.known.as_ref())?;
                Ok((PREFIX_BYTES + bytes, Event::Message(message)))
            }
            None => need(PREFIX_BYTES + bytes),
        }
    }

    /// Reads the head of a frame with a block.
    fn piece<'a>(
        &mut self,
        bytes: usize,
        buffer: &'a [u8],
    ) -> Result<(usize, Event<'a>), WireError> {
        let id = buffer.get(PREFIX_BYTES).copied().unwrap_or_default();
        let length = bytes.checked_sub(PIECE_HEAD_BYTES - PREFIX_BYTES);
        let length = length.and_then(|length| u32::try_from(length).ok());
        let length = length.ok_or(WireError::Length { id, bytes })?;
        let fields = buffer.get(PREFIX_BYTES + 1..PIECE_HEAD_BYTES);
        let Some([piece, begin]) = fields.and_then(super::numbers) else {
            return Ok((0, Event::Need(PIECE_HEAD_BYTES - buffer.len())));
        };
        let block = Block {
            piece,
            begin,
            length,
        };
        check_block(self.known.as_ref(), block)?;
        self.open = Some((block, 0));
        Ok((PIECE_HEAD_BYTES, Event::Piece(block)))
    }
}
