//! `wss`: a certificate of one's own, and one that nobody vouches for.

use std::path::PathBuf;

use serde_json::json;
use tempfile::TempDir;

use crate::support::{App, Config, Emulator, frame_bytes, listen};

/// An authority's certificate, and a server's that it has signed, as PEM files.
pub(crate) struct Certificates {
    directory: TempDir,
}

impl Certificates {
    pub(crate) fn new(host: &str) -> Self {
        Self::valid_between(host, 1975, 4096)
    }

    /// The server's is valid from the beginning of one year to that of another.
    pub(crate) fn valid_between(host: &str, from: i32, until: i32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let write = |name, pem: String| std::fs::write(directory.path().join(name), pem).unwrap();
        let mut authority = rcgen::CertificateParams::new([]).unwrap();
        let name = format!("authority of {from}");
        authority.distinguished_name.push(rcgen::DnType::CommonName, name);
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority_key = rcgen::KeyPair::generate().unwrap();
        write("ca.pem", authority.self_signed(&authority_key).unwrap().pem());
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let server_key = rcgen::KeyPair::generate().unwrap();
        let mut server = rcgen::CertificateParams::new([host.to_owned()]).unwrap();
        server.not_before = rcgen::date_time_ymd(from, 1, 1);
        server.not_after = rcgen::date_time_ymd(until, 1, 1);
        write("server.pem", server.signed_by(&server_key, &issuer).unwrap().pem());
        write("server.key", server_key.serialize_pem());
        Self { directory }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// An emulator that shows the server's certificate.
    pub(crate) async fn emulator(&self) -> Emulator {
        let (cert, key) = (self.file("server.pem"), self.file("server.key"));
        let arguments = ["--tls-cert".into(), cert, "--tls-key".into(), key];
        Emulator::with_arguments(json!({}), &[], &arguments).await
    }
}

/// One attempt at the emulator, trusting this authority; the plaintext switch stays off.
pub(crate) fn trusting(authority: &Certificates, emulator: &Emulator) -> Config {
    Config::dialing_url(&format!("wss://{}", emulator.addr()))
        .set("upstream.allow_plaintext", false)
        .set("upstream.ca_file", authority.file("ca.pem").display())
        .set("upstream.connect_attempts", 1)
}

#[tokio::test]
async fn a_self_hosted_deepgram_is_reached_by_its_own_authority() {
    let certificates = Certificates::new("127.0.0.1");
    let emulator = certificates.emulator().await;
    let sidecar = trusting(&certificates, &emulator).start().await;
    let mut app = App::open(&sidecar, &listen("secure")).await;
    app.speak(30).await;
    let summary = app.finish().await;
    assert_eq!((summary.outcome.as_str(), summary.audio.bytes_sent), ("finished", frame_bytes(30)));
    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("upstream_connect_duration_seconds_count", &[("phase", "tls")]), 1.0);
}

async fn assert_tls_refused(trusted: &Certificates, shown: &Certificates) {
    let emulator = shown.emulator().await;
    let sidecar = trusting(trusted, &emulator).start().await;
    let refusal = App::dial(&sidecar, &listen("insecure")).await.refusal().await;
    assert_eq!((&*refusal.code, refusal.reason.as_deref()), ("connect_failed", Some("tls")));
    assert!(refusal.message.contains("upstream.ca_file"), "{refusal:?}");
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    assert_tls_refused(&Certificates::new("127.0.0.1"), &Certificates::new("127.0.0.1")).await;
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let certificates = Certificates::new("deepgram.invalid");
    assert_tls_refused(&certificates, &certificates).await;
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_named() {
    let certificates = Certificates::new("127.0.0.1");
    let emulator = Emulator::start().await;
    let sidecar = trusting(&certificates, &emulator).start().await;
    let refusal = App::dial(&sidecar, &listen("plain")).await.refusal().await;
    assert_eq!(refusal.reason.as_deref(), Some("tls"));
}

#[tokio::test]
async fn a_reset_under_tls_is_noticed_at_once_too() {
    let certificates = Certificates::new("127.0.0.1");
    let plan = "{then: [{after_audio: 100ms, do: reset}]}";
    let (cert, key) = (certificates.file("server.pem"), certificates.file("server.key"));
    let arguments = ["--tls-cert".into(), cert, "--tls-key".into(), key];
    let emulator = Emulator::with_arguments(json!({}), &[plan], &arguments).await;
    let sidecar = trusting(&certificates, &emulator).start().await;
    let mut app = App::open(&sidecar, &listen("reset")).await;
    app.speak(1).await;
    assert_eq!(app.event("dead").await.text("reason"), Some("connection_reset"));
    assert_eq!(app.finish().await.outcome, "dead");
}
