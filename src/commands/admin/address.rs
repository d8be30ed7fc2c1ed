//! The address of an admin server.

use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

const WANTED: &str = "write it as HOST:PORT, such as 127.0.0.1:9464";

/// `HOST:PORT`, in a form that can be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// As written.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Address {
    type Err = &'static str;

    /// Accepts the same as the daemon's `admin.listen`, and host names. A wildcard address becomes
    /// loopback.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(listened) = text.parse::<SocketAddr>() {
            let ip = match listened.ip() {
                IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
                other => other,
            };
            return Ok(Self(SocketAddr::new(ip, listened.port()).to_string()));
        }
        let (host, port) = text.rsplit_once(':').ok_or(WANTED)?;
        let is_host = |it: char| it.is_ascii_alphanumeric() || "-._".contains(it);
        let is_good = !host.is_empty() && host.chars().all(is_host) && port.parse::<u16>().is_ok();
        if is_good { Ok(Self(text.to_owned())) } else { Err(WANTED) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_listens_everywhere_is_asked_on_loopback() {
        for (listened, asked) in [
            ("0.0.0.0:9464", "127.0.0.1:9464"),
            ("[::]:9464", "[::1]:9464"),
            ("10.1.2.3:80", "10.1.2.3:80"),
            ("localhost:9464", "localhost:9464"),
        ] {
            assert_eq!(listened.parse::<Address>().unwrap().to_string(), asked);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "9464", "localhost", ":9464", "localhost:http", "a b:1", "h\r\n:1"] {
            assert_eq!(text.parse::<Address>(), Err(WANTED), "{text:?}");
        }
    }
}
