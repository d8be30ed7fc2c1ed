//! Faults of the network between the sidecar and Deepgram: names, addresses, packets, TLS.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::process::Command;

use crate::support::{Config, Emulator, Sidecar, run_to_exit};
use crate::tls::Certificates;

use super::dials::dialled;
use super::line::{Fault, Line};
use super::names::{Answer, NAME, Names, file, with_file};
use super::row::{SLACK, deepgram, reconnecting, reconnecting_to};
use super::story::{FRAMES, Story, stream};
use super::wire::Wire;

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Box::pin(nobody_listens()),
        Box::pin(no_such_name()),
        Box::pin(slow_name_at_first()),
        Box::pin(no_such_name_later()),
        Box::pin(slow_name_later()),
        Box::pin(black_hole()),
        Box::pin(dropped_packets()),
        Box::pin(no_certificate()),
        Box::pin(no_tls()),
        Box::pin(spoiled_tls()),
        Box::pin(spoiled_handshakes()),
    ]
}

async fn nobody_listens() -> Line {
    let addr = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let config = reconnecting_to(&format!("ws://{addr}"));
    dialled("nobody listens at the address".into(), &config, "tcp", Duration::ZERO).await
}

/// An emulator behind a name.
fn named(emulator: &Emulator) -> Config {
    reconnecting_to(&format!("ws://{NAME}:{}", emulator.addr().port()))
}

async fn no_such_name() -> Line {
    let names = Names::start(Answer::NotFound).await;
    let config = names.asked_by(reconnecting_to(&format!("ws://{NAME}:80")));
    dialled("DNS does not know the name".into(), &config, "dns", Duration::ZERO).await
}

/// Slower than one attempt may be: it is the attempt's time that is up.
async fn slow_name_at_first() -> Line {
    let names = Names::start(Answer::After(4 * SECOND)).await;
    let config = names.asked_by(reconnecting_to(&format!("ws://{NAME}:80")));
    let fault = "DNS answers after the timeout of a dial".into();
    dialled(fault, &config, "timeout", SECOND).await
}

async fn no_such_name_later() -> Line {
    let emulator = Emulator::with(deepgram(), &[]).await;
    let names = Names::start(Answer::After(Duration::ZERO)).await;
    let sidecar = names.asked_by(named(&emulator)).start().await;
    let story = stream(&sidecar, FRAMES, async || {
        names.answer(Answer::NotFound);
        emulator.change("now: [reset]").await;
    });
    let heal = async {
        redialled(&sidecar, 3).await;
        names.answer(Answer::After(Duration::ZERO));
    };
    let (story, ()) = tokio::join!(story, heal);
    recovered("a reset, then DNS does not know the name, twice", &["dns"], &story)
}

async fn slow_name_later() -> Line {
    let emulator = Emulator::with(deepgram(), &[]).await;
    let names = Names::start(Answer::After(Duration::ZERO)).await;
    let sidecar = names.asked_by(named(&emulator)).start().await;
    let story = stream(&sidecar, FRAMES, async || {
        names.answer(Answer::After(2 * SECOND));
        emulator.change("now: [reset]").await;
    })
    .await;
    assert!(story.gap_ms >= 2_000, "{story:#?}");
    recovered("a reset, then DNS takes 2 s", &["connection_reset"], &story)
}

/// Takes no further connection, and refuses none: what a lost packet looks like.
async fn fill(addr: SocketAddr) -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(addr).unwrap();
    let listener = socket.listen(1).unwrap();
    let mut waiting = Vec::new();
    let try_one = async || tokio::time::timeout(SECOND / 4, TcpStream::connect(addr)).await;
    while let Ok(connected) = try_one().await {
        waiting.push(connected.unwrap());
    }
    (listener, waiting)
}

async fn black_hole() -> Line {
    let emulator = Emulator::listening_at("127.0.0.9:0", deepgram(), &[]).await;
    let _hole = fill(SocketAddr::from(([127, 0, 0, 1], emulator.addr().port()))).await;
    let hosts = file(&format!("127.0.0.1 {NAME}\n127.0.0.9 {NAME}\n"));
    let sidecar = with_file(named(&emulator), &hosts, "/etc/hosts").start().await;
    let story = stream(&sidecar, FRAMES, async || emulator.change("now: [reset]").await).await;
    // The black hole was tried first, and given a head start.
    assert!(story.opened_in >= SECOND / 4 && story.opened_in < 5 * SECOND, "{story:#?}");
    recovered(
        "a reset, where the name's first address is a black hole",
        &["connection_reset"],
        &story,
    )
}

/// Both are alone in a network; what goes to the emulator's address is dropped without a word.
async fn dropped_packets() -> Line {
    let emulator = Emulator::isolated(deepgram()).await;
    let pid = emulator.process().pid().to_string();
    let route = async |verb| {
        let mut command = Command::new("nsenter");
        command.args(["--target", &pid, "--net", "ip", "route", verb]);
        let ended = run_to_exit(command.args(["blackhole", "127.0.0.2", "table", "local"])).await;
        assert!(ended.status.success(), "{ended:?}");
    };
    let sidecar = reconnecting(&emulator)
        .set("liveness.ping_interval", "500ms")
        .set("liveness.ping_timeout", "500ms")
        .wrapped(&["nsenter", "--target", &pid, "--net"])
        .start()
        .await;
    let story = stream(&sidecar, FRAMES, async || route("add").await);
    let heal = async {
        redialled(&sidecar, 2).await;
        route("del").await;
    };
    let (story, ()) = tokio::join!(story, heal);
    assert!(story.noticed().unwrap() < SECOND + SLACK, "{story:#?}");
    recovered("packets are dropped (half open)", &["ping_timeout"], &story)
}

async fn no_certificate() -> Line {
    let (trusted, shown) = (Certificates::new("127.0.0.1"), Certificates::new("127.0.0.1"));
    let emulator = shown.emulator().await;
    let config = secure(emulator.addr(), &trusted);
    dialled("TLS: nobody vouches for the certificate".into(), &config, "tls", Duration::ZERO).await
}

async fn no_tls() -> Line {
    let emulator = Emulator::start().await;
    let certificates = Certificates::new("127.0.0.1");
    let config = secure(emulator.addr(), &certificates);
    dialled("TLS: the server speaks none".into(), &config, "tls", Duration::ZERO).await
}

fn secure(addr: SocketAddr, authority: &Certificates) -> Config {
    reconnecting_to(&format!("wss://{addr}"))
        .set("upstream.allow_plaintext", false)
        .set("upstream.ca_file", authority.file("ca.pem").display())
}

/// A Deepgram with TLS, and the wire that leads to it.
async fn wired(certificates: &Certificates) -> (Emulator, Wire) {
    let (cert, key) = (certificates.file("server.pem"), certificates.file("server.key"));
    let arguments = ["--tls-cert".into(), cert, "--tls-key".into(), key];
    let emulator = Emulator::with_arguments(deepgram(), &[], &arguments).await;
    let wire = Wire::to(emulator.addr()).await;
    (emulator, wire)
}

async fn spoiled_tls() -> Line {
    let certificates = Certificates::new("127.0.0.1");
    let (_emulator, wire) = wired(&certificates).await;
    let sidecar = secure(wire.addr, &certificates).start().await;
    let story = stream(&sidecar, FRAMES, async || wire.spoil()).await;
    recovered("TLS: a record is spoiled", &["tls_failed"], &story)
}

async fn spoiled_handshakes() -> Line {
    let certificates = Certificates::new("127.0.0.1");
    let (_emulator, wire) = wired(&certificates).await;
    let sidecar = secure(wire.addr, &certificates).start().await;
    let story = stream(&sidecar, FRAMES, async || {
        wire.spoil_next(2);
        wire.spoil();
    })
    .await;
    recovered("TLS: the same, and two handshakes after it", &["tls"], &story)
}

/// Waits for the dial with this number after a death.
pub(super) async fn redialled(sidecar: &Sidecar, attempt: u64) {
    let fits = |line: &serde_json::Value| line["attempt"].as_u64() >= Some(attempt);
    sidecar.process.log().event_where("reconnecting", fits).await;
}

/// A session that lost nothing. One of the reasons is the death's, or that of a dial after it.
pub(super) fn recovered(fault: &str, reasons: &[&str], story: &Story) -> Line {
    let is_told = story.redials.iter().any(|told| reasons.contains(&&*told.reason));
    assert!(story.recovered > 0 && is_told, "{fault}: {story:#?}");
    story.assert_whole();
    let noticed = story.noticed();
    assert!(noticed.is_some_and(|noticed| noticed < SECOND + SLACK), "{fault}: {story:#?}");
    let reasons: Vec<String> = reasons.iter().map(|reason| format!("`{reason}`")).collect();
    Line {
        fault: fault.into(),
        reason: reasons.join(" or "),
        noticed,
        lost_ms: story.summary().lost_ms,
        recovered: "yes".into(),
    }
}
