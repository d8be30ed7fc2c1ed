//! The steps of a dial one by one, for a diagnosis that reports each of them. They are the steps
//! that sessions take.

use std::io;
use std::net::SocketAddr;

use http::HeaderValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::super::meter::{Meter, Metered};
use super::super::upgrade::{Ask, Upgraded, upgrade};
use super::{DialFailure, Dialer, Transport};
use session::Endpoint;

impl<K> Dialer<K>
where
    K: Fn() -> Option<HeaderValue> + Send + Sync + 'static,
{
    /// The addresses of the host, in the order in which they are tried.
    pub async fn lookup(&self) -> Result<Vec<SocketAddr>, DialFailure> {
        self.resolve().await
    }

    /// A TCP connection to one address. Has no timeout of its own.
    pub async fn reach(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        self.tune(stream).map_err(|failure| io::Error::other(failure.detail))
    }

    /// Through the proxy to the host, if there is one. Has no timeout of its own.
    pub async fn pass(
        &self,
        stream: TcpStream,
    ) -> Result<(Metered<TcpStream>, Meter), DialFailure> {
        let (stream, meter) = Metered::new(stream);
        Ok((self.tunnel(stream).await?, meter))
    }

    /// The TLS handshake, unless the address is plain `ws://`. Has no timeout of its own.
    pub async fn encrypt(&self, stream: Metered<TcpStream>) -> Result<Transport, DialFailure> {
        self.secure(stream).await
    }

    /// The current `Authorization`; `None` if none is needed.
    pub fn credentials(&self) -> Option<HeaderValue> {
        (self.authorization)()
    }

    /// The upgrade over a connected stream. `query` is encoded, without `?`. Has no timeout of its
    /// own.
    pub async fn request<S>(
        &self,
        stream: S,
        endpoint: Endpoint,
        query: &str,
        authorization: Option<HeaderValue>,
    ) -> Result<Upgraded<S>, DialFailure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let authority = self.authority();
        let path_and_query = format!("{}?{query}", endpoint.path());
        let ask = Ask { authority: &authority, path_and_query: &path_and_query, authorization };
        upgrade(stream, ask).await
    }
}
