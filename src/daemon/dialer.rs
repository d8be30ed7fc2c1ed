//! How to dial the configured Deepgram.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderValue;
use tokio::sync::Semaphore;
use url::Url;

use crate::config::key::KeyStore;
use crate::config::{Auth, Config, Proxy};
use crate::upstream::dial::{Attempt, Dial, Dialed, Dialer};
use crate::upstream::tls::{self, TlsError};
use crate::upstream::tunnel;
use session::dial::DialFailure;

/// How long the kernel may leave sent bytes unacknowledged beyond our own timeouts, which name the
/// cause better and so must fire first.
const USER_TIMEOUT_SLACK: Duration = Duration::from_secs(5);

/// The dialer of a URL of the configuration, with the key that is current at each dial.
///
/// # Errors
/// If there are no usable root certificates.
pub(crate) fn of(
    config: &Config,
    url: &Url,
    keys: Arc<KeyStore>,
    proxy: Option<Proxy>,
    lookups: Arc<Semaphore>,
) -> Result<Dialer<impl Fn() -> Option<HeaderValue> + Send + Sync + 'static + use<>>, TlsError> {
    let is_tls = url.scheme() == "wss";
    let tls = is_tls.then(|| tls::connector(config.upstream.ca_file.as_deref())).transpose()?;
    let host = url.host_str().expect("the configuration accepts no URL without a host");
    let auth = config.upstream.auth;
    Ok(Dialer {
        host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port: url.port().unwrap_or(if is_tls { 443 } else { 80 }),
        proxy: proxy.map(tunnel),
        tls,
        connect_timeout: config.upstream.connect_timeout,
        user_timeout: config.liveness.ping_interval
            + config.liveness.ping_timeout.max(config.upstream.write_timeout)
            + USER_TIMEOUT_SLACK,
        worked: Mutex::default(),
        lookups,
        authorization: move || authorization(auth, &keys),
    })
}

/// Two dialers: Deepgram's Voice Agent has a host of its own.
#[derive(Debug)]
pub(crate) struct ByEndpoint<D> {
    pub(crate) agent: Arc<D>,
    pub(crate) others: Arc<D>,
}

impl<D: Dial> Dial for ByEndpoint<D> {
    type Stream = D::Stream;

    async fn dial(self: Arc<Self>, attempt: Attempt) -> Result<Dialed<Self::Stream>, DialFailure> {
        let has_own_host = attempt.endpoint.traits().has_own_host;
        let dialer = if has_own_host { &self.agent } else { &self.others };
        dialer.clone().dial(attempt).await
    }
}

fn tunnel(proxy: Proxy) -> tunnel::Proxy {
    let host = proxy.uri.host().expect("the configuration accepts no proxy without a host");
    tunnel::Proxy {
        host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port: proxy.uri.port_u16().unwrap_or(80),
        variable: proxy.variable,
        authorization: proxy.authorization,
    }
}

/// The current header; marked sensitive, so that no Debug output shows it.
fn authorization(auth: Auth, keys: &KeyStore) -> Option<HeaderValue> {
    let scheme = match auth {
        Auth::Token => "Token",
        Auth::Bearer => "Bearer",
        Auth::None => return None,
    };
    let text = format!("{scheme} {}", keys.current()?.expose());
    let mut value = HeaderValue::from_str(&text).expect("a key is printable ASCII");
    value.set_sensitive(true);
    Some(value)
}
