//! HTTP proxies: gone through, or refused at the start, but never passed by without a word.

use std::net::SocketAddr;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::doctor::examine;
use crate::support::{App, Config, Emulator, listen, run_to_exit, sidecar_command, within};

/// A proxy that connects whatever it is asked for to one address.
struct Proxy {
    addr: SocketAddr,
    /// The head of each request.
    heads: mpsc::Receiver<String>,
    _serving: JoinSet<()>,
}

impl Proxy {
    /// `None` refuses with 407.
    async fn to(target: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (sender, heads) = mpsc::channel(64);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut tunnels = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                tunnels.spawn(tunnel(stream, target, sender.clone()));
            }
        });
        Self { addr, heads, _serving: serving }
    }

    async fn head(&mut self) -> String {
        within("a request to the proxy", self.heads.recv()).await.unwrap()
    }
}

async fn tunnel(mut app: TcpStream, target: Option<SocketAddr>, heads: mpsc::Sender<String>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(app.read_u8().await.unwrap());
    }
    heads.send(String::from_utf8(head).unwrap()).await.unwrap();
    let Some(target) = target else {
        let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
        return app.write_all(refusal).await.unwrap();
    };
    let mut far = TcpStream::connect(target).await.unwrap();
    app.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
    let _ = tokio::io::copy_bidirectional(&mut app, &mut far).await;
}

#[tokio::test]
async fn deepgram_is_reached_through_the_proxy_which_looks_its_name_up() {
    let emulator = Emulator::start().await;
    let mut proxy = Proxy::to(Some(emulator.addr())).await;
    let mut sidecar = Config::dialing_url("ws://deepgram.test:8080")
        .environment("HTTP_PROXY", &format!("http://user:p%40ssword@{}", proxy.addr))
        .start()
        .await;
    let used = sidecar.process.log().event("proxy_used").await;
    assert_eq!(used["destination"], "upstream.url");
    assert_eq!(used["proxy"], format!("http://{}/", proxy.addr));
    let mut app = App::open(&sidecar, &listen("through")).await;
    app.speak(5).await;
    assert_eq!(app.finish().await.outcome, "finished");
    let head = proxy.head().await;
    assert!(head.starts_with("CONNECT deepgram.test:8080 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("proxy-authorization: Basic dXNlcjpwQHNzd29yZA==\r\n"), "{head}");
    assert!(!head.to_lowercase().contains("\r\nauthorization"), "the key is not the proxy's");
    sidecar.process.signal(rustix::process::Signal::TERM);
    assert!(sidecar.process.exit().await.success());
    let log = sidecar.process.log().whole().await;
    assert!(!log.contains("p@ssword") && !log.contains("p%40ssword"), "{log}");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_and_so_is_its_answer() {
    let mut proxy = Proxy::to(None).await;
    let sidecar = Config::dialing_url("ws://deepgram.test")
        .environment("ALL_PROXY", &proxy.addr.to_string())
        .start()
        .await;
    let refusal = App::dial(&sidecar, &listen("refused")).await.refusal().await;
    assert_eq!((refusal.reason.as_deref(), refusal.status), (Some("tcp"), None));
    let expected =
        "no connection to Deepgram, after 1 attempt: the HTTP proxy refused; correct user";
    assert!(refusal.message.starts_with(expected), "a 407 is final: {}", refusal.message);
    let detail = refusal.detail.unwrap();
    assert!(detail.contains(&format!("{} (ALL_PROXY)", proxy.addr)), "{detail}");
    assert!(detail.contains("407"), "{detail}");
    proxy.head().await;
}

/// An address that nobody serves, and that nobody else can take meanwhile.
fn unserved() -> (tokio::net::TcpSocket, SocketAddr) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_blamed_instead_of_deepgram() {
    let (_socket, address) = unserved();
    for (proxy, reason) in [(address.to_string(), "tcp"), ("nosuch.invalid:3128".into(), "dns")] {
        let config = Config::dialing_url("ws://deepgram.test:8080")
            .environment("HTTP_PROXY", &format!("http://user:secret@{proxy}"))
            .set("upstream.connect_attempts", 1);
        let sidecar = config.start().await;
        let refusal = App::dial(&sidecar, &listen("unreached")).await.refusal().await;
        assert_eq!(refusal.reason.as_deref(), Some(reason));
        assert!(refusal.message.contains("the HTTP proxy cannot be reached"), "{refusal:?}");
        let detail = refusal.detail.unwrap();
        assert!(detail.contains(&format!("the proxy {proxy} (HTTP_PROXY): ")), "{detail}");
        let found = examine(&config, &[]).await;
        found.assert_only(reason, &format!("the proxy's address in HTTP_PROXY ({proxy})"));
        let advice = found.row(reason)["advice"].as_str().unwrap();
        assert!(!advice.contains("upstream.url"), "{advice}");
    }
}

#[tokio::test]
async fn no_proxy_is_honoured() {
    let proxy = Proxy::to(None).await;
    let sidecar = Config::dialing_url("ws://deepgram.test")
        .environment("HTTP_PROXY", &format!("http://{}", proxy.addr))
        .environment("NO_PROXY", "cluster.local,.test")
        .set("upstream.connect_attempts", 1)
        .start()
        .await;
    let refusal = App::dial(&sidecar, &listen("direct")).await.refusal().await;
    assert_eq!(refusal.reason.as_deref(), Some("dns"), "looked up here: {refusal:?}");
}

#[tokio::test]
async fn a_proxy_that_cannot_be_used_stops_the_start() {
    for subcommand in ["run", "check-config"] {
        let mut command = sidecar_command();
        command.arg(subcommand).envs([
            ("DEEPGRAM_API_KEY", "k"),
            ("HTTPS_PROXY", "socks5://user:password@proxy:1080"),
        ]);
        let refused = run_to_exit(&mut command).await;
        assert_eq!(refused.status.code(), Some(2), "{subcommand}");
        let text = String::from_utf8(refused.stderr).unwrap();
        assert!(text.contains("HTTPS_PROXY") && text.contains("NO_PROXY"), "{text}");
        assert!(!text.contains("password"), "{text}");
    }
}

#[tokio::test]
async fn the_collector_is_reached_through_the_proxy_too() {
    let emulator = Emulator::start().await;
    let mut proxy = Proxy::to(None).await;
    let sidecar = Config::dialing(&emulator)
        .set("telemetry.otlp.endpoint", "http://collector.test:4318")
        .environment("HTTP_PROXY", &format!("http://{}", proxy.addr))
        .start()
        .await;
    let used = sidecar.process.log().event("proxy_used").await;
    assert_eq!(used["destination"], json!("telemetry.otlp"), "127.0.0.1 is never proxied");
    App::open(&sidecar, &listen("traced")).await.finish().await;
    let head = proxy.head().await;
    assert!(head.starts_with("CONNECT collector.test:4318 HTTP/1.1\r\n"), "{head}");
    sidecar.process.log().event("otlp_failing").await;
}

#[tokio::test]
async fn doctor_goes_through_it_as_the_daemon_does_and_says_when_it_does_not_let_us() {
    let emulator = Emulator::start().await;
    let open = Proxy::to(Some(emulator.addr())).await;
    let shut = Proxy::to(None).await;
    let config = |proxy: &Proxy| {
        Config::dialing_url("ws://deepgram.test:8080")
            .environment("HTTP_PROXY", &format!("http://user:secret@{}", proxy.addr))
    };
    let found = examine(&config(&open), &[]).await;
    assert_eq!(found.code, Some(0), "{:#}", found.report);
    assert_eq!(found.row("proxy")["detail"], "a tunnel to deepgram.test:8080");
    let found = examine(&config(&shut), &[]).await;
    found.assert_only("proxy", "the HTTP proxy from HTTP_PROXY does not let us through");
    let detail = found.row("proxy")["detail"].as_str().unwrap();
    assert!(detail.contains("407") && !detail.contains("secret"), "{detail}");
}
