//! Which of a name's addresses to connect to: RFC 8305, "Happy Eyeballs" version 2.
//!
//! It does not resolve names, and the connections are its caller's to make.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::sleep;

/// How long an address may take before the next one is tried beside it: RFC 8305's "Connection
/// Attempt Delay".
const DELAY: Duration = Duration::from_millis(250);

/// Addresses that are tried; a name with more is served by its first ones. Each may take a file
/// descriptor.
const ADDRESSES_MAX: usize = 8;

/// The order in which to try addresses: the one that worked last time, then both families in turn,
/// beginning with the resolver's choice.
pub fn order(resolved: &[SocketAddr], worked: Option<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = resolved.first() else { return Vec::new() };
    let (preferred, others): (Vec<_>, Vec<_>) =
        resolved.iter().copied().partition(|it| it.is_ipv6() == first.is_ipv6());
    let turns = preferred.len().max(others.len());
    let in_turn = (0..turns).flat_map(|turn| [preferred.get(turn), others.get(turn)]);
    let in_turn = in_turn.flatten().copied().filter(|it| Some(*it) != worked);
    let worked = worked.filter(|worked| resolved.contains(worked));
    worked.into_iter().chain(in_turn).take(ADDRESSES_MAX).collect()
}

/// Connects to the first address that answers: each gets a head start of `DELAY`, or until the one
/// before it has failed. The others are dropped, which cancels them.
///
/// # Errors
/// If all have failed: each address with its error, in the order of their ends.
pub async fn race<T, F>(
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<(SocketAddr, T), Vec<(SocketAddr, io::Error)>>
where
    F: Future<Output = io::Result<T>>,
{
    let mut waiting = VecDeque::from(addresses);
    let mut running = FuturesUnordered::new();
    let mut failed = Vec::new();
    let start = |address: SocketAddr| {
        let connection = connect(address);
        async move { (address, connection.await) }
    };
    while let Some(address) = waiting.pop_front() {
        running.push(start(address));
        let head_start = sleep(DELAY);
        tokio::pin!(head_start);
        while !running.is_empty() {
            let ended = tokio::select! {
                biased;
                ended = running.next() => ended,
                () = &mut head_start, if !waiting.is_empty() => None,
            };
            match ended {
                Some((address, Ok(connection))) => return Ok((address, connection)),
                Some((address, Err(error))) => failed.push((address, error)),
                None => break,
            }
            if !waiting.is_empty() {
                break;
            }
        }
    }
    Err(failed)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// How each address answers.
    #[derive(Clone, Copy)]
    enum Answer {
        After(u64),
        Refused(u64),
        BlackHole,
    }

    use Answer::{After, BlackHole, Refused};

    /// Races four addresses; returns the winner's place and how long it took.
    async fn raced(answers: [Answer; 4]) -> (Option<usize>, Duration) {
        let names = addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1"]);
        let begun = clock::now();
        let result = race(names.clone(), |address| async move {
            let place = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1"]
                .iter()
                .position(|it| it.parse() == Ok(address))
                .unwrap();
            match answers[place] {
                After(ms) => sleep(Duration::from_millis(ms)).await,
                Refused(ms) => {
                    sleep(Duration::from_millis(ms)).await;
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                BlackHole => pending().await,
            }
            Ok(place)
        });
        let winner = result.await.ok().map(|(address, place)| {
            assert_eq!(address, names[place]);
            place
        });
        (winner, clock::now().duration_since(begun))
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_black_hole_costs_a_quarter_of_a_second_and_three_cost_three() {
        assert_eq!(raced([BlackHole, After(20), BlackHole, BlackHole]).await, (Some(1), ms(270)));
        assert_eq!(raced([BlackHole, BlackHole, BlackHole, After(20)]).await, (Some(3), ms(770)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_starts_the_next_at_once() {
        assert_eq!(raced([Refused(5), Refused(5), After(20), BlackHole]).await, (Some(2), ms(30)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_address_still_wins_over_a_dead_one() {
        assert_eq!(raced([After(600), BlackHole, BlackHole, BlackHole]).await, (Some(0), ms(600)));
    }

    #[tokio::test(start_paused = true)]
    async fn all_that_fail_are_told() {
        assert_eq!(raced([Refused(1); 4]).await, (None, ms(4)));
        let none = race(Vec::new(), |_| async { Ok(()) }).await;
        assert!(none.unwrap_err().is_empty());
    }

    #[test]
    fn families_take_turns_and_what_worked_comes_first() {
        let resolved = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]);
        let expected = addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        assert_eq!(order(&resolved, None), expected);
        let worked = "2.2.2.2:1".parse().ok();
        let expected = addresses(&["2.2.2.2:1", "[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]);
        assert_eq!(order(&resolved, worked), expected);
        let gone = "9.9.9.9:1".parse().ok();
        assert_eq!(order(&resolved, gone), order(&resolved, None));
        assert_eq!(order(&[], gone), []);
    }

    #[test]
    fn a_name_with_many_addresses_is_served_by_the_first_ones() {
        let resolved: Vec<_> = (0..20).map(|it| SocketAddr::from(([10, 0, 0, it], 1))).collect();
        assert_eq!(order(&resolved, None).len(), ADDRESSES_MAX);
    }
}
