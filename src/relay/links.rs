//! A session's links to Deepgram, by connection: those that are up, and those that are dialled.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::upstream::dial::{Attempt, Dial, Dialed, Lease};
use crate::upstream::link::Link;
use session::dial::DialFailure;
use session::{ConnectionId, Endpoint, Outgoing, UpstreamInput};

/// The links of one session.
pub(super) struct Links<D: Dial> {
    dialer: Arc<D>,
    endpoint: Endpoint,
    /// The session's encoded parameters.
    query: Arc<str>,
    /// One, or two while one connection takes over from the other.
    links: Vec<(ConnectionId, State<D::Stream>)>,
    /// Bytes on the wire of the connections that are over: sent, received.
    past_bytes: (u64, u64),
}

type Dialing<S> = Pin<Box<dyn Future<Output = Result<Dialed<S>, DialFailure>> + Send>>;

enum State<S> {
    Dialing(Dialing<S>),
    /// With its place among the connections that may be up.
    Up(Box<Link<S>>, Option<Lease>),
}

impl<D: Dial> Links<D> {
    pub(super) fn new(dialer: Arc<D>, endpoint: Endpoint, query: Arc<str>) -> Self {
        Self { dialer, endpoint, query, links: Vec::with_capacity(1), past_bytes: (0, 0) }
    }

    /// Begins an attempt; the one before it has failed.
    pub(super) fn dial(&mut self, id: ConnectionId, patience: Duration) {
        let (endpoint, query) = (self.endpoint, self.query.clone());
        let dial = self.dialer.clone().dial(Attempt { endpoint, query, patience });
        self.links.push((id, State::Dialing(Box::pin(dial))));
    }

    /// Hands a message in for writing.
    pub(super) fn send(&mut self, id: ConnectionId, outgoing: Outgoing) {
        let link = self.links.iter_mut().find(|(held, _)| *held == id);
        if let Some((_, State::Up(link, _))) = link {
            link.send(outgoing);
        }
    }

    /// Lets go of a connection, or of its dial.
    pub(super) fn hang_up(&mut self, id: ConnectionId) {
        let Some(place) = self.links.iter().position(|(held, _)| *held == id) else { return };
        if let (_, State::Up(link, _lease)) = self.links.swap_remove(place) {
            let (sent, received) = link.bytes();
            self.past_bytes = (self.past_bytes.0 + sent, self.past_bytes.1 + received);
            link.hang_up();
        }
    }

    /// Bytes on the wire, over all connections: sent, received.
    pub(super) fn bytes(&self) -> (u64, u64) {
        let up = self.links.iter().filter_map(|(_, state)| match state {
            State::Up(link, _) => Some(link.bytes()),
            State::Dialing(_) => None,
        });
        up.fold(self.past_bytes, |sum, bytes| (sum.0 + bytes.0, sum.1 + bytes.1))
    }

    /// What happens next on any of them. Reads only while `wants_messages`.
    pub(super) fn poll_input(
        &mut self,
        cx: &mut Context<'_>,
        wants_messages: bool,
    ) -> Poll<(ConnectionId, UpstreamInput)> {
        for place in 0..self.links.len() {
            let (id, state) = &mut self.links[place];
            let id = *id;
            let polled = match state {
                State::Up(link, _) => link.poll_input(cx, wants_messages),
                State::Dialing(dial) => match dial.as_mut().poll(cx) {
                    Poll::Ready(dialed) => Poll::Ready(self.dialed(place, dialed)),
                    Poll::Pending => Poll::Pending,
                },
            };
            if let Poll::Ready(input) = polled {
                return Poll::Ready((id, input));
            }
        }
        Poll::Pending
    }

    fn dialed(
        &mut self,
        place: usize,
        dialed: Result<Dialed<D::Stream>, DialFailure>,
    ) -> UpstreamInput {
        match dialed {
            Ok(Dialed { link, request_id, phases, lease }) => {
                self.links[place].1 = State::Up(Box::new(link), lease);
                UpstreamInput::Connected { request_id, phases }
            }
            Err(failure) => {
                self.links.swap_remove(place);
                UpstreamInput::DialFailed(failure)
            }
        }
    }
}
