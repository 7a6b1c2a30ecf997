//! The UDP socket below uTP.
//!
//! The library keeps what it received for a connection in a queue without a limit until the connection's task
//! takes it out. The limit is made here, together with the thread that [`super`] runs all of it on: after a
//! few datagrams everybody else has a turn, and nothing that a connection does before it empties its
//! queue waits for the network.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr, UdpSocket as StdUdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use dontfrag::UdpSocketExt as _;
use librqbit_dualstack_sockets::PollSendToVectored;
use librqbit_utp::Transport;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::task::yield_now;
use tokio::time::sleep;

/// Bytes of a datagram, at most: what Ethernet carries. Larger ones are dropped; slots for those that came too
/// early are counted, not weighed.
pub(super) const MAX_DATAGRAM_BYTES: usize = 1500;
/// Datagrams that are taken before all connections have a turn. Fewer than a connection handles in one: tokio
/// ends a turn after 128 operations, and to take one datagram out and confirm it are two.
pub(super) const BURST: u32 = 32;
/// What the system may keep for us while others have their turn, in bytes.
const RECEIVE_BUFFER_BYTES: usize = 2 * 1024 * 1024;
/// Pause after the system could not receive.
const PAUSE: Duration = Duration::from_millis(100);
/// The type of messages that carry data (BEP 29), in the upper half of the first byte.
const ST_DATA: u8 = 0;

/// Opens a socket, for both versions of IP where the address is the unspecified one of IPv6.
pub(super) fn open(address: SocketAddr) -> io::Result<StdUdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    // Not all systems allow as much; then more is lost and sent again.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
    socket.bind(&address.into())?;
    let socket = StdUdpSocket::from(socket);
    // The library finds the largest datagram that gets through; cut in parts, all would. A socket of IPv6
    // has both settings on some systems only.
    let _ = socket.set_dontfrag_v4(true);
    if address.is_ipv6() {
        let _ = socket.set_dontfrag_v6(true);
    }
    Ok(socket)
}

/// See the module.
pub(super) struct Datagrams {
    socket: UdpSocket,
    local: SocketAddr,
    /// Datagrams since others had their turn.
    burst: AtomicU32,
    waiting: Arc<Waiting>,
}

/// Who waits until more can be sent. A socket of tokio knows one of them only.
#[derive(Default)]
struct Waiting(Mutex<Vec<Waker>>);

impl Waiting {
    fn add(&self, waker: &Waker) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.iter().any(|known| known.will_wake(waker)) {
            all.push(waker.clone());
        }
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = std::mem::take(&mut *all);
        for waker in all {
            waker.wake();
        }
    }
}

impl Datagrams {
    /// Puts a socket into the runtime that this is called in.
    pub(super) fn new(socket: StdUdpSocket) -> io::Result<Self> {
        let local = socket.local_addr()?;
        Ok(Self {
            socket: UdpSocket::from_std(socket)?,
            local,
            burst: AtomicU32::new(0),
            waiting: Arc::default(),
        })
    }

    /// The next datagram and its sender, when it is not too large.
    async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        loop {
            if self.burst.load(Ordering::Relaxed) >= BURST {
                yield_now().await;
                self.burst.store(0, Ordering::Relaxed);
            }
            let received = self.socket.recv_from(buffer).await;
            self.burst.fetch_add(1, Ordering::Relaxed);
            match received {
                Ok((bytes, from)) if bytes <= MAX_DATAGRAM_BYTES => {
                    let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                    return Ok((bytes, from));
                }
                Ok((bytes, from)) => tracing::trace!(%from, bytes, "a datagram is too large"),
                // The library would give up. But it may be about somebody who is gone, as on Windows.
                Err(error) => {
                    tracing::debug!(%error, "a datagram was not received");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// An address as this socket takes it.
    fn target(&self, address: SocketAddr) -> SocketAddr {
        match address.ip() {
            IpAddr::V4(ip) if self.local.is_ipv6() => {
                SocketAddr::new(ip.to_ipv6_mapped().into(), address.port())
            }
            _ => address,
        }
    }

    /// Sends a datagram without data at once; when the system can take none it is lost, as it might be
    /// anywhere on its way.
    fn send_now(&self, bytes: &[u8], target: SocketAddr) -> io::Result<usize> {
        let sent = SockRef::from(&self.socket).send_to(bytes, &self.target(target).into());
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(bytes.len()),
            sent => sent,
        }
    }
}

impl Transport for Datagrams {
    fn recv_from<'a>(
        &'a self,
        buffer: &'a mut [u8],
    ) -> impl Future<Output = io::Result<(usize, SocketAddr)>> + Send + Sync + 'a {
        self.receive(buffer)
    }

    /// For the first message of a connection, and for refusals.
    async fn send_to<'a>(&'a self, bytes: &'a [u8], target: SocketAddr) -> io::Result<usize> {
        self.send_now(bytes, target)
    }

    fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        match bytes.first() {
            Some(first) if first >> 4 == ST_DATA => {
                self.poll_send_to_vectored(cx, &[IoSlice::new(bytes)], target)
            }
            // A connection confirms what it takes out of its queue: it must not wait in between.
            _ => Poll::Ready(self.send_now(bytes, target)),
        }
    }

    fn bind_addr(&self) -> SocketAddr {
        self.local
    }
}

impl PollSendToVectored for Datagrams {
    fn poll_send_to_vectored(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        let target = self.target(target).into();
        let send = || SockRef::from(&self.socket).send_to_vectored(slices, &target);
        loop {
            match self.socket.try_io(Interest::WRITABLE, send) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
            self.waiting.add(cx.waker());
            let all = Waker::from(Arc::clone(&self.waiting));
            ready!(self.socket.poll_send_ready(&mut Context::from_waker(&all)))?;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tokio::time::timeout;

    const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    fn pair() -> (Datagrams, StdUdpSocket) {
        let ours = Datagrams::new(open(LOCAL).unwrap()).unwrap();
        let theirs = StdUdpSocket::bind(LOCAL).unwrap();
        theirs.connect(ours.bind_addr()).unwrap();
        (ours, theirs)
    }

    #[tokio::test]
    async fn others_have_a_turn_after_each_burst() {
        let (ours, theirs) = pair();
        for _ in 0..BURST * 3 {
            theirs.send(b"x").unwrap();
        }
        let turns = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&turns);
        let other = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
            }
        });
        let (mut buffer, mut most, mut since, mut seen) = ([0; 16], 0, 0, 0);
        for _ in 0..BURST * 3 {
            let receiving = ours.recv_from(&mut buffer);
            timeout(Duration::from_secs(10), receiving)
                .await
                .unwrap()
                .unwrap();
            let now = turns.load(Ordering::Relaxed);
            since = if now == seen { since + 1 } else { 1 };
            seen = now;
            most = most.max(since);
        }
        other.abort();
        assert!(most <= BURST, "{most} datagrams in a row");
    }

    #[tokio::test]
    async fn large_datagrams_are_dropped() {
        let (ours, theirs) = pair();
        theirs.send(&[1; MAX_DATAGRAM_BYTES + 1]).unwrap();
        theirs.send(&[2; MAX_DATAGRAM_BYTES]).unwrap();
        let mut buffer = [0; 16 * 1024];
        let receiving = ours.recv_from(&mut buffer);
        let received = timeout(Duration::from_secs(10), receiving).await.unwrap();
        let from = theirs.local_addr().unwrap();
        assert_eq!(received.unwrap(), (MAX_DATAGRAM_BYTES, from));
        assert_eq!(buffer[0], 2);
    }

    #[tokio::test]
    async fn both_versions_of_ip_on_one_socket() {
        let any = SocketAddr::from(([0_u16; 8], 0));
        let Ok(socket) = open(any) else {
            // A machine without IPv6 has nothing to show here.
            return;
        };
        let ours = Datagrams::new(socket).unwrap();
        let theirs = StdUdpSocket::bind(LOCAL).unwrap();
        let port = ours.bind_addr().port();
        theirs
            .send_to(b"hello", (Ipv4Addr::LOCALHOST, port))
            .unwrap();
        let mut buffer = [0; 16];
        let receiving = ours.recv_from(&mut buffer);
        let received = timeout(Duration::from_secs(10), receiving).await.unwrap();
        let (_, from) = received.unwrap();
        assert_eq!(from, theirs.local_addr().unwrap());
        ours.send_to(b"hi", from).await.unwrap();
        assert_eq!(theirs.recv(&mut buffer).unwrap(), 2);
    }
}
