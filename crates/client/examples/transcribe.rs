//! Transcribes raw PCM from standard input, such as a live microphone, through the sidecar's socket.
//!
//! ```sh
//! arecord -q -f S16_LE -r 16000 -c 1 -t raw | transcribe /run/deepgram-sidecar/sidecar.sock
//! ```

use std::env;
use std::error::Error;
use std::io::{self, ErrorKind, Read};
use std::process::ExitCode;
use std::thread;

use client::{Client, Incoming, OpenRequest, Receiver, Sender};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

const SAMPLE_RATE: u32 = 16_000;

/// 50 ms.
const PIECE_BYTES: usize = 1_600;

/// While so many pieces wait for the sidecar, standard input is not read: three seconds.
const PIECES_WAITING_MAX: usize = 60;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(socket) = env::args().nth(1) else {
        eprintln!(
            "usage: transcribe SOCKET < AUDIO (16-bit mono at {SAMPLE_RATE} Hz, without a header)"
        );
        return ExitCode::from(2);
    };
    match transcribe(&socket).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn transcribe(socket: &str) -> Result<(), Box<dyn Error>> {
    let mut session = Client::connect(socket).await?;
    let request = OpenRequest::new().audio("linear16", SAMPLE_RATE, 1).param("model", "nova-3");
    session.open(&request.param("punctuate", true)).await?;
    session.opened().await?;
    let (sender, receiver) = session.split();
    // Results are read while audio is written: the sidecar holds back the one for the other.
    tokio::try_join!(speak(sender), listen(receiver))?;
    Ok(())
}

/// Sends audio until it ends or a signal comes, then FINISH.
async fn speak(mut sender: Sender) -> Result<(), Box<dyn Error>> {
    let mut audio = standard_input();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        let piece = tokio::select! {
            piece = audio.recv() => piece,
            _ = interrupt.recv() => None,
            _ = terminate.recv() => None,
        };
        let Some(piece) = piece else { break };
        sender.send_audio(&piece?).await?;
    }
    Ok(sender.finish().await?)
}

/// Prints final transcripts until FINISHED, and says if the session did not end well.
async fn listen(mut receiver: Receiver) -> Result<(), Box<dyn Error>> {
    while let Some(incoming) = receiver.next().await? {
        match incoming {
            Incoming::Message(json) => print(&serde_json::from_slice(&json)?),
            Incoming::Error(refusal) => return Err(refusal.to_string().into()),
            Incoming::Finished(summary) if summary.outcome == "finished" => return Ok(()),
            Incoming::Finished(summary) => {
                return Err(format!("the session has ended as {}", summary.outcome).into());
            }
            // A session that recovers tells of its deaths, too.
            _ => {}
        }
    }
    Err(client::Error::ClosedEarly.into())
}

fn print(message: &Value) {
    let transcript = message["channel"]["alternatives"][0]["transcript"].as_str();
    if message["is_final"] == true
        && let Some(transcript) = transcript.filter(|it| !it.is_empty())
    {
        println!("{transcript}");
    }
}

/// A thread reads it, because nothing else can be interrupted at the end: it dies with the process.
fn standard_input() -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel(PIECES_WAITING_MAX);
    thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let mut piece = vec![0; PIECE_BYTES];
            let read = match input.read(&mut piece) {
                Ok(0) => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Ok(count) => {
                    piece.truncate(count);
                    Ok(piece)
                }
                Err(error) => Err(error),
            };
            if sender.blocking_send(read).is_err() {
                return;
            }
        }
    });
    receiver
}
