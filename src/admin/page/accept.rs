//! Content negotiation: RFC 9110's `Accept`.

/// Whether it names HTML, and prefers it to JSON. Browsers do; programs that accept anything get
/// JSON.
pub(super) fn prefers_html(accept: Option<&str>) -> bool {
    let accept = accept.unwrap_or("*/*");
    quality(accept, "text/html") > quality(accept, "application/json")
}

/// The quality of this media type, from 0 to 1. The most specific range wins.
fn quality(accept: &str, wanted: &str) -> f32 {
    let ranges = accept.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let specificity = specificity(parts.next()?, wanted)?;
        let quality = parts.find_map(|part| part.strip_prefix("q="));
        let quality = quality.map_or(1.0, |text| text.parse::<f32>().unwrap_or_default());
        Some((specificity, quality.clamp(0.0, 1.0)))
    });
    ranges.max_by_key(|(specificity, _)| *specificity).map_or(0.0, |(_, quality)| quality)
}

/// How specifically a range matches a media type; `None` if it does not.
fn specificity(range: &str, wanted: &str) -> Option<u8> {
    let (kind, _) = wanted.split_once('/')?;
    let is_of_kind = |range: &str| range.strip_suffix("/*").is_some_and(|it| it == kind);
    match range.to_ascii_lowercase() {
        range if range == wanted => Some(2),
        range if is_of_kind(&range) => Some(1),
        range if range == "*/*" => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_html() {
        for accept in [
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/html, application/json;q=0.9",
            "Text/*, */*;q=0.1",
        ] {
            assert!(prefers_html(Some(accept)), "{accept}");
        }
    }

    #[test]
    fn programs_get_json() {
        assert!(!prefers_html(None));
        for accept in [
            "*/*",
            "application/json",
            "application/json, text/html",
            "text/html;q=0.5, */*",
            "text/html;q=NaN",
            "text/html;q=x",
            "text/html;q=0",
            "",
            ";;,,q=1",
        ] {
            assert!(!prefers_html(Some(accept)), "{accept}");
        }
    }
}
