//! A system without unix sockets: there is never one.

use std::io;
use std::path::Path;

use tokio::net::TcpStream;

use super::super::auth::Source;
use super::super::connection::{Connections, Peer};
use super::{ListenError, Listener};

#[derive(Debug)]
pub(super) enum Socket {}

impl Socket {
    pub(super) fn bind(path: &Path) -> Result<Self, ListenError> {
        Err(ListenError {
            place: path.display().to_string(),
            reason: io::ErrorKind::Unsupported.into(),
            remedy: "; `http.socket` needs a system with unix sockets: take `http.listen`",
        })
    }

    pub(super) fn path(&self) -> &Path {
        match *self {}
    }
}

impl Listener for Socket {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<(TcpStream, Source)> {
        match *self {}
    }

    async fn serve(connections: &Connections, stream: TcpStream, peer: Peer) {
        connections.serve(stream, peer).await;
    }
}
