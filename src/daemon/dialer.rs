//! How to dial the configured Deepgram.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderValue;
use tokio::sync::Semaphore;

use crate::config::key::KeyStore;
use crate::config::{Auth, Config, Proxy};
use crate::upstream::dial::Dialer;
use crate::upstream::tls::{self, TlsError};
use crate::upstream::tunnel;

/// How long the kernel may leave sent bytes unacknowledged beyond our own timeouts, which name the
/// cause better and so must fire first.
const USER_TIMEOUT_SLACK: Duration = Duration::from_secs(5);

/// The dialer for what the configuration says, with the key that is current at each dial.
///
/// # Errors
/// If there are no usable root certificates.
pub(crate) fn of(
    config: &Config,
    keys: Arc<KeyStore>,
    proxy: Option<Proxy>,
    lookups_max: usize,
) -> Result<Dialer<impl Fn() -> Option<HeaderValue> + Send + Sync + 'static>, TlsError> {
    let url = &config.upstream.url;
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
        lookups: Arc::new(Semaphore::new(lookups_max)),
        authorization: move || authorization(auth, &keys),
    })
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
