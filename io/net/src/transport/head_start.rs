//! A transport that lets another one go first.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use libp2p::{
    Multiaddr, Transport, TransportError,
    core::{
        Endpoint,
        transport::{Boxed, DialOpts, ListenerId, TransportEvent},
    },
};

/// Dials by the inner transport after a delay.
pub(crate) struct HeadStart<O> {
    inner: Boxed<O>,
    delay: Duration,
}

impl<O> HeadStart<O> {
    pub(crate) fn new(inner: Boxed<O>, delay: Duration) -> Self {
        Self { inner, delay }
    }
}

impl<O: Send + 'static> Transport for HeadStart<O> {
    type Output = O;
    type Error = io::Error;
    type ListenerUpgrade = <Boxed<O> as Transport>::ListenerUpgrade;
    type Dial = BoxFuture<'static, io::Result<O>>;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        let dial = self.inner.dial(address, options)?;
        // Punching a hole needs both sides to act at the same moment.
        if options.role == Endpoint::Listener {
            return Ok(Box::pin(dial));
        }
        let delay = self.delay;
        Ok(Box::pin(async move {
            tokio::time::sleep(delay).await;
            dial.await
        }))
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}
