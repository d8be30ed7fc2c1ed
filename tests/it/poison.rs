//! Texts that mean no good, from applications and from Deepgram: nothing that reads metrics or logs
//! is misled by them, and there is no more to read than without them.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::support::{App, Config, Prometheus, Sidecar, assert_promtool_finds_nothing, listen};

/// What a request for a stream is answered.
enum Answer {
    /// Bytes, whatever was asked.
    Bytes(Vec<u8>),
    /// A stream with this `dg-request-id`, and all that comes on it.
    Stream { request_id: Vec<u8>, frames: Vec<u8> },
}

/// A Deepgram that says whatever it is told to, one answer for each request for a stream.
struct RudeDeepgram {
    addr: SocketAddr,
    answers: mpsc::Sender<Answer>,
    _server: JoinSet<()>,
}

impl RudeDeepgram {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (answers, mut coming) = mpsc::channel(1);
        let mut server = JoinSet::new();
        server.spawn(async move {
            while let Some(answer) = coming.recv().await {
                let (stream, _) = listener.accept().await.unwrap();
                serve(stream, answer).await;
            }
        });
        Self { addr, answers, _server: server }
    }

    /// The next request is refused, with these bytes as Deepgram's error and as the body.
    fn refuse(&self, dg_error: &[u8], body: &[u8]) {
        let length = format!("\r\ncontent-length: {}\r\n\r\n", body.len());
        let head = b"HTTP/1.1 403 Forbidden\r\ndg-error: ";
        self.say(Answer::Bytes([head, dg_error, length.as_bytes(), body].concat()));
    }

    /// The next request gets a stream.
    fn accept(&self, request_id: &[u8], frames: &[Vec<u8>]) {
        self.say(Answer::Stream { request_id: request_id.to_vec(), frames: frames.concat() });
    }

    fn say(&self, answer: Answer) {
        assert!(self.answers.try_send(answer).is_ok(), "it has not said the last thing yet");
    }
}

/// Answers the request, and reads until the daemon has gone.
async fn serve(mut stream: TcpStream, answer: Answer) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    let bytes = match answer {
        Answer::Bytes(bytes) => bytes,
        Answer::Stream { request_id, frames } => {
            [upgrade(&String::from_utf8(request).unwrap()), request_id, b"\r\n\r\n".into(), frames]
                .concat()
        }
    };
    // The daemon may have read enough before it has read all.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// The head of an upgrade's answer, up to the value of `dg-request-id`.
fn upgrade(request: &str) -> Vec<u8> {
    let (_, key) = request.split_once("sec-websocket-key: ").unwrap();
    let accept = derive_accept_key(key.split_once('\r').unwrap().0.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-accept: {accept}\r\ndg-request-id: "
    )
    .into_bytes()
}

const TEXT: u8 = 1;
const CLOSE: u8 = 8;

/// A frame of a server's.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..126 => frame.push(length as u8),
        length => {
            frame.push(127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

fn close(reason: &[u8]) -> Vec<u8> {
    frame(CLOSE, &[&1011_u16.to_be_bytes(), reason].concat())
}

/// As much of a text as there is room for.
fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// Bytes that are no text in any place where there could be one.
const NO_UTF8: &[u8] = b"\xc0\x80 \xff\xfe\" \xed\xa0\x80";

/// Puts a text into every place where there is room for one, and non-UTF-8 where the wire lets it.
async fn spread(rude: &RudeDeepgram, sidecar: &Sidecar, text: &str) {
    let error = json!({"type": "Error", "description": text, "message": text, "variant": text});
    let frames = [
        frame(TEXT, error.to_string().as_bytes()),
        frame(TEXT, text.as_bytes()),
        close(cut(text, 123).as_bytes()),
    ];
    rude.accept(b"a\"b\\c", &frames);
    die(sidecar, text).await;
    rude.accept(NO_UTF8, &[close(NO_UTF8)]);
    die(sidecar, text).await;
    rude.accept(NO_UTF8, &[frame(TEXT, NO_UTF8)]);
    die(sidecar, text).await;

    let body = json!({"err_code": text, "err_msg": text, "details": text, "request_id": text});
    rude.refuse(b"no", cut(&body.to_string(), 64 << 10).as_bytes());
    be_refused(sidecar, "connect_failed", OPEN.as_bytes()).await;
    rude.refuse(NO_UTF8, b"");
    be_refused(sidecar, "connect_failed", OPEN.as_bytes()).await;
    rude.refuse(NO_UTF8, &NO_UTF8.repeat(5_000));
    be_refused(sidecar, "connect_failed", OPEN.as_bytes()).await;

    for open in [
        json!({"protocol": 1, text: 1}),
        json!({"protocol": 1, "session_id": format!("{text} ")}),
        json!({"protocol": 1, "path": text}),
        json!({"protocol": 1, "params": {text: null}}),
        json!({"protocol": 1, "vad": {"mode": text}}),
        json!({"protocol": 1, "prelude": {text: 1}}),
        json!({"protocol": 1, "tags": {text: 1}}),
    ] {
        be_refused(sidecar, "invalid_open", open.to_string().as_bytes()).await;
    }
    be_refused(sidecar, "invalid_open", NO_UTF8).await;
}

const OPEN: &str = r#"{"protocol":1}"#;

/// A session that carries the text wherever an application may put one, and whose connection dies.
async fn die(sidecar: &Sidecar, text: &str) {
    let tagged = (0..16)
        .fold(listen("poisoned"), |open, number| open.tag(format!("tag-{number}"), cut(text, 256)));
    let request = tagged.param("model", cut(text, 1_000)).param(cut(text, 1_000), "x");
    let mut app = App::open(sidecar, &request.traceparent(text)).await;
    app.event("dead").await;
    app.finish().await;
}

/// What an application is told has a bound, whatever it said.
async fn be_refused(sidecar: &Sidecar, code: &str, open: &[u8]) {
    let mut app = App::connect(sidecar).await;
    app.sender.send_frame(0x01, open).await.unwrap();
    let refusal = app.refusal().await;
    assert_eq!(refusal.code, code);
    let told = serde_json::to_string(&refusal).unwrap();
    assert!(told.len() < 16 << 10, "{} bytes: {}", told.len(), cut(&told, 200));
}

/// The series of a page, without their values.
fn series(page: &str) -> BTreeSet<String> {
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

/// Most bytes of a line: all the tags that a session may have, where every byte must be escaped, and
/// as much again.
const LINE_BYTES_MAX: usize = 48 << 10;

fn assert_lines_are_objects(sidecar: &Sidecar) {
    let lines = sidecar.process.log().lines();
    for line in &lines {
        let object = serde_json::from_str(line);
        assert!(matches!(object, Ok(Value::Object(_))), "{}", cut(line, 1_000));
        assert!(line.len() < LINE_BYTES_MAX, "{} bytes: {}", line.len(), cut(line, 1_000));
    }
    for name in ["session_end", "upstream_lost", "dial_failed", "session_rejected", "session_error"]
    {
        assert!(lines.iter().any(|line| line.contains(&format!("\"event\":\"{name}\""))), "{name}");
    }
}

#[tokio::test]
async fn no_text_makes_a_series_breaks_a_page_or_a_line_or_grows_without_a_bound() {
    let rude = RudeDeepgram::start().await;
    let config = Config::dialing_url(&format!("ws://{}", rude.addr));
    let sidecar = config.set("upstream.connect_attempts", 1).start().await;
    let prometheus = Prometheus::scraping(&sidecar).await;
    spread(&rude, &sidecar, "plain").await;
    let harmless = series(sidecar.metrics().await.page());

    let nasty = "\"},x=\"y\"} 1\n# TYPE a counter\na{b=\"c\"} 1 # {} 1\n# EOF\n\\\\\" \r\t\0\u{1b}[2J\
                 \u{7f}\u{9b}\u{2028}\u{feff}\u{202e}é💥\\";
    for text in [nasty, &nasty.repeat(700), &"\0".repeat(64 << 10), &"\"".repeat(64 << 10)] {
        spread(&rude, &sidecar, text).await;
    }
    prometheus.scrape().await;
    assert_eq!(series(sidecar.metrics().await.page()), harmless);
    for page in ["/metrics", "/metrics/sessions"] {
        assert_promtool_finds_nothing(&sidecar.page(page).await.1).await;
    }
    assert_eq!(prometheus.number("count(min_over_time(up[1h]) == 1)").await, 2.0);
    assert_eq!(prometheus.number("sum($connection_deaths_total)").await, 15.0);
    assert_eq!(prometheus.number("$panics_total").await, 0.0);
    assert_lines_are_objects(&sidecar);
}
