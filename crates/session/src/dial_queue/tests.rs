//! Sessions that dial a Deepgram that refuses, in virtual time.

use std::collections::VecDeque;

use super::*;
use crate::bound::DIAL_WAIT_MAX;

/// How long a dial takes.
const DIAL: Duration = Duration::from_millis(200);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn failure(reason: DialReason, status: Option<u16>) -> DialFailure {
    DialFailure { status, ..DialFailure::before_answer(reason, "refused") }
}

fn busy() -> DialFailure {
    failure(DialReason::Http429, Some(429))
}

fn broken() -> DialFailure {
    failure(DialReason::Http5xx, Some(503))
}

/// A queue, its dials under way, and what became of each wish.
struct World {
    start: Instant,
    now: Instant,
    queue: DialQueue,
    under_way: VecDeque<(Instant, Ticket, Permit)>,
    /// `None`: dials succeed.
    refusing: Option<DialFailure>,
    /// When each dial began.
    dials: Vec<(Duration, Ticket)>,
    connected: Vec<(Duration, Ticket)>,
    refused: Vec<(Duration, Ticket, DialFailure)>,
    reports: Vec<Report>,
    /// How many idle connections were asked for, and when.
    shed: Vec<(Duration, usize)>,
}

impl World {
    fn new(refusing: Option<DialFailure>) -> Self {
        let start = clock::now();
        Self {
            start,
            now: start,
            queue: DialQueue::new(7, usize::MAX),
            under_way: VecDeque::new(),
            refusing,
            dials: Vec::new(),
            connected: Vec::new(),
            refused: Vec::new(),
            reports: Vec::new(),
            shed: Vec::new(),
        }
    }

    fn enter(&mut self) -> Ticket {
        let ticket = self.queue.enter(self.now, DIAL_WAIT_MAX);
        self.perform();
        ticket
    }

    fn enter_all(&mut self, sessions: usize) {
        for _ in 0..sessions {
            self.enter();
        }
    }

    fn perform(&mut self) {
        let at = self.now - self.start;
        while let Some(decision) = self.queue.poll_decision() {
            match decision {
                Decision::Dial(ticket, permit) => {
                    self.dials.push((at, ticket));
                    self.under_way.push_back((self.now + DIAL, ticket, permit));
                }
                Decision::Refuse(ticket, failure) => self.refused.push((at, ticket, failure)),
                Decision::Shed(count) => self.shed.push((at, count)),
                Decision::Report(report) => self.reports.push(report),
            }
        }
    }

    /// Lets time pass, from one deadline to the next.
    fn advance(&mut self, duration: Duration) {
        let until = self.now + duration;
        loop {
            let dial = self.under_way.front().map(|(at, ..)| *at);
            let next = [dial, self.queue.next_deadline()].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= until) else { break };
            self.now = at.max(self.now);
            if dial == Some(at) {
                self.end_dial();
            } else {
                self.queue.handle_timeout(self.now);
            }
            self.perform();
        }
        self.now = until;
    }

    fn end_dial(&mut self) {
        let (_, ticket, permit) = self.under_way.pop_front().expect("one has ended");
        match &self.refusing {
            Some(failure) => {
                let failure = failure.clone();
                self.queue.ended(self.now, permit, Ended::Failed(&failure));
                self.refused.push((self.now - self.start, ticket, failure));
            }
            None => {
                self.queue.ended(self.now, permit, Ended::Connected);
                self.connected.push((self.now - self.start, ticket));
            }
        }
    }

    /// What operators were told.
    fn told(&self) -> Vec<String> {
        let text = |report: &Report| match report {
            Report::Held { failure, is_news, .. } => {
                let status = failure.status.unwrap();
                if *is_news { format!("news of {status}") } else { format!("{status} again") }
            }
            Report::Released { release, .. } => release.as_str().to_owned(),
        };
        self.reports.iter().map(text).collect()
    }

    fn dials_max(&self, probes: usize) -> usize {
        WINDOW_MIN + FAILURES_MAX as usize - 1 + probes
    }
}

#[test]
fn dials_in_a_storm_are_bounded_by_the_formula_and_not_by_the_sessions() {
    // Before 59 s: probes after at least 1, 2, 4, 8 and 16 s, or in an outage after 1 s and then 2 s.
    for (failure, probes) in [(busy(), 5), (broken(), 30), (failure(DialReason::Tcp, None), 30)] {
        for sessions in [20, 200, 2_000] {
            let mut world = World::new(Some(failure.clone()));
            world.enter_all(sessions);
            world.advance(secs(59));
            assert!(world.dials.len() <= world.dials_max(probes), "{}", world.dials.len());
            world.advance(secs(10));
            assert_eq!(world.refused.len(), sessions, "nobody waits for ever");
            assert_eq!(world.queue.waiting(), 0);
        }
    }
}

#[test]
fn one_refusal_of_the_key_is_everybodys() {
    for status in [401, 402] {
        let mut world = World::new(Some(failure(DialReason::of_status(status), Some(status))));
        world.enter_all(200);
        world.advance(DIAL);
        assert_eq!(world.dials.len(), WINDOW_MIN, "those under way at the first refusal");
        assert_eq!(world.refused.len(), 200, "the others got the same, at once");
        let told = world.refused.iter().filter(|(_, _, failure)| failure.withheld).count();
        assert_eq!(told, 200 - WINDOW_MIN);
        // 8 s later a single one asks again, and the others still get what is known.
        world.advance(secs(10));
        world.enter_all(50);
        assert_eq!((world.dials.len(), world.refused.len()), (WINDOW_MIN + 1, 249));
        world.refusing = None;
        world.advance(secs(1));
        world.enter_all(50);
        world.advance(secs(5));
        assert_eq!(world.connected.len(), 51, "the probe found it accepted");
    }
}

#[test]
fn a_new_key_is_dialled_with_at_once() {
    let mut world = World::new(Some(failure(DialReason::Http401, Some(401))));
    world.enter();
    world.advance(secs(1));
    world.refusing = None;
    world.queue.replace_credential(world.now);
    world.perform();
    world.enter();
    world.advance(secs(1));
    assert_eq!(world.connected.len(), 1);
    assert_eq!(world.told(), ["news of 401", "lifted"]);
}

#[test]
fn the_old_keys_dials_say_nothing_of_the_new_one() {
    let mut world = World::new(Some(failure(DialReason::Http401, Some(401))));
    world.enter();
    world.queue.replace_credential(world.now);
    world.advance(secs(1));
    assert_eq!(world.reports, []);
}

#[test]
fn whoever_waits_is_served_in_order_once_deepgram_recovers() {
    let mut world = World::new(Some(busy()));
    let tickets: Vec<_> = (0..200).map(|_| world.enter()).collect();
    world.advance(secs(20));
    world.refusing = None;
    let refused = world.refused.len();
    world.advance(secs(40));
    assert_eq!((world.connected.len(), world.refused.len()), (200 - refused, refused));
    let served: Vec<_> = world.dials.iter().map(|(_, ticket)| *ticket).collect();
    assert_eq!(served, tickets, "first come, first served");
    let (first, last) = (world.connected[0].0, world.connected.last().unwrap().0);
    // The window doubles with each round of dials: 8, 16, 32, 64, 64.
    assert!(last - first <= 6 * DIAL, "{first:?} to {last:?}");
}

#[test]
fn retry_after_holds_everybody_back() {
    for failure in [busy(), broken()] {
        let asked = DialFailure { retry_after: Some(secs(20)), ..failure };
        let mut world = World::new(Some(asked));
        world.enter_all(200);
        world.advance(secs(20));
        let dials = world.dials.len();
        assert!(dials <= world.dials_max(0), "{dials}");
        world.advance(secs(1));
        assert_eq!(world.dials.len(), dials + 1, "and then one probes");
    }
}

#[test]
fn the_end_of_an_outage_is_found_within_three_seconds_however_long_it_was() {
    for failure in [broken(), failure(DialReason::Resources, None)] {
        for outage in [5, 20, 59, 300] {
            let mut world = World::new(Some(failure.clone()));
            for _ in 0..outage {
                world.enter_all(5);
                world.advance(secs(1));
            }
            world.refusing = None;
            world.advance(secs(4));
            let back = world.connected[0].0 - secs(outage);
            assert!(back <= secs(3) + DIAL, "after {outage} s: {back:?}");
        }
    }
}

#[test]
fn a_busy_deepgram_after_a_long_outage_is_not_held_off_for_the_outage() {
    let mut world = World::new(Some(broken()));
    world.enter_all(200);
    world.advance(secs(40));
    world.refusing = Some(busy());
    world.advance(secs(6));
    let held = |it: &Report| match it {
        Report::Held { blocker: Blocker::UpstreamBusy, hold, probes, .. } => Some((*hold, *probes)),
        _ => None,
    };
    let (hold, probes) = world.reports.iter().find_map(held).unwrap();
    assert!(hold <= secs(5) && probes > 10, "{hold:?} after {probes} probes");
}

#[test]
fn a_hold_longer_than_ones_patience_is_told_at_once() {
    let answer = Some(Default::default());
    let asked = DialFailure { retry_after: Some(secs(3600)), answer, ..busy() };
    let mut world = World::new(Some(asked));
    world.enter_all(20);
    world.advance(secs(1));
    let ticket = world.queue.enter(world.now, secs(10));
    world.perform();
    let (_, refused, told) = world.refused.last().unwrap();
    assert_eq!((*refused, told.reason, told.withheld), (ticket, DialReason::Http429, true));
    assert_eq!(told.answer, None, "the response names another's request");
    let left = told.retry_after.unwrap();
    assert!(left > secs(50) && left <= DIAL_WAIT_MAX, "{left:?}");
}

#[test]
fn single_failures_open_nothing() {
    let mut world = World::new(None);
    for round in 0..40 {
        world.refusing = (round % 5 != 0).then(busy);
        world.enter();
        world.advance(secs(1));
    }
    assert_eq!(world.dials.len(), 40);
    assert_eq!(world.reports, []);
}

#[test]
fn a_request_that_is_refused_for_its_own_sake_blames_nobody_else() {
    let mut world = World::new(Some(failure(DialReason::Http400, Some(400))));
    world.enter_all(50);
    world.advance(secs(10));
    assert_eq!((world.dials.len(), world.reports.len()), (50, 0));
}

#[test]
fn a_probe_that_leaves_gives_its_place_to_the_next() {
    let mut world = World::new(Some(busy()));
    world.enter_all(20);
    let dials = FAILURES_MAX as usize - 1 + WINDOW_MIN;
    while world.dials.len() <= dials {
        world.advance(Duration::from_millis(100));
    }
    let (_, _, probe) = world.under_way.pop_back().unwrap();
    world.queue.ended(world.now, probe, Ended::Cancelled);
    world.perform();
    assert_eq!(world.dials.len(), dials + 2);
}

#[test]
fn a_hold_that_nobody_waits_for_ends_by_itself_and_the_next_dial_is_a_probe() {
    let mut world = World::new(Some(failure(DialReason::Http401, Some(401))));
    world.enter();
    world.advance(secs(60));
    assert_eq!(world.told(), ["news of 401", "lapsed"]);
    world.enter_all(10);
    world.advance(secs(1));
    assert_eq!(world.dials.len(), 2, "one for ten");
    assert!(matches!(world.reports[2..], [Report::Held { probes: 1, .. }]));
}

#[test]
fn that_nobody_dials_is_not_told_as_the_end_of_a_refusal() {
    let mut world = World::new(Some(failure(DialReason::Http401, Some(401))));
    for _ in 0..2 {
        world.enter();
        world.advance(secs(60));
    }
    world.refusing = None;
    world.enter();
    world.advance(secs(1));
    assert_eq!(world.told(), ["news of 401", "lapsed", "news of 401", "lapsed", "lifted"]);
    let Some(Report::Released { held, .. }) = world.reports.last() else { panic!() };
    assert!(*held > secs(119), "since the first refusal: {held:?}");
}

#[test]
fn another_cause_is_news_and_so_is_the_same_one_after_a_success() {
    let mut world = World::new(Some(busy()));
    world.enter_all(20);
    world.advance(Duration::from_millis(2_500));
    world.refusing = Some(failure(DialReason::Http401, Some(401)));
    world.advance(secs(60));
    assert_eq!(world.told(), ["news of 429", "429 again", "news of 401", "lapsed"]);
    world.refusing = None;
    world.enter();
    world.advance(secs(1));
    world.refusing = Some(failure(DialReason::Http401, Some(401)));
    world.enter();
    world.advance(secs(1));
    assert_eq!(world.told()[4..], ["lifted", "news of 401"]);
}

#[test]
fn whoever_leaves_is_not_dialled() {
    let mut world = World::new(None);
    let tickets: Vec<_> = (0..20).map(|_| world.enter()).collect();
    tickets[WINDOW_MIN..].iter().for_each(|it| world.queue.leave(*it));
    world.advance(secs(10));
    assert_eq!(world.dials.len(), WINDOW_MIN);
}

#[test]
fn behind_dials_that_hang_patience_ends() {
    let mut world = World::new(None);
    world.enter_all(WINDOW_MIN + 1);
    let held: Vec<_> = world.under_way.drain(..).collect();
    world.advance(DIAL_WAIT_MAX);
    assert_eq!(world.refused.len(), 1);
    assert_eq!(world.refused[0].2.reason, DialReason::Timeout);
    drop(held);
}

#[test]
fn no_more_connections_are_up_than_may_be_and_idle_ones_are_asked_for_once_a_second() {
    let mut world = World::new(None);
    world.queue = DialQueue::new(7, 3);
    world.enter_all(5);
    world.advance(DIAL * 2);
    assert_eq!((world.connected.len(), world.queue.waiting()), (3, 2));
    assert_eq!(world.shed, [(Duration::ZERO, 1), (Duration::ZERO, 1)]);
    world.advance(secs(2));
    let again = [(secs(1), 2), (secs(2), 2)];
    assert_eq!(world.shed[2..], again, "while they wait");
    world.queue.closed(world.now);
    world.perform();
    world.advance(DIAL);
    assert_eq!((world.connected.len(), world.queue.waiting()), (4, 1));
    world.advance(secs(60));
    let (_, _, failure) = &world.refused[0];
    assert_eq!((failure.reason, failure.withheld), (DialReason::Resources, true));
    assert!(failure.detail.contains("upstream.max_connections"), "{}", failure.detail);
    assert_eq!(world.queue.waiting(), 0);
}
