//! uTP (BEP 29): connections over UDP.

mod datagrams;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use librqbit_utp::{SocketOpts, UtpSocket, UtpSocketUdp};
use potluck_bittorrent::InfoHashV1;
use tokio::runtime;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::stream::{
    Carrier, ConnectError, Dial, Encryption, PeerStream, Times, Transport, connect_with,
};
use datagrams::Datagrams;

/// Bytes that a connection holds for its reader at most, and of what is on its way.
const BUFFER: Option<NonZeroUsize> = NonZeroUsize::new(512 * 1024);
/// Connections of others that wait until somebody takes them. About 32 more wait before they are connections.
const MAX_WAITING: usize = 8;
/// How long to wait for an answer before asking again. A datagram may be lost, and the library asks
/// once only.
const TRIES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(60),
];

/// The library's own clock and random numbers, to which it gives no name that can be used.
trait Parts {
    type Environment;
}

impl<T, E> Parts for UtpSocket<T, E> {
    type Environment = E;
}

type Environment = <UtpSocketUdp as Parts>::Environment;
type Socket = UtpSocket<Datagrams, Environment>;

/// A UDP socket that makes and takes connections over uTP, on a thread of its own. Dropping it ends them all.
pub struct UtpEndpoint {
    socket: Arc<Socket>,
    address: SocketAddr,
    accepted: Mutex<mpsc::Receiver<Carrier>>,
    _guard: DropGuard,
}

impl UtpEndpoint {
    /// Opens a socket at an address, with port 0 at any free one, for so many connections at most. At the
    /// unspecified address of IPv6 it is for IPv4 too.
    ///
    /// # Errors
    ///
    /// When the address is taken or not of this machine.
    pub async fn bind(address: SocketAddr, connections: NonZeroUsize) -> io::Result<Self> {
        let socket = datagrams::open(address)?;
        let address = socket.local_addr()?;
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
        let (accepted, incoming) = mpsc::channel(MAX_WAITING);
        let (told, started) = oneshot::channel();
        // One thread for all connections: the order in which tasks have their turns is what keeps their
        // queues short (see `datagrams`), and threads would mix it up.
        thread::Builder::new()
            .name("utp".to_owned())
            .spawn(move || run(socket, options, told, &accepted))?;
        let socket = started
            .await
            .map_err(|_| io::Error::other("the thread of uTP ended"))??;
        Ok(Self {
            socket,
            address,
            accepted: Mutex::new(incoming),
            _guard: cancel.drop_guard(),
        })
    }

    /// The address of the socket.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection that a peer makes, for [`crate::stream::accept_on`].
    ///
    /// # Errors
    ///
    /// When the socket is of no more use.
    pub async fn accept(&self) -> io::Result<Carrier> {
        let next = self.accepted.lock().await.recv().await;
        next.ok_or_else(|| io::ErrorKind::NotConnected.into())
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

/// What the thread does, until the options' token is cancelled.
fn run(
    socket: UdpSocket,
    options: SocketOpts,
    told: oneshot::Sender<io::Result<Arc<Socket>>>,
    accepted: &mpsc::Sender<Carrier>,
) {
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = told.send(Err(error));
            return;
        }
    };
    let cancel = options.cancellation_token.clone();
    runtime.block_on(async {
        let started = Datagrams::new(socket).and_then(|datagrams| {
            Socket::new_with_opts(datagrams, Environment::default(), options)
                .map_err(io::Error::other)
        });
        let socket = match started {
            Ok(socket) => socket,
            Err(error) => {
                let _ = told.send(Err(error));
                return;
            }
        };
        if told.send(Ok(Arc::clone(&socket))).is_ok() {
            let accepting = accept(&socket, accepted);
            cancel.run_until_cancelled(accepting).await;
        }
    });
}

/// Takes connections while there is a place for them. It ends with the library's task.
async fn accept(socket: &Arc<Socket>, accepted: &mpsc::Sender<Carrier>) {
    while let Ok(place) = accepted.reserve().await {
        match socket.accept().await {
            Ok(stream) => {
                let address = stream.remote_addr();
                place.send(Carrier::other(stream, address, Transport::Utp));
            }
            Err(error) => {
                tracing::debug!(%error, "no more connections over uTP");
                return;
            }
        }
    }
}
