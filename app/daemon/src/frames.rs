//! Length-prefixed frames on an async byte pipe: u32 big-endian length, then that many bytes.

use potluck_transfer::wire::{PREFIX_BYTES, WireError, frame_len};
use std::io;
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
    let len = frame_len(prefix, max)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
    let mut body = vec![0; len];
    reader.read_exact(&mut body).await?;
    Ok(Some(body))
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

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(read_frame(&mut oversized, 1024).await.is_err());
        let mut torn: &[u8] = &[0, 0, 0, 9, 1, 2];
        assert!(read_frame(&mut torn, 1024).await.is_err());
        let mut half_prefix: &[u8] = &[0, 0];
        assert!(read_frame(&mut half_prefix, 1024).await.is_err());
    }
}
