//! What an error on the socket means as a cause of death.

use std::io;

use tokio_rustls::rustls;
use tokio_tungstenite::tungstenite::{Error, error::ProtocolError};

use session::death::Reason;

/// The cause that an error on the socket names.
pub fn reason_of_error(error: &Error) -> Reason {
    match error {
        Error::Io(error) => reason_of_io(error),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::ConnectionClosed => {
            Reason::EofWithoutClose
        }
        Error::Protocol(ProtocolError::SendAfterClosing)
        | Error::AlreadyClosed
        | Error::WriteBufferFull(_) => Reason::InternalError,
        Error::Protocol(_) | Error::Capacity(_) | Error::Utf8(_) | Error::AttackAttempt => {
            Reason::WsProtocol
        }
        Error::Tls(_) => Reason::TlsFailed,
        Error::Url(_) | Error::Http(_) | Error::HttpFormat(_) => Reason::InternalError,
    }
}

/// The code that tells Deepgram what was wrong with what it sent (RFC 6455, section 7.4.1); `None` if
/// nothing was.
pub fn close_code_of(error: &Error) -> Option<u16> {
    match error {
        Error::Utf8(_) => Some(1007),
        Error::Capacity(_) => Some(1009),
        error if reason_of_error(error) == Reason::WsProtocol => Some(1002),
        _ => None,
    }
}

/// The error in words. The library calls an end of stream a reset, or a normal close.
pub fn detail_of_error(error: &Error) -> String {
    match reason_of_error(error) {
        Reason::EofWithoutClose => "the stream ended without a close frame".to_owned(),
        _ => error.to_string(),
    }
}

fn reason_of_io(error: &io::Error) -> Reason {
    if error.get_ref().is_some_and(|it| it.is::<rustls::Error>()) {
        return Reason::TlsFailed;
    }
    match error.kind() {
        io::ErrorKind::BrokenPipe => Reason::BrokenPipe,
        // rustls' word for a peer that left without close_notify.
        io::ErrorKind::UnexpectedEof => Reason::EofWithoutClose,
        // TCP_USER_TIMEOUT: what was sent was never acknowledged.
        io::ErrorKind::TimedOut => Reason::WriteStalled,
        io::ErrorKind::InvalidData => Reason::TlsFailed,
        _ => Reason::ConnectionReset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_their_cause() {
        let io = |kind: io::ErrorKind| reason_of_error(&Error::Io(kind.into()));
        assert_eq!(io(io::ErrorKind::ConnectionReset), Reason::ConnectionReset);
        assert_eq!(io(io::ErrorKind::BrokenPipe), Reason::BrokenPipe);
        assert_eq!(io(io::ErrorKind::UnexpectedEof), Reason::EofWithoutClose);
        assert_eq!(io(io::ErrorKind::TimedOut), Reason::WriteStalled);
        let tls = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::DecryptError);
        assert_eq!(reason_of_error(&Error::Io(tls)), Reason::TlsFailed);
        let reserved = Error::Protocol(ProtocolError::NonZeroReservedBits);
        assert_eq!(reason_of_error(&reserved), Reason::WsProtocol);
    }
}
