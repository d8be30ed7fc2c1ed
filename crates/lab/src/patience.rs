//! Waiting by polling, for things that do not notify.

use std::time::Duration;

use anyhow::bail;

const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Polls until there is a result; after the deadline the error says what it was waiting for.
pub(super) async fn until<T>(
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let began = clock::now();
    let mut looks = tokio::time::interval(BETWEEN_LOOKS);
    loop {
        looks.tick().await;
        if let Some(seen) = look().await? {
            return Ok(seen);
        }
        if clock::now() - began > deadline {
            bail!("waited {} for {what}", humantime::format_duration(deadline));
        }
    }
}
