//! HTTP proxies, from the variables that everybody uses: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`,
//! `NO_PROXY`, in upper or lower case.
//!
//! The library's rules are curl's. Beyond them, the machine's own addresses are never proxied, and a
//! proxy that cannot be used is an error: the library would dial past it without a word.

use std::fmt;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

use super::error::{Error, Place, Problem};
use super::finding::{Finding, Origin};

/// Never proxied.
const OWN: &str = "localhost,127.0.0.0/8,::1";

/// A proxy that tunnels with CONNECT.
#[derive(Clone, PartialEq)]
pub struct Proxy {
    /// `http`, host and port.
    pub uri: Uri,
    /// The variable that names it.
    pub variable: String,
    /// `Proxy-Authorization`, from user and password in the variable; marked sensitive.
    pub authorization: Option<HeaderValue>,
}

/// Shows where it is, and no credentials.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("uri", &self.uri).finish_non_exhaustive()
    }
}

impl Proxy {
    /// The proxy for connections to `url`; `None` if there is none.
    ///
    /// # Errors
    /// If there is one that cannot be used; [`super::load`] reports it too.
    pub fn find(url: &Url, environment: &[(String, String)]) -> Result<Option<Self>, Error> {
        let mut findings = Vec::new();
        let found = read(url, environment, &mut findings);
        let problems: Vec<_> = findings.into_iter().filter_map(problem).collect();
        match problems.is_empty() {
            true => Ok(found),
            false => Err(Error { file: None, problems, omitted: 0 }),
        }
    }
}

fn problem(finding: Finding) -> Option<Problem> {
    let Finding { origin: Origin::Variable(name), key, message } = finding else { return None };
    Some(Problem { place: Place::Variable(name), key, message })
}

/// Reads the variables, and collects mistakes. A proxy that would not be used for `url` is not
/// checked: pods share their variables with applications.
pub(super) fn read(
    url: &Url,
    environment: &[(String, String)],
    findings: &mut Vec<Finding>,
) -> Option<Proxy> {
    let is_tls = matches!(url.scheme(), "https" | "wss");
    let own = if is_tls { "HTTPS_PROXY" } else { "HTTP_PROXY" };
    let (name, text) = variable(environment, own).or(variable(environment, "ALL_PROXY"))?;
    let except = variable(environment, "NO_PROXY").map_or("", |(_, text)| text);
    let matcher = |proxy: &str| Matcher::builder().all(proxy).no(format!("{OWN},{except}")).build();
    let target = format!("{}://{}", if is_tls { "https" } else { "http" }, url.host()?);
    let target: Uri = target.parse().ok()?;
    // Whether there is one at all does not depend on whether it can be used.
    matcher("http://any").intercept(&target)?;
    let intercept = matcher(text).intercept(&target);
    let usable = intercept.filter(|it| it.uri().scheme_str() == Some("http"));
    if usable.is_none() {
        let host = url.host_str().unwrap_or_default();
        let message = format!(
            "must be an HTTP proxy such as http://proxy:3128, reached without TLS; no other kind is \
             supported. Or add {host} to NO_PROXY"
        );
        let origin = Origin::Variable(name.to_owned());
        findings.push(Finding { origin, key: String::new(), message });
    }
    usable.map(|it| Proxy {
        uri: it.uri().clone(),
        variable: name.to_owned(),
        authorization: it.basic_auth().cloned(),
    })
}

/// A variable in upper or lower case; empty means not set.
fn variable<'a>(environment: &'a [(String, String)], name: &str) -> Option<(&'a str, &'a str)> {
    let lower = name.to_ascii_lowercase();
    let of = |wanted: &str| {
        let found = environment.iter().find(|(other, _)| other == wanted)?;
        Some((found.0.as_str(), found.1.trim())).filter(|(_, text)| !text.is_empty())
    };
    of(name).or_else(|| of(&lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(url: &str, variables: &[(&str, &str)]) -> Result<Option<Proxy>, String> {
        let environment: Vec<_> =
            variables.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
        Proxy::find(&url.parse().unwrap(), &environment).map_err(|error| error.to_string())
    }

    fn uri(url: &str, variables: &[(&str, &str)]) -> Option<String> {
        find(url, variables).unwrap().map(|proxy| proxy.uri.to_string())
    }

    const DEEPGRAM: &str = "wss://api.deepgram.com";

    #[test]
    fn the_schemes_own_variable_goes_before_the_one_for_all() {
        let proxy = Some("http://p:3128/".to_owned());
        assert_eq!(uri(DEEPGRAM, &[("HTTPS_PROXY", "http://p:3128")]), proxy);
        assert_eq!(uri(DEEPGRAM, &[("https_proxy", "p:3128")]), proxy);
        assert_eq!(uri(DEEPGRAM, &[("ALL_PROXY", "p:3128")]), proxy);
        let both = [("ALL_PROXY", "socks5://x:1"), ("HTTPS_PROXY", "p:3128")];
        assert_eq!(uri(DEEPGRAM, &both), proxy);
        assert_eq!(uri("http://collector:4318", &[("HTTP_PROXY", "p:3128")]), proxy);
        assert_eq!(uri(DEEPGRAM, &[("HTTP_PROXY", "p:3128")]), None);
        assert_eq!(uri(DEEPGRAM, &[("HTTPS_PROXY", " ")]), None);
        assert_eq!(uri(DEEPGRAM, &[]), None);
    }

    #[test]
    fn the_variable_that_names_it_is_known() {
        let found = |name| find(DEEPGRAM, &[(name, "p:3128")]).unwrap().unwrap().variable;
        assert_eq!(found("HTTPS_PROXY"), "HTTPS_PROXY");
        assert_eq!(found("all_proxy"), "all_proxy");
    }

    #[test]
    fn no_proxy_and_our_own_addresses_are_left_alone() {
        let proxy = ("ALL_PROXY", "p:3128");
        for except in ["api.deepgram.com", ".deepgram.com", "x, deepgram.com", "*"] {
            assert_eq!(uri(DEEPGRAM, &[proxy, ("NO_PROXY", except)]), None, "{except}");
            assert_eq!(uri(DEEPGRAM, &[proxy, ("no_proxy", except)]), None, "{except}");
        }
        assert!(uri(DEEPGRAM, &[proxy, ("NO_PROXY", "ngram.com")]).is_some());
        for own in ["ws://localhost:1", "ws://127.0.0.1:1", "ws://[::1]:1"] {
            assert_eq!(uri(own, &[proxy]), None, "{own}");
        }
        assert_eq!(uri("ws://10.1.2.3", &[proxy, ("NO_PROXY", "10.0.0.0/8")]), None);
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_an_error_and_its_password_is_not_shown() {
        for text in ["socks5://u:secret@p:1080", "https://u:secret@p:1", "ftp://u:secret@p", "::"] {
            let error = find(DEEPGRAM, &[("HTTPS_PROXY", text)]).unwrap_err();
            assert!(error.contains("HTTPS_PROXY") && error.contains("NO_PROXY"), "{error}");
            assert!(!error.contains("secret"), "{error}");
            let unused = [("HTTPS_PROXY", text), ("NO_PROXY", "deepgram.com")];
            assert_eq!(uri(DEEPGRAM, &unused), None, "not ours to check");
        }
    }

    #[test]
    fn credentials_are_decoded_and_hidden() {
        let proxy = find(DEEPGRAM, &[("HTTPS_PROXY", "http://u:p%40ss@p:3128")]).unwrap().unwrap();
        assert_eq!(proxy.uri, "http://p:3128/");
        // base64 of u:p@ss
        assert_eq!(proxy.authorization.as_ref().unwrap(), "Basic dTpwQHNz");
        assert!(!format!("{proxy:?} {:?}", proxy.authorization).contains("dTpw"));
    }
}
