//! The close frame with which a session ends for its application.

use session::close::{CloseFrame, may_be_sent};
use session::death::Reason;
use session::summary::{Outcome, Summary};
use session::{ErrorCode, Event, Refusal};

/// What the close frame will have to say, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Farewell {
    /// Why we end the session: the first cause stands.
    own: Option<(u16, String)>,
    /// What the latest connection died of.
    death: Option<Reason>,
}

impl Farewell {
    /// An event may be a death.
    pub(super) fn hear(&mut self, event: &Event) {
        if let Event::Dead { death, .. } = event {
            self.death = Some(death.reason);
        }
    }

    /// The application is refused what it wants.
    pub(super) fn refuse(&mut self, refusal: &Refusal) {
        let (code, reason) = match (refusal.code, &refusal.connect) {
            (ErrorCode::FrameTooLarge, _) => (1009, refusal.message.as_str()),
            (ErrorCode::ConnectFailed, Some(connect)) => {
                (1011, connect.reason.map_or(refusal.message.as_str(), |it| it.as_str()))
            }
            _ => (1008, refusal.message.as_str()),
        };
        self.close(code, reason);
    }

    /// It is closed with this code.
    pub(super) fn close(&mut self, code: u16, reason: &str) {
        self.own.get_or_insert_with(|| (code, reason.to_owned()));
    }

    /// Code and reason. An end that is Deepgram's has Deepgram's own, as they stood in its frame.
    pub(super) fn of(
        &self,
        summary: &Summary,
        close: Option<&CloseFrame>,
    ) -> (Option<u16>, String) {
        let theirs = close.filter(|it| it.code.is_none_or(may_be_sent));
        let theirs = theirs.map(|it| (it.code, it.text.clone()));
        let own = || self.own.clone().map(|(code, reason)| (Some(code), reason));
        match summary.outcome {
            Outcome::Finished => theirs.unwrap_or((Some(1000), String::new())),
            Outcome::Dead => theirs.unwrap_or_else(|| {
                let label = self.death.map_or("dead", Reason::as_str);
                (Some(1011), label.to_owned())
            }),
            Outcome::Drained => (Some(1001), "the sidecar is shutting down".to_owned()),
            Outcome::TimedOut | Outcome::Aborted | Outcome::ConnectFailed => {
                own().unwrap_or((Some(1011), summary.outcome.as_str().to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::compatible::socket::tests::wire::summary;
    use session::death::{Death, Trigger};

    fn farewell(own: &[(u16, &str)], death: Option<Reason>) -> Farewell {
        let mut farewell = Farewell::default();
        own.iter().for_each(|(code, reason)| farewell.close(*code, reason));
        if let Some(reason) = death {
            let death = Death {
                reason,
                trigger: Trigger::Read,
                class: reason.class(),
                detail: String::new(),
                send_age_ms: 0,
                receive_age_ms: 0,
                connection: 1,
                final_ms: None,
            };
            farewell.hear(&Event::Dead { death, recovering: false });
        }
        farewell
    }

    #[track_caller]
    fn check(
        farewell: &Farewell,
        outcome: Outcome,
        close: Option<(Option<u16>, &str)>,
        expected: (Option<u16>, &str),
    ) {
        let close = close.map(|(code, text)| CloseFrame { code, text: text.to_owned() });
        let summary = Summary { outcome, ..summary() };
        let (code, reason) = farewell.of(&summary, close.as_ref());
        assert_eq!((code, &*reason), expected, "{outcome:?} {close:?}");
    }

    #[test]
    fn deepgrams_own_close_is_passed_on() {
        let none = farewell(&[], None);
        check(&none, Outcome::Finished, Some((Some(1000), "")), (Some(1000), ""));
        check(&none, Outcome::Finished, Some((None, "")), (None, ""));
        check(&none, Outcome::Finished, None, (Some(1000), ""));
        let dead = farewell(&[], Some(Reason::ProviderError));
        for code in [1000, 1001, 1003, 1008, 1011, 1014, 3000, 4999] {
            let close = (Some(code), "why");
            check(&dead, Outcome::Dead, Some(close), close);
        }
        check(&dead, Outcome::Dead, Some((None, "")), (None, ""));
    }

    #[test]
    fn a_death_without_a_close_that_may_be_sent_has_its_label() {
        for (reason, close) in [
            (Reason::EofWithoutClose, None),
            (Reason::ConnectionReset, None),
            (Reason::WsProtocol, Some((Some(1005), "odd"))),
            (Reason::WsProtocol, Some((Some(2999), "odd"))),
        ] {
            let expected = (Some(1011), reason.as_str());
            check(&farewell(&[], Some(reason)), Outcome::Dead, close, expected);
        }
    }

    #[test]
    fn an_end_that_is_ours_says_so_and_its_first_cause_stands() {
        let deepgrams = Some((Some(1000), ""));
        let ours = farewell(&[(1009, "message too long"), (1008, "later")], None);
        check(&ours, Outcome::Aborted, deepgrams, (Some(1009), "message too long"));
        let none = farewell(&[], None);
        check(&none, Outcome::Drained, deepgrams, (Some(1001), "the sidecar is shutting down"));
        for outcome in [Outcome::TimedOut, Outcome::Aborted] {
            check(&none, outcome, deepgrams, (Some(1011), outcome.as_str()));
        }
    }
}
