//! The endpoints that turn text into audio, and what they share: the form of the audio, and a
//! limit by the minute.

pub(super) mod aura;
pub(super) mod flux;
mod minute;

use std::time::Instant;

use super::Output;
use super::voice::Form;
use crate::query::{BadQuery, Query};
use crate::record::End;
use crate::settings::Settings;

/// Texts, marks and pieces of audio that may wait; more stop the reading.
const JOBS_MAX: usize = 4_096;

const RATES_OF_G711: [u32; 2] = [8_000, 16_000];

/// Reads the form of the audio. `rates` are those of linear16.
fn form(query: &Query, rates: &[u32]) -> Result<Form, BadQuery> {
    let encoding = query.last("encoding").unwrap_or("linear16");
    let (rates, usual) = match encoding {
        "linear16" => (rates, 24_000),
        "mulaw" | "alaw" => (&RATES_OF_G711[..], 8_000),
        other => {
            return Err(BadQuery::parameter(format!("unknown variant `{other}` for `encoding`")));
        }
    };
    let rate = query.number("sample_rate")?.unwrap_or(usual);
    if !rates.contains(&rate) {
        return Err(BadQuery::parameter(format!("`sample_rate` must be one of {rates:?}")));
    }
    let speed = query.number("speed")?.unwrap_or(1.0);
    check_speed(speed).map_err(BadQuery::parameter)?;
    Ok(Form::new(encoding, rate, speed))
}

fn check_speed(speed: f32) -> Result<(), String> {
    let is_sound = (0.7..=1.5).contains(&speed);
    if is_sound { Ok(()) } else { Err("speed must be between 0.7 and 1.5".into()) }
}

/// A close frame with one of Deepgram's codes as its reason: the whole sentence is not known.
fn close(code: u16, reason: &str, end: End) -> Output {
    Output::Close { code: Some(code), reason: reason.to_owned(), end }
}

/// When a stream that was opened then is too old.
fn session_end(settings: &Settings, opened: Instant) -> Option<Instant> {
    let longest = settings.speak.session_max;
    (!longest.is_zero()).then(|| opened + longest)
}
