//! The request for a WebSocket: what it asks for, or why it is refused.

use bytes::{Buf, BytesMut};
use httparse::{EMPTY_HEADER, Header, Status};

use super::caller::{self, Caller};
use super::query;
use super::sdk::sdk_of;
use crate::ipc::open::Open;
use crate::live::Speaker;
use protocol::frame::AppFrameType;
use protocol::websocket;
use session::trace::TraceContext;
use session::{Dialect, Endpoint, ErrorCode, Refusal, SessionId};

/// The longest head of a request, in bytes (contract, section 9).
pub(super) const HEAD_BYTES_MAX: usize = 16 << 10;

/// Most headers of a request.
const HEADERS_MAX: usize = 100;

/// The longest item of `Sec-WebSocket-Protocol` that is repeated in the answer.
const SUBPROTOCOL_BYTES_MAX: usize = 64;

/// With which byte the native protocol begins: the type of an OPEN.
const NATIVE_OPEN: u8 = AppFrameType::Open as u8;

/// With which byte a TLS connection begins: a record of its handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// A request for a session.
#[derive(Debug)]
pub struct Request {
    pub open: Open,
    /// Whether the application wants to be told what the session tells in its own words.
    pub wants_events: bool,
    pub speaker: Speaker,
    /// What it was authorized with, should anybody ask.
    pub credential: Option<String>,
    /// A browser's page has made it.
    pub is_from_page: bool,
    pub(super) upgrade: Upgrade,
}

impl Request {
    /// Whose it is, should it be refused.
    pub fn caller(&self) -> Caller {
        Caller::new(self.open.endpoint.path(), self.speaker.user_agent())
    }
}

/// What the answer to it must repeat.
#[derive(Debug)]
pub(super) struct Upgrade {
    /// `Sec-WebSocket-Accept`.
    pub(super) accept: String,
    /// The first item of `Sec-WebSocket-Protocol`.
    pub(super) subprotocol: Option<String>,
}

/// Why there is no session, as a refusal and as an HTTP status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRefusal {
    pub status: u16,
    pub refusal: Refusal,
    /// `None` if there was not even the first line of a request.
    pub caller: Option<Box<Caller>>,
}

impl HttpRefusal {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, refusal: Refusal::new(ErrorCode::BadFrame, message), caller: None }
    }

    /// The same with the request's sender.
    pub fn told_to(self, caller: Caller) -> Self {
        Self { caller: Some(Box::new(caller)), ..self }
    }
}

impl From<Refusal> for HttpRefusal {
    fn from(refusal: Refusal) -> Self {
        Self { status: status_of(refusal.code), refusal, caller: None }
    }
}

/// The status of a refusal that is not Deepgram's.
pub(super) fn status_of(code: ErrorCode) -> u16 {
    match code {
        ErrorCode::PeerNotAllowed => 403,
        ErrorCode::SessionIdInUse => 409,
        ErrorCode::TooManySessions | ErrorCode::Draining => 503,
        ErrorCode::ConnectFailed => 502,
        _ => 400,
    }
}

/// Takes a request off the front of what has come; `None` means more bytes are needed.
///
/// # Errors
/// Why it is no request for a session, and the status that says so.
pub fn read(inbound: &mut BytesMut) -> Result<Option<Request>, HttpRefusal> {
    if let Some(complaint) = inbound.first().and_then(|first| other_protocol(*first)) {
        return Err(HttpRefusal::new(400, complaint));
    }
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    let parsed = head.parse(inbound);
    // Of a head that is not whole, it has what came before the mistake.
    let head = Head::of(&head);
    let read = match parsed {
        Ok(Status::Complete(length)) if length <= HEAD_BYTES_MAX => {
            head.request().map(|request| (request, length))
        }
        Ok(Status::Partial) if inbound.len() < HEAD_BYTES_MAX => return Ok(None),
        Ok(_) => Err(HttpRefusal::new(431, "the request's head is over 16 KiB; send less")),
        Err(error) => Err(malformed(error)),
    };
    match read {
        Ok((request, length)) => {
            inbound.advance(length);
            Ok(Some(request))
        }
        Err(refused) if head.target.is_empty() => Err(refused),
        Err(refused) => Err(refused.told_to(head.caller())),
    }
}

/// What is spoken instead of HTTP, if the first byte tells.
fn other_protocol(first: u8) -> Option<&'static str> {
    match first {
        TLS_HANDSHAKE => Some("this is TLS; use ws:// or http:// here"),
        NATIVE_OPEN => Some(
            "the native protocol is spoken on the Unix socket only; connect there, or ask for a \
             WebSocket here",
        ),
        _ => None,
    }
}

/// The parser's own words would speak of tokens, which here are something else.
fn malformed(error: httparse::Error) -> HttpRefusal {
    use httparse::Error;
    match error {
        Error::TooManyHeaders => {
            HttpRefusal::new(431, format!("over {HEADERS_MAX} headers; send fewer"))
        }
        Error::HeaderName | Error::HeaderValue => {
            HttpRefusal::new(400, "a header has a character that may not stand there")
        }
        Error::Version => HttpRefusal::new(400, "an upgrade needs HTTP/1.1"),
        Error::Token | Error::NewLine | Error::Status => HttpRefusal::new(
            400,
            "this is no HTTP request; connect with a WebSocket client or one of Deepgram's SDKs",
        ),
    }
}

/// A head, whole if it is to become a request.
struct Head<'h> {
    method: &'h str,
    target: &'h str,
    is_http_11: bool,
    headers: &'h [Header<'h>],
}

impl<'h> Head<'h> {
    fn of(request: &'h httparse::Request<'_, '_>) -> Self {
        Self {
            method: request.method.unwrap_or_default(),
            target: request.path.unwrap_or_default(),
            is_http_11: request.version == Some(1),
            headers: request.headers,
        }
    }

    fn request(&self) -> Result<Request, HttpRefusal> {
        if self.method != "GET" {
            let message = "only GET, with an upgrade to WebSocket, is served here";
            return Err(HttpRefusal::new(405, message));
        }
        let (path, query) = self.target.split_once('?').unwrap_or((self.target, ""));
        let endpoint = endpoint(path)?;
        self.check_upgrade()?;
        let upgrade = self.upgrade()?;
        let asked = query::read(endpoint, query)?;
        let mut open = asked.open;
        if open.session_id.is_none() {
            open.session_id = self.header("x-session-id")?.map(session_id).transpose()?;
        }
        // One that stands twice is malformed, which is forgiven.
        open.traceparent = self.header("traceparent").ok().flatten().and_then(TraceContext::parse);
        open.traceparent_malformed =
            self.find("traceparent").is_some() && open.traceparent.is_none();
        let user_agent = self.user_agent().unwrap_or_default();
        let end = user_agent.floor_char_boundary(caller::BYTES_MAX);
        Ok(Request {
            open,
            wants_events: asked.wants_events,
            speaker: Speaker {
                dialect: Dialect::Compatible,
                sdk: Some(sdk_of(user_agent)),
                user_agent: user_agent[..end].into(),
            },
            credential: self.credential()?,
            is_from_page: self.find("origin").is_some(),
            upgrade,
        })
    }

    fn user_agent(&self) -> Option<&'h str> {
        self.header("user-agent").ok().flatten()
    }

    fn caller(&self) -> Caller {
        Caller::new(self.target, self.user_agent())
    }

    fn check_upgrade(&self) -> Result<(), HttpRefusal> {
        let is_upgrade = self.lists("upgrade", "websocket") && self.lists("connection", "upgrade");
        if !is_upgrade {
            let message = "this is a WebSocket, as Deepgram's own: ask for an upgrade, or point \
                           Deepgram's SDK here";
            return Err(HttpRefusal::new(426, message));
        }
        if self.header("sec-websocket-version")? != Some("13") {
            return Err(HttpRefusal::new(426, "Sec-WebSocket-Version must be 13"));
        }
        if !self.is_http_11 {
            return Err(HttpRefusal::new(400, "an upgrade needs HTTP/1.1"));
        }
        let length = self.header("content-length")?.unwrap_or("0");
        if length != "0" || self.find("transfer-encoding").is_some() {
            return Err(HttpRefusal::new(400, "a request for an upgrade has no body"));
        }
        Ok(())
    }

    fn upgrade(&self) -> Result<Upgrade, HttpRefusal> {
        let Some(key) = self.header("sec-websocket-key")? else {
            return Err(HttpRefusal::new(400, "Sec-WebSocket-Key is missing"));
        };
        let subprotocol = self.subprotocols()?.next().map(str::to_owned);
        // It is repeated in the answer, and must be what was offered there.
        let is_plain = |it: &str| it.bytes().all(|byte| byte.is_ascii_graphic());
        if subprotocol.as_ref().is_some_and(|it| it.len() > SUBPROTOCOL_BYTES_MAX || !is_plain(it))
        {
            let message =
                "the first item of Sec-WebSocket-Protocol must be up to 64 bytes of ASCII";
            return Err(HttpRefusal::new(400, message));
        }
        Ok(Upgrade { accept: websocket::accept_key(key), subprotocol })
    }

    /// What follows the scheme, in the header or as the second subprotocol.
    fn credential(&self) -> Result<Option<String>, HttpRefusal> {
        let header = self.header("authorization")?.and_then(|it| it.split_once(' '));
        let credential = match header {
            Some((_, credential)) => Some(credential.trim()),
            None => self.subprotocols()?.nth(1),
        };
        Ok(credential.map(str::to_owned))
    }

    fn subprotocols(&self) -> Result<impl Iterator<Item = &'h str> + use<'h>, HttpRefusal> {
        let list = self.header("sec-websocket-protocol")?.unwrap_or_default();
        Ok(list.split(',').map(str::trim).filter(|item| !item.is_empty()))
    }

    /// Whether a header that is a list, in one line or in several, has this item.
    fn lists(&self, name: &str, wanted: &str) -> bool {
        let named = self.headers.iter().filter(|it| it.name.eq_ignore_ascii_case(name));
        let texts = named.filter_map(|it| std::str::from_utf8(it.value).ok());
        texts.flat_map(|text| text.split(',')).any(|it| it.trim().eq_ignore_ascii_case(wanted))
    }

    /// A header's text; two of one name would leave open which is meant.
    fn header(&self, name: &str) -> Result<Option<&'h str>, HttpRefusal> {
        let mut named = self.headers.iter().filter(|it| it.name.eq_ignore_ascii_case(name));
        let Some(header) = named.next() else { return Ok(None) };
        if named.next().is_some() {
            return Err(HttpRefusal::new(400, format!("{name} stands twice; send it once")));
        }
        match std::str::from_utf8(header.value) {
            Ok(text) => Ok(Some(text.trim())),
            Err(_) => Err(HttpRefusal::new(400, format!("{name} is not text"))),
        }
    }

    fn find(&self, name: &str) -> Option<&Header<'h>> {
        self.headers.iter().find(|it| it.name.eq_ignore_ascii_case(name))
    }
}

/// An address with a slash at its end makes two of them.
fn endpoint(path: &str) -> Result<Endpoint, HttpRefusal> {
    let asked = path.trim_start_matches('/');
    let is_it = |it: &Endpoint| path.starts_with('/') && it.path().trim_start_matches('/') == asked;
    let served = Endpoint::ALL.into_iter().find(is_it);
    served.ok_or_else(|| {
        let [others @ .., last] = Endpoint::ALL.map(Endpoint::path);
        let message = format!(
            "there is nothing here; {} and {last} are served: check that the address ends after the port",
            others.join(", ")
        );
        HttpRefusal::new(404, message)
    })
}

fn session_id(text: &str) -> Result<SessionId, HttpRefusal> {
    SessionId::parse(text).ok_or_else(|| {
        let message = "x-session-id must be 1 to 64 of A-Z a-z 0-9 . _ : -";
        Refusal::of_field(ErrorCode::InvalidOpen, "x-session-id", message).into()
    })
}

#[cfg(test)]
mod tests;
