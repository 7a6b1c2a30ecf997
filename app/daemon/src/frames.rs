//! Length-prefixed frames on an async byte pipe: u32 big-endian length, then that many bytes.

use potluck_transfer::wire::{PREFIX_BYTES, WireError, frame_len};
use std::io;
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Reads one frame of at most `max` bytes. `Ok(None)` is a clean end between frames.
pub(crate) async fn read_frame<R>(reader: &mut R, max: usize) -> io::Result<Option<Vec<u8>>>
where
    R: AsyncRead + Unpin,
{
    let mut prefix = [0u8; PREFIX_BYTES];
    let mut filled = 0;
    while filled < prefix.len() {
        let n = reader.read(&mut prefix[filled..]).await?;
        if n == 0 {
            return if filled == 0 {
                Ok(None)
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            };
        }
        filled += n;
    }
    let len = frame_len(prefix, max).map_err(malformed)?;
    let mut body = vec![0; len];
    reader.read_exact(&mut body).await?;
    Ok(Some(body))
}

/// What a peer sent is not a message.
pub(crate) fn malformed(error: WireError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// How a peer broke the protocol, if that is why reading ended; `None` when it may have been the
/// network.
pub(crate) fn breach(error: &io::Error) -> Option<String> {
    let wrong = error.get_ref()?.downcast_ref::<WireError>()?;
    Some(format!("broke the protocol: {wrong}"))
}

/// Writes one encoded frame, prefix included, and flushes it.
pub(crate) async fn write_frame<W>(writer: &mut W, frame: &[u8]) -> io::Result<()>
where
    W: AsyncWrite + Unpin,
{
    writer.write_all(frame).await?;
    writer.flush().await
}

/// A message that cannot be put in a frame is a mistake of this node, told like a broken pipe.
pub(crate) fn unsendable(error: &WireError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error.to_string())
}

/// What is said of a peer that does not let up.
pub(crate) const FLOOD: &str = "flooded this node with messages";
/// Messages that may come at once. The longest honest list of ranges takes 128.
const BURST: u32 = 1024;
/// Messages a second that may come on and on. An honest provider gathers its news for 50 ms.
const STEADY: u32 = 100;

/// What a message that names peers weighs: it is the longest of those that come often.
pub(crate) const WEIGHT_OF_PEERS: u32 = 8;

/// Bears with so many messages and no more.
pub(crate) struct Patience {
    left: u32,
    since: Instant,
}

impl Patience {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            left: BURST,
            since: now,
        }
    }

    /// Whether one more message is in order, that weighs as much as `weight` light ones.
    pub(crate) fn allows(&mut self, now: Instant, weight: u32) -> bool {
        let millis = now.saturating_duration_since(self.since).as_millis();
        let earned = millis * u128::from(STEADY) / 1000;
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(BURST);
            self.left = self.left.saturating_add(earned).min(BURST);
            self.since = now;
        }
        let allowed = self.left >= weight;
        self.left = self.left.saturating_sub(weight);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn frames_round_trip_and_end_cleanly() {
        let (mut a, mut b) = tokio::io::duplex(64);
        let writer = tokio::spawn(async move {
            write_frame(&mut a, b"\0\0\0\x07potluck").await.unwrap();
        });
        assert_eq!(read_frame(&mut b, 16).await.unwrap().unwrap(), b"potluck");
        writer.await.unwrap();
        assert!(read_frame(&mut b, 16).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn an_oversized_or_torn_frame_is_an_error() {
        let mut oversized: &[u8] = &[0, 1, 0, 0, 7];
        let error = read_frame(&mut oversized, 1024).await.unwrap_err();
        assert_eq!(
            breach(&error).unwrap(),
            "broke the protocol: frame of 65536 bytes, limit 1024"
        );
        let mut torn: &[u8] = &[0, 0, 0, 9, 1, 2];
        let error = read_frame(&mut torn, 1024).await.unwrap_err();
        assert_eq!(breach(&error), None);
        let mut half_prefix: &[u8] = &[0, 0];
        assert!(read_frame(&mut half_prefix, 1024).await.is_err());
    }

    #[test]
    fn a_burst_is_borne_and_a_flood_is_not() {
        let mut now = Instant::now();
        let mut patience = Patience::new(now);
        for _ in 0..BURST {
            assert!(patience.allows(now, 1));
        }
        assert!(!patience.allows(now, 1));
        for _ in 0..1000 {
            now += Duration::from_millis(50);
            assert!(patience.allows(now, 1));
        }
    }
}
