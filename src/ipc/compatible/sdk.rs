//! Which SDK an application uses, as its `User-Agent` tells.

use session::Sdk;

/// Both that speak of `@deepgram/sdk` and a language copy the JavaScript SDK's name.
pub(super) fn sdk_of(user_agent: &str) -> Sdk {
    let begins = |name: &str| user_agent.starts_with(name);
    match () {
        () if begins("deepgram-sdk/") => Sdk::Python,
        () if begins("@deepgram/sdk/") && user_agent.contains(" python/") => Sdk::PythonLegacy,
        () if begins("@deepgram/sdk/") && user_agent.contains(" go/") => Sdk::Go,
        () if begins("@deepgram/sdk/") => Sdk::Javascript,
        () if begins("deepgram/") && user_agent.ends_with("rust") => Sdk::Rust,
        () => Sdk::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sdk_is_told_by_what_it_says_of_itself() {
        for (user_agent, sdk) in [
            ("deepgram-sdk/7.17.0", Sdk::Python),
            ("@deepgram/sdk/v4.8.1 python/11.7", Sdk::PythonLegacy),
            ("@deepgram/sdk/5.13.0", Sdk::Javascript),
            ("@deepgram/sdk/v1.4.0 go/1.26.8", Sdk::Go),
            ("deepgram/0.14.0 rust", Sdk::Rust),
            ("Python/3.11 aiohttp/3.13.2", Sdk::Other),
            ("", Sdk::Other),
        ] {
            assert_eq!(sdk_of(user_agent), sdk, "{user_agent}");
        }
    }
}
