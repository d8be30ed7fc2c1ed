//! What an application is told if there is no connection to Deepgram for it.

use crate::dial::DialFailure;
use crate::{ConnectRefusal, ErrorCode, Refusal};

/// What an application is told whose connection died and could not be replaced.
pub(super) fn not_recovered(failure: DialFailure, attempts: u32) -> Refusal {
    let tries = tries(" ", attempts - u32::from(failure.withheld));
    let advice = failure.advice();
    let message =
        format!("the connection to Deepgram died, and no other could be opened{tries}: {advice}");
    connect_failed(failure, message)
}

/// What an application is told whose connections die again and again.
pub(super) fn given_up(reconnects: u32) -> Refusal {
    let message = format!(
        "the connection to Deepgram died again; {reconnects} reconnects without one that lived for a minute \
         are all that recovery.max_reconnects allows; see the reasons of the deaths, then open a new \
         session"
    );
    let connect = Some(Box::default());
    Refusal { connect, ..Refusal::new(ErrorCode::ConnectFailed, message) }
}

/// No connection was ever up. Only the last attempt can have been withheld: that is final.
pub(super) fn not_connected(failure: DialFailure, attempts: u32) -> Refusal {
    let tries = tries(", ", attempts - u32::from(failure.withheld));
    let message = format!("no connection to Deepgram{tries}: {}", failure.advice());
    connect_failed(failure, message)
}

/// That nothing was dialled is for the failure's detail to say, which has the reason as well.
fn tries(before: &str, dialled: u32) -> String {
    match dialled {
        0 => String::new(),
        1 => format!("{before}after 1 attempt"),
        _ => format!("{before}after {dialled} attempts"),
    }
}

fn connect_failed(failure: DialFailure, message: String) -> Refusal {
    let connect = ConnectRefusal {
        reason: Some(failure.reason),
        status: failure.status,
        answer: failure.answer,
        detail: Some(failure.detail),
        request_id: failure.request_id,
        retry_after: failure.retry_after,
    };
    Refusal { connect: Some(Box::new(connect)), ..Refusal::new(ErrorCode::ConnectFailed, message) }
}
