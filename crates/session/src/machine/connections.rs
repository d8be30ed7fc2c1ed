//! The connections that a session holds.

use std::time::Instant;

use super::connection::Connection;
use crate::ConnectionId;

/// Most connections at a time: one that dies, one that takes over from it, and one that a prelude has
/// left and that has not ended yet.
const CONNECTIONS_MAX: usize = 3;

/// A session's connections, oldest first.
#[derive(Debug, Default)]
pub(super) struct Connections {
    held: [Option<Box<Connection>>; CONNECTIONS_MAX],
    /// How many have been dialled.
    dialled: u32,
}

impl Connections {
    /// The name of the connection that is dialled next.
    pub(super) fn next_id(&mut self) -> ConnectionId {
        self.dialled += 1;
        ConnectionId::new(self.dialled)
    }

    /// Holds a connection as well. The session lets go of one before it dials a third.
    pub(super) fn insert(&mut self, connection: Connection) {
        let free = self.held.iter_mut().find(|it| it.is_none());
        *free.expect("there is room for the connection that was asked for") =
            Some(Box::new(connection));
    }

    /// Takes a connection out.
    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Box<Connection>> {
        self.held.iter_mut().find_map(|held| held.take_if(|it| it.id == id))
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.iter().find(|it| it.id == id)
    }

    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.iter_mut().find(|it| it.id == id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.held.iter().flatten().map(|it| &**it)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.held.iter_mut().flatten().map(|it| &mut **it)
    }

    /// The names of those that are held now.
    pub(super) fn ids(&self) -> [Option<ConnectionId>; CONNECTIONS_MAX] {
        self.held.each_ref().map(|held| held.as_ref().map(|it| it.id))
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.iter().filter_map(Connection::next_deadline).min()
    }
}
