//! One connection's part of opening and accepting pipes.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use futures::AsyncReadExt as _;
use libp2p::{
    PeerId, Stream, StreamProtocol,
    core::{InboundUpgrade, OutboundUpgrade, UpgradeInfo},
    swarm::{
        ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol,
        handler::{
            ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
        },
    },
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::compat::{FuturesAsyncReadCompatExt as _, FuturesAsyncWriteCompatExt as _};

use super::OpenRequest;
use crate::{
    Channel, OpenError, Path, Pipe,
    counters::{Counters, Meter},
    handle::OPEN_TIMEOUT,
};

/// What a handler is made of.
pub(super) struct Settings {
    pub(super) peer: PeerId,
    pub(super) path: Path,
    pub(super) requests: mpsc::Receiver<OpenRequest>,
    pub(super) incoming: mpsc::Sender<Pipe>,
    pub(super) counters: Arc<Counters>,
    pub(super) total: Arc<Counters>,
    pub(super) max_pipes: u32,
}

/// Opens and accepts pipes on one connection.
pub(crate) struct RouteHandler {
    settings: Settings,
}

type Reply = oneshot::Sender<Result<Pipe, OpenError>>;

impl RouteHandler {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn pipe(&self, stream: Stream, channel: Channel) -> Pipe {
        let (reader, writer) = stream.split();
        let settings = &self.settings;
        let meter = Meter::new(Arc::clone(&settings.counters), Arc::clone(&settings.total));
        let (reader, writer) = (reader.compat(), writer.compat_write());
        Pipe::from_halves(settings.peer, channel, settings.path, reader, writer).metered(meter)
    }

    fn accept(&self, stream: Stream, channel: Channel) {
        let peer = &self.settings.peer;
        if self.settings.counters.pipes() >= self.settings.max_pipes {
            tracing::debug!(%peer, "too many pipes, incoming one dropped");
            return;
        }
        if self
            .settings
            .incoming
            .try_send(self.pipe(stream, channel))
            .is_err()
        {
            tracing::debug!(%peer, "nobody takes pipes, incoming one dropped");
        }
    }
}

impl ConnectionHandler for RouteHandler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Infallible;
    type InboundProtocol = ChannelUpgrade;
    type OutboundProtocol = ChannelUpgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = (Channel, Reply);

    fn listen_protocol(&self) -> SubstreamProtocol<ChannelUpgrade, ()> {
        SubstreamProtocol::new(
            ChannelUpgrade {
                channels: Channel::ALL.to_vec(),
            },
            (),
        )
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<ChannelUpgrade, (Channel, Reply), Infallible>> {
        while let Poll::Ready(Some(request)) = self.settings.requests.poll_recv(cx) {
            let OpenRequest { channel, reply } = request;
            if reply.is_closed() {
                continue;
            }
            let upgrade = ChannelUpgrade {
                channels: vec![channel],
            };
            let protocol = SubstreamProtocol::new(upgrade, (channel, reply));
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: protocol.with_timeout(OPEN_TIMEOUT),
            });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, ChannelUpgrade, ChannelUpgrade, (), (Channel, Reply)>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (stream, channel),
                ..
            }) => self.accept(stream, channel),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: (stream, channel),
                info: (_, reply),
            }) => {
                // The asker may have given up meanwhile; the stream is then simply dropped.
                let _ = reply.send(Ok(self.pipe(stream, channel)));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError {
                info: (channel, reply),
                error,
            }) => {
                let _ = reply.send(Err(open_error(channel, &error)));
            }
            _ => {}
        }
    }
}

fn open_error(channel: Channel, error: &StreamUpgradeError<Infallible>) -> OpenError {
    match error {
        StreamUpgradeError::Timeout => OpenError::Timeout {
            after: OPEN_TIMEOUT,
        },
        StreamUpgradeError::NegotiationFailed => OpenError::Unsupported(channel),
        StreamUpgradeError::Io(error) => OpenError::Io(error.to_string()),
        StreamUpgradeError::Apply(never) => match *never {},
    }
}

/// Agrees on one of the channels' protocols.
#[derive(Debug, Clone)]
pub(crate) struct ChannelUpgrade {
    channels: Vec<Channel>,
}

/// A protocol name that remembers its channel.
#[derive(Debug, Clone)]
pub(crate) struct ChannelName(Channel, StreamProtocol);

impl AsRef<str> for ChannelName {
    fn as_ref(&self) -> &str {
        self.1.as_ref()
    }
}

impl UpgradeInfo for ChannelUpgrade {
    type Info = ChannelName;
    type InfoIter = std::vec::IntoIter<ChannelName>;

    fn protocol_info(&self) -> Self::InfoIter {
        let name = |channel: &Channel| ChannelName(*channel, channel.stream_protocol());
        self.channels
            .iter()
            .map(name)
            .collect::<Vec<_>>()
            .into_iter()
    }
}

impl InboundUpgrade<Stream> for ChannelUpgrade {
    type Output = (Stream, Channel);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, stream: Stream, name: ChannelName) -> Self::Future {
        ready(Ok((stream, name.0)))
    }
}

impl OutboundUpgrade<Stream> for ChannelUpgrade {
    type Output = (Stream, Channel);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_outbound(self, stream: Stream, name: ChannelName) -> Self::Future {
        ready(Ok((stream, name.0)))
    }
}
