//! The handshake of a lane, on a fresh TCP connection.

use std::{io, sync::Arc, time::Duration};

use libp2p::PeerId;
use rustls::{
    ExtractedSecrets, SideData,
    client::UnbufferedClientConnection,
    pki_types::ServerName,
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError, UnbufferedConnectionCommon, UnbufferedStatus},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{
    identity::{self, Identity},
    reader::RecordReader,
    record::{self, HEADER_BYTES, KeySchedule, Opener, Sealer, Side},
    writer::RecordWriter,
};

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Records that a handshake may take from the other side. An honest one takes about six.
const MAX_RECORDS: usize = 32;

/// Bytes of handshake that may wait to be sent. Ours take less than 2 KiB.
const MAX_FLIGHT_BYTES: usize = 64 * 1024;

/// A lane whose two ends have proven who they are.
pub(crate) struct Secured {
    pub(crate) peer: PeerId,
    pub(crate) socket: Arc<TcpStream>,
    pub(crate) reader: RecordReader,
    pub(crate) writer: RecordWriter,
}

/// Begins a handshake; it fails when the other side is not this peer.
pub(crate) async fn begin(
    identity: &Identity,
    peer: PeerId,
    mut socket: TcpStream,
) -> io::Result<Secured> {
    let config = identity.client(peer).map_err(io::Error::other)?;
    // The name is not sent; the peer is known by its key.
    let name = ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into());
    let mut tls = UnbufferedClientConnection::new(config, name).map_err(io::Error::other)?;
    in_time(drive(&mut socket, &mut tls)).await?;
    let (secrets, keys) = tls
        .dangerous_into_kernel_connection()
        .map_err(io::Error::other)?;
    secured(socket, peer, secrets, Side::Client(keys))
}

/// Answers a handshake, and tells who began it.
pub(crate) async fn answer(identity: &Identity, mut socket: TcpStream) -> io::Result<Secured> {
    let mut tls = UnbufferedServerConnection::new(identity.server()).map_err(io::Error::other)?;
    in_time(drive(&mut socket, &mut tls)).await?;
    let peer = match tls.peer_certificates() {
        Some(chain) => identity::peer_of(chain).map_err(io::Error::other)?,
        None => return Err(io::Error::other("the peer showed no certificate")),
    };
    let (secrets, keys) = tls
        .dangerous_into_kernel_connection()
        .map_err(io::Error::other)?;
    secured(socket, peer, secrets, Side::Server(keys))
}

async fn in_time(handshake: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    timeout(HANDSHAKE_TIMEOUT, handshake)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn secured(
    socket: TcpStream,
    peer: PeerId,
    secrets: ExtractedSecrets,
    side: Side,
) -> io::Result<Secured> {
    let asks = matches!(side, Side::Client(_));
    let schedule = KeySchedule::new(side);
    let socket = Arc::new(socket);
    let unusable = || io::Error::other("no usable cipher was agreed on");
    let sealer = Sealer::new(secrets.tx, schedule.clone()).ok_or_else(unusable)?;
    let opener = Opener::new(secrets.rx, schedule).ok_or_else(unusable)?;
    Ok(Secured {
        peer,
        reader: RecordReader::new(Arc::clone(&socket), opener, asks),
        writer: RecordWriter::new(Arc::clone(&socket), sealer),
        socket,
    })
}

/// What the handshake needs next.
enum Step {
    Read,
    Write,
    Again,
    Done,
}

/// Carries a handshake through. Exactly its records are read, one at a time: what follows them is
/// left in the socket for the lane.
async fn drive<S>(socket: &mut TcpStream, tls: &mut UnbufferedConnectionCommon<S>) -> io::Result<()>
where
    S: SideData,
    UnbufferedConnectionCommon<S>: Process,
{
    let mut incoming = Vec::new();
    let mut outgoing = Vec::new();
    let mut records = 0;
    loop {
        let (used, step) = tls.step(&mut incoming, &mut outgoing)?;
        incoming.drain(..used);
        match step {
            Step::Again => {}
            Step::Write => {
                socket.write_all(&outgoing).await?;
                outgoing.clear();
            }
            Step::Read => {
                records += 1;
                if records > MAX_RECORDS {
                    return Err(io::Error::other("a TLS handshake without end"));
                }
                read_record(socket, &mut incoming).await?;
            }
            Step::Done => return socket.write_all(&outgoing).await,
        }
    }
}

async fn read_record(socket: &mut TcpStream, incoming: &mut Vec<u8>) -> io::Result<()> {
    let mut header = [0; HEADER_BYTES];
    socket.read_exact(&mut header).await?;
    let body = record::body_len(header)?;
    incoming.extend_from_slice(&header);
    let start = incoming.len();
    incoming.resize(start + body, 0);
    socket.read_exact(&mut incoming[start..]).await?;
    Ok(())
}

/// rustls has this for each side, but not for both at once.
trait Process {
    fn step(&mut self, incoming: &mut [u8], outgoing: &mut Vec<u8>) -> io::Result<(usize, Step)>;
}

macro_rules! process {
    ($side:ty) => {
        impl Process for UnbufferedConnectionCommon<$side> {
            fn step(
                &mut self,
                incoming: &mut [u8],
                outgoing: &mut Vec<u8>,
            ) -> io::Result<(usize, Step)> {
                let UnbufferedStatus { discard, state, .. } = self.process_tls_records(incoming);
                Ok((discard, next(state.map_err(io::Error::other)?, outgoing)?))
            }
        }
    };
}

process!(rustls::client::ClientConnectionData);
process!(rustls::server::ServerConnectionData);

fn next<S>(state: ConnectionState<'_, '_, S>, outgoing: &mut Vec<u8>) -> io::Result<Step> {
    match state {
        ConnectionState::EncodeTlsData(mut flight) => {
            let start = outgoing.len();
            let mut room = 0;
            loop {
                outgoing.resize(start + room, 0);
                match flight.encode(&mut outgoing[start..]) {
                    Ok(written) => {
                        outgoing.truncate(start + written);
                        return Ok(Step::Again);
                    }
                    Err(EncodeError::InsufficientSize(needed))
                        if needed.required_size <= MAX_FLIGHT_BYTES
                            && needed.required_size > room =>
                    {
                        room = needed.required_size;
                    }
                    Err(error) => return Err(io::Error::other(error)),
                }
            }
        }
        ConnectionState::TransmitTlsData(sent) => {
            sent.done();
            Ok(Step::Write)
        }
        ConnectionState::BlockedHandshake => Ok(Step::Read),
        ConnectionState::WriteTraffic(_) => Ok(Step::Done),
        ConnectionState::PeerClosed | ConnectionState::Closed => {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
        _ => Err(io::Error::other("data in the midst of a TLS handshake")),
    }
}
