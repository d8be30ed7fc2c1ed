//! What an application is told if there is no connection to Deepgram for it.

use crate::dial::DialFailure;
use crate::{ConnectRefusal, ErrorCode, Refusal};

/// What an application is told whose connection died and could not be replaced.
pub(super) fn not_recovered(failure: Option<DialFailure>, attempts: u32) -> Refusal {
    let Some(failure) = failure else {
        let message = format!(
            "the connection to Deepgram died again, {}, which is all that \
             recovery.max_reconnects allows; see the reasons of its deaths, then open a new session",
            tries(attempts)
        );
        let connect = Some(Box::default());
        return Refusal { connect, ..Refusal::new(ErrorCode::ConnectFailed, message) };
    };
    let tries = tries(attempts - u32::from(failure.withheld));
    let advice = failure.advice();
    let message =
        format!("the connection to Deepgram died, and there is no other {tries}: {advice}");
    connect_failed(failure, message)
}

/// No connection was ever up. Only the last attempt can have been withheld: that is final.
pub(super) fn not_connected(failure: DialFailure, attempts: u32) -> Refusal {
    let tries = tries(attempts - u32::from(failure.withheld));
    let message = format!("no connection to Deepgram, {tries}: {}", failure.advice());
    connect_failed(failure, message)
}

fn tries(dialled: u32) -> String {
    match dialled {
        0 => "without dialling".to_owned(),
        1 => "after 1 attempt".to_owned(),
        _ => format!("after {dialled} attempts"),
    }
}

fn connect_failed(failure: DialFailure, message: String) -> Refusal {
    let connect = ConnectRefusal {
        reason: Some(failure.reason),
        status: failure.status,
        detail: Some(failure.detail),
        request_id: failure.request_id,
        retry_after: failure.retry_after,
    };
    Refusal { connect: Some(Box::new(connect)), ..Refusal::new(ErrorCode::ConnectFailed, message) }
}
