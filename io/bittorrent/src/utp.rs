//! uTP (BEP 29): connections over UDP that give way to others.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use librqbit_utp::{SocketOpts, UtpSocket, UtpSocketUdp, UtpSocketUdpOpts};
use potluck_bittorrent::InfoHashV1;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::stream::{
    Carrier, ConnectError, Dial, Encryption, PeerStream, Times, Transport, connect_with,
};

/// Bytes that a connection holds for its reader at most, and of what is on its way.
const BUFFER: Option<NonZeroUsize> = NonZeroUsize::new(512 * 1024);
/// How long to wait for an answer before asking again. A datagram may be lost, and the library asks
/// once only.
const TRIES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(60),
];

/// A UDP socket that makes and takes connections over uTP. Dropping it ends them all.
pub struct UtpEndpoint {
    socket: Arc<UtpSocketUdp>,
    _guard: DropGuard,
}

impl UtpEndpoint {
    /// Opens a socket at an address, with port 0 at any free one, for so many connections at most.
    ///
    /// # Errors
    ///
    /// When the address is taken or not of this machine.
    pub async fn bind(address: SocketAddr, connections: NonZeroUsize) -> io::Result<Self> {
        let cancel = CancellationToken::new();
        let options = SocketOpts {
            vsock_rx_bufsize_bytes: BUFFER,
            vsock_tx_bufsize_bytes_max: BUFFER,
            // Requests and haves are short and must not wait for more.
            disable_nagle: true,
            cancellation_token: cancel.clone(),
            max_live_vsocks: Some(connections),
            ..SocketOpts::default()
        };
        let socket =
            UtpSocket::new_udp_with_opts(address, options, UtpSocketUdpOpts::default()).await;
        Ok(Self {
            socket: socket.map_err(io::Error::other)?,
            _guard: cancel.drop_guard(),
        })
    }

    /// The address of the socket.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.socket.bind_addr()
    }

    /// The next connection that a peer makes, for [`crate::stream::accept_on`].
    ///
    /// # Errors
    ///
    /// When the socket is of no more use.
    pub async fn accept(&self) -> io::Result<Carrier> {
        let stream = self.socket.accept().await.map_err(io::Error::other)?;
        let address = stream.remote_addr();
        Ok(Carrier::other(stream, address, Transport::Utp))
    }

    async fn dial(&self, address: SocketAddr) -> io::Result<Carrier> {
        for wait in TRIES {
            if let Ok(stream) = timeout(wait, self.socket.connect(address)).await {
                let stream = stream.map_err(io::Error::other)?;
                return Ok(Carrier::other(stream, address, Transport::Utp));
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Connects to a peer of a torrent, as [`crate::stream::connect`] does over TCP.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn connect(
        &self,
        address: SocketAddr,
        torrent: InfoHashV1,
        encryption: Encryption,
        times: Times,
    ) -> Result<PeerStream, ConnectError> {
        let dial: Dial<'_> = &|| Box::pin(self.dial(address));
        connect_with(dial, torrent, encryption, times).await
    }
}
