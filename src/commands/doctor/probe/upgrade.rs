//! Judgements on how an upgrade was answered.

use super::super::answer::Question;
use super::super::recorded::HttpAnswer;
use super::judge::{Found, found};
use session::dial::DialFailure;

/// A refusal, with the answer as it was received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal<'a> {
    pub(super) failure: &'a DialFailure,
    /// `None` if it was not HTTP.
    pub(super) answer: Option<&'a HttpAnswer>,
}

pub(super) fn unknown_parameter(refusal: Option<Refusal<'_>>) -> Found {
    let seen = shape(refusal);
    found(Question::UnknownParameter, "101: it is ignored", seen, refusal.is_none())
}

pub(super) fn bad_parameter(refusal: Option<Refusal<'_>>) -> Found {
    shaped(Question::BadParameter, 400, refusal)
}

pub(super) fn no_key(refusal: Option<Refusal<'_>>) -> Found {
    shaped(Question::NoKey, 401, refusal)
}

fn shaped(question: Question, status: u16, refusal: Option<Refusal<'_>>) -> Found {
    let expected = format!(
        "{status}, application/json, dg-request-id, dg-error as err_msg, body \
         {{err_code, err_msg, request_id}}"
    );
    let seen = shape(refusal);
    let agrees = seen == expected;
    found(question, expected, seen, agrees)
}

/// The parts of a refusal that clients may rely on.
fn shape(refusal: Option<Refusal<'_>>) -> String {
    let Some(Refusal { failure, answer }) = refusal else { return "101".into() };
    let Some(answer) = answer else { return failure.detail.clone() };
    let body = answer.json();
    let message = body.as_ref().and_then(|it| it.get("err_msg")?.as_str());
    let error = match answer.header("dg-error") {
        None => "no dg-error",
        text if text == message => "dg-error as err_msg",
        Some(_) => "dg-error",
    };
    let id = answer.header("dg-request-id").map_or("no dg-request-id", |_| "dg-request-id");
    let members = match &body {
        Some(body) => format!("body {{{}}}", body.keys().cloned().collect::<Vec<_>>().join(", ")),
        None => "no JSON in the body".into(),
    };
    let content_type = answer.header("content-type").unwrap_or("no content-type");
    format!("{}, {content_type}, {id}, {error}, {members}", answer.status)
}
