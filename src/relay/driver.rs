//! The shell of one session: one task that owns the application's socket, the links to Deepgram and
//! the clock, and carries out what the machine decides.
//!
//! It decides nothing itself. Each turn hands the machine one input and carries out the effects,
//! none of which waits: both sockets are polled, never awaited, so a write that blocks is an input
//! like any other.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::{Sleep, sleep};

use super::alarm::Alarm;
use super::hearing::{Hearing, Piece};
use super::links::Links;
use super::turn::Turn;
use crate::ipc::app::App;
use crate::live::registry::Slot;
use crate::live::{Call, Inspection, LiveSession};
use crate::upstream::dial::Dial;
use crate::upstream::timestamps;
use session::bound::APP_UNWRITTEN_BYTES_MAX;
use session::counts::Count;
use session::drain::{Drained, LastFrame};
use session::fact::{Fact, Observer};
use session::machine::{Output, Session};
use session::summary::Outcome;
use session::{AppFrame, AppInput, ConnectionId, Dialect, TimeMap, UpstreamInput};

/// How much audio that was read together is handed on before the sockets are polled again: a TLS
/// record's worth.
const BATCH_BYTES_MAX: usize = 16 << 10;

/// One session's task.
pub struct Driver<A, D: Dial, O> {
    machine: Session,
    app: A,
    links: Links<D>,
    hearing: Hearing,
    /// Between two pieces of a long frame others have had their turn.
    has_yielded: bool,
    alarm: Alarm,
    live: Arc<LiveSession>,
    /// Lets go of who waits for an answer, however the task ends.
    _answering: Answering,
    slot: Option<Slot>,
    observer: O,
    draining: bool,
    /// How the session ended, if shutdown ended it.
    drained: Option<(Outcome, Drained)>,
    turn: Turn,
    /// A pause of ours whose deadlines have not been handled.
    pause: Option<Pause>,
}

/// A pause of ours.
enum Pause {
    /// The kernel is being asked what has come meanwhile.
    CatchingUp(Pin<Box<Sleep>>),
    /// What has come shows on the sockets.
    CaughtUp,
}

/// What is left of a session that is over.
pub struct Ended<S> {
    /// The application's, to be closed with care.
    pub stream: S,
    /// How it ended, if shutdown ended it.
    pub drained: Option<(Outcome, Drained)>,
    /// What is known of its last frame; `None` if only the application's end of stream can tell.
    pub last_frame: Option<LastFrame>,
}

/// A session whose task answers calls until this is dropped.
struct Answering(Arc<LiveSession>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.end_calls();
    }
}

/// What happened.
enum Input {
    Call(Call),
    Upstream(ConnectionId, UpstreamInput),
    Timeout,
    App(AppInput),
    /// A piece of a long frame has been listened to.
    Heard(Piece),
}

impl<A, D, O> Driver<A, D, O>
where
    A: App,
    D: Dial,
    O: Observer,
{
    /// A session that has its slot; `query` is its encoded parameters.
    pub fn new(
        machine: Session,
        app: A,
        dialer: Arc<D>,
        query: Arc<str>,
        slot: Slot,
        observer: O,
    ) -> Self {
        let live = slot.session().clone();
        let links = Links::new(dialer, live.endpoint, query);
        Self {
            machine,
            app,
            links,
            hearing: Hearing::default(),
            has_yielded: false,
            alarm: Alarm::default(),
            _answering: Answering(live.clone()),
            live,
            slot: Some(slot),
            observer,
            draining: false,
            drained: None,
            turn: Turn::default(),
            pause: None,
        }
    }

    /// Runs the session to its last frame. Boxed: a future keeps room for its arguments and for its
    /// own variables, so it would hold the driver twice.
    pub async fn run(mut self: Box<Self>) -> Ended<A::Stream> {
        loop {
            self.perform();
            self.publish();
            if self.machine.is_closed() {
                let last_frame = self.app.last_frame();
                let drained = self.drained;
                return Ended { stream: self.app.into_stream(), drained, last_frame };
            }
            let input = poll_fn(|cx| self.poll_input(cx)).await;
            self.handle(input);
        }
    }

    /// Evidence before verdicts: what the sockets already hold comes before the clock.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        if self.turn.give_way() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Poll::Ready(call) = self.live.poll_call(cx, !self.draining) {
            return Poll::Ready(Input::Call(call));
        }
        if self.is_catching_up(cx) {
            return self.poll_upstream(cx);
        }
        if self.turn.is_streak() && self.poll_alarm(cx).is_ready() {
            return Poll::Ready(Input::Timeout);
        }
        if self.app.unwritten_bytes() >= APP_UNWRITTEN_BYTES_MAX
            && let Poll::Ready(input) = self.app.poll_write(cx)
        {
            return Poll::Ready(Input::App(input));
        }
        if let Poll::Ready(input) = self.poll_upstream(cx) {
            return Poll::Ready(input);
        }
        if self.machine.wants_app_input()
            && let Some(piece) = self.hear_on(cx)
        {
            return Poll::Ready(Input::Heard(piece));
        }
        let wants_input = self.machine.wants_app_input() && !self.hearing.is_busy();
        if let Poll::Ready(input) = self.app.poll_input(cx, wants_input) {
            return Poll::Ready(Input::App(input));
        }
        if wants_input && self.machine.wants_emptied() && self.app.is_emptied() {
            return Poll::Ready(Input::App(AppInput::Emptied));
        }
        // Both sockets are empty: there is no flood.
        self.turn.end();
        self.poll_alarm(cx).map(|()| Input::Timeout)
    }

    /// Listens to the next piece of a frame; every other time, whoever else is ready goes first.
    fn hear_on(&mut self, cx: &mut Context<'_>) -> Option<Piece> {
        if !self.hearing.is_busy() {
            return None;
        }
        self.has_yielded = !self.has_yielded;
        if self.has_yielded {
            cx.waker().wake_by_ref();
            return None;
        }
        self.hearing.go_on()
    }

    fn poll_upstream(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        let wants_messages = self.machine.wants_upstream_input();
        let polled = self.links.poll_input(cx, wants_messages);
        polled.map(|(id, input)| Input::Upstream(id, input))
    }

    /// Whether nothing may be written or judged yet, because it is not known what has come during a
    /// pause of ours: the runtime wakes tasks for timers that ran out in it before it has asked the
    /// kernel. By the time that a timer set after the pause runs out, it has asked.
    fn is_catching_up(&mut self, cx: &mut Context<'_>) -> bool {
        let is_late = self.alarm.has_run_out() && self.machine.is_late(clock::now());
        if !is_late && matches!(self.pause, Some(Pause::CaughtUp)) {
            // What has come has moved the deadline on.
            self.pause = None;
        }
        if is_late && self.pause.is_none() {
            self.pause = Some(Pause::CatchingUp(Box::pin(sleep(clock::CATCH_UP))));
        }
        let Some(Pause::CatchingUp(timer)) = &mut self.pause else { return false };
        let is_catching_up = timer.as_mut().poll(cx).is_pending();
        if !is_catching_up {
            self.pause = Some(Pause::CaughtUp);
        }
        is_catching_up
    }

    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.alarm.poll(cx, self.machine.next_deadline())
    }

    fn handle(&mut self, input: Input) {
        let now = clock::now();
        self.turn.count(matches!(input, Input::Timeout));
        if matches!(input, Input::Timeout) {
            self.pause = None;
        }
        match input {
            Input::Call(Call::Drain(times)) => {
                self.draining = true;
                self.machine.handle_drain(now, times);
            }
            Input::Call(Call::Shed) => self.machine.handle_shed(now),
            Input::Call(Call::Inspect(inspectors)) => {
                let answer = self.inspection(now);
                // Whoever has stopped waiting misses nothing.
                inspectors.into_iter().for_each(|it| drop(it.send(answer.clone())));
            }
            Input::Upstream(id, input) => self.machine.handle_upstream(now, id, input),
            Input::Timeout => self.machine.handle_timeout(now),
            Input::App(input) => self.handle_app(now, input),
            Input::Heard(Piece { audio, heard, is_end }) => {
                self.machine.handle_heard(now, audio, heard, is_end);
            }
        }
    }

    /// Hands on an input and whatever was read along with it, so that it leaves in one write.
    fn handle_app(&mut self, now: Instant, first: AppInput) {
        let mut next = Some(first);
        let mut batch_bytes = 0;
        while let Some(input) = next {
            batch_bytes += match &input {
                AppInput::Audio(audio) => audio.len(),
                _ => 0,
            };
            self.hand_on(now, input);
            self.perform();
            self.turn.count_buffered();
            let is_free = self.machine.wants_app_input() && !self.hearing.is_busy();
            let more = batch_bytes < BATCH_BYTES_MAX && is_free && !self.turn.is_over();
            next = if more { self.app.next_buffered() } else { None };
        }
    }

    /// Audio is listened to first, if that makes a difference.
    fn hand_on(&mut self, now: Instant, input: AppInput) {
        let AppInput::Audio(audio) = input else {
            let has_left = matches!(input, AppInput::Closed(_) | AppInput::Eof);
            self.machine.handle_app(now, input);
            return if has_left {
                self.let_app_go()
            };
        };
        match self.machine.hearing() {
            Some((format, threshold)) => {
                if let Some(piece) = self.hearing.hear(format, threshold, audio) {
                    let Piece { audio, heard, is_end } = piece;
                    self.machine.handle_heard(now, audio, heard, is_end);
                }
            }
            None => {
                self.hearing.end();
                self.machine.handle_app(now, AppInput::Audio(audio));
            }
        }
    }

    fn perform(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Dial(id, patience) => self.links.dial(id, patience),
                Output::Send(id, outgoing) => self.links.send(id, outgoing),
                Output::HangUp(id) => self.links.hang_up(id),
                Output::Deliver(frame) => {
                    if let AppFrame::Error(refusal) = &frame {
                        self.observer.refused(refusal, self.app.refusal_status(refusal));
                    }
                    self.app.send(&in_session_time(frame), &self.live);
                }
                Output::AbandonApp => self.app.abandon(),
                Output::Record(fact) => self.record(*fact),
                Output::Observe(observation) => self.observer.observe(&observation),
            }
        }
    }

    fn record(&mut self, fact: Fact) {
        if matches!(fact, Fact::SessionEnded(_)) {
            // What is told of the end is told with the last counts.
            self.publish();
        }
        self.observer.record(&fact);
        match &fact {
            Fact::SessionEnded(ended) => {
                self.drained = ended.drained.map(|drained| (ended.summary.outcome, drained));
                self.leave(ended.summary.cut);
            }
            // Nothing has been sent for a while: most idle sessions stay idle.
            Fact::KeepaliveSent(_) => self.app.rest(),
            _ => {}
        }
        self.live.remember(clock::now(), fact);
    }

    fn inspection(&self, now: Instant) -> Inspection {
        Inspection {
            at: now,
            snapshot: self.machine.snapshot(),
            deadlines: self.machine.deadlines().collect(),
        }
    }

    /// An application that speaks Deepgram's dialect comes back under its old name as soon as it has
    /// seen its own close answered.
    fn let_app_go(&mut self) {
        if self.live.speaker.dialect == Dialect::Compatible
            && let Some(slot) = &self.slot
        {
            slot.free_name();
        }
        self.app.let_go();
    }

    /// Frees the slot just before the last frame is written, so that an application that has read it
    /// can use the name again at once. One that does not read keeps its name until it is let go.
    fn leave(&mut self, cut: bool) {
        if let Some(slot) = &self.slot
            && cut
        {
            slot.count_cut();
        }
        if !self.app.is_write_blocked() || self.live.speaker.dialect == Dialect::Compatible {
            self.slot = None;
        }
    }

    /// Shows the session's counts to admin and metrics.
    fn publish(&self) {
        let mut snapshot = self.machine.snapshot();
        let (sent, received) = self.links.bytes();
        snapshot.counts[Count::WireBytesSent] = sent;
        snapshot.counts[Count::WireBytesReceived] = received;
        snapshot.counts[Count::AppQueueBytes] = self.app.unwritten_bytes() as u64;
        self.live.counters.publish(&snapshot);
        let state = self.machine.state();
        let before = self.live.set_state(state);
        if before != state {
            self.observer.state_changed(before, state);
        }
    }
}

fn in_session_time(frame: AppFrame) -> AppFrame {
    match frame {
        AppFrame::Message { text, times } => {
            let text = timestamps::to_session_time(text, times);
            AppFrame::Message { text, times: TimeMap::default() }
        }
        other => other,
    }
}

#[cfg(test)]
#[cfg(feature = "emulator")]
mod tests;
