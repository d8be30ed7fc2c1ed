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
