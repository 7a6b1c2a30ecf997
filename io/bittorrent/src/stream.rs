//! Connections to peers, as bytes both ways: over TCP or uTP, plain or encrypted.

mod accept;
mod carrier;
mod connect;
mod handshake;
mod mixer;

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use potluck_bittorrent::mse::{Agreed, Keystreams, Methods, Payload};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use accept::{AcceptError, accept, accept_on};
pub use carrier::{Carrier, Duplex};
pub use connect::{ConnectError, connect};
pub(crate) use connect::{Dial, connect_with};
pub use handshake::HandshakeError;

use mixer::Mixer;

/// When connections are encrypted.
///
/// Encryption hides from networks what is spoken; it proves nothing about the peer
/// ([`potluck_bittorrent::mse`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// Whenever the other side can. To connect, the encrypted handshake is tried first, then a plain
    /// connection; peers that prefer plain bytes behind that handshake get them.
    #[default]
    Prefer,
    /// Always.
    Require,
    /// Never.
    Off,
}

/// How a connection is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Over TCP.
    Tcp,
    /// Over uTP (BEP 29).
    Utp,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// To connect.
    pub connect: Duration,
    /// Until both sides agree on encryption, or the other one shows that it wants none.
    pub handshake: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
        }
    }
}

impl Encryption {
    /// How the payload behind an encrypted handshake may be sent; none when there may be no such
    /// handshake.
    fn methods(self) -> Option<Methods> {
        match self {
            Self::Prefer => Some(Methods::Both),
            Self::Require => Some(Methods::Rc4),
            Self::Off => None,
        }
    }
}

/// A connection to a peer. What goes over it is plain or encrypted, which its user does not see.
///
/// It keeps nothing back: what is written is as good as sent, with or without a flush.
#[derive(Debug)]
pub struct PeerStream {
    carrier: Carrier,
    cipher: Option<Cipher>,
    /// What was received before the stream was there, and how much of it has been read.
    early: Vec<u8>,
    read: usize,
}

#[derive(Debug)]
struct Cipher {
    keystreams: Box<Keystreams>,
    mixer: Mixer,
}

impl PeerStream {
    /// A plain connection that has received these bytes already.
    fn plain(carrier: Carrier, early: Vec<u8>) -> Self {
        Self {
            carrier,
            cipher: None,
            early,
            read: 0,
        }
    }

    fn agreed(carrier: Carrier, agreed: Agreed) -> Self {
        let mut stream = Self::plain(carrier, agreed.early);
        if let Payload::Rc4(keystreams) = agreed.payload {
            let mixer = Mixer::new();
            stream.cipher = Some(Cipher { keystreams, mixer });
        }
        stream
    }

    /// How it is carried.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.carrier.transport()
    }

    /// The other side's address; one of IPv4 is written as such.
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        self.carrier.address()
    }

    /// Whether what is sent and received is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.cipher.is_some()
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let early = &this.early[this.read..];
        if !early.is_empty() {
            let count = early.len().min(buffer.remaining());
            buffer.put_slice(&early[..count]);
            this.read += count;
            if this.read == this.early.len() {
                this.early = Vec::new();
                this.read = 0;
            }
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.carrier).poll_read(cx, buffer))?;
        if let Some(cipher) = &mut this.cipher {
            let received = &mut buffer.filled_mut()[before..];
            cipher.keystreams.receive.apply(received);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match &mut this.cipher {
            Some(_) => Pin::new(this).poll_write_vectored(cx, &[IoSlice::new(bytes)]),
            None => Pin::new(&mut this.carrier).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let carrier = Pin::new(&mut this.carrier);
        match &mut this.cipher {
            Some(Cipher { keystreams, mixer }) => {
                mixer.poll_send(slices, &mut keystreams.send, |bytes| {
                    carrier.poll_write(cx, bytes)
                })
            }
            None => carrier.poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.cipher.is_some() || self.carrier.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.carrier).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.carrier).poll_shutdown(cx)
    }
}
