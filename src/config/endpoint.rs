//! A collector's URL, from the file or a variable.

use http::Uri;
use url::Url;

/// The path of a collector's span receiver, below its base URL.
const TRACES_PATH: &str = "/v1/traces";

/// Checks a collector's URL. Never repeats it: it may hold credentials.
pub(super) fn collector_url(url: &Url) -> Result<(), &'static str> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must start with http:// or https://: traces travel as OTLP over HTTP, \
                    usually to port 4318");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain credentials; they belong in OTEL_EXPORTER_OTLP_HEADERS");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not contain a query or fragment; tokens belong in \
                    OTEL_EXPORTER_OTLP_HEADERS");
    }
    // The URL standard allows hosts and lengths that HTTP does not.
    if Uri::try_from(traces_url(url).as_str()).is_err() {
        return Err("must be a valid HTTP URL: check the host and the length");
    }
    Ok(())
}

/// The span receiver below a base URL; a URL that already names it is left unchanged.
pub(super) fn traces_url(base: &Url) -> Url {
    let mut url = base.clone();
    let path = url.path().trim_end_matches('/').to_owned();
    let is_whole = path.ends_with(TRACES_PATH);
    url.set_path(&if is_whole { path } else { path + TRACES_PATH });
    url
}
