//! Plays a source into a session in real time.

use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::pace::Pacer;
use super::source::{Piece, Source};
use client::Sender;

/// Playback progress.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Progress {
    /// Played so far, including silences.
    pub(super) position: Duration,
    /// Real time since the first piece.
    pub(super) elapsed: Duration,
    pub(super) state: PlayState,
}

/// Playback state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlayState {
    /// Sending audio.
    Streaming,
    /// Sending nothing, on purpose.
    Silent,
    /// FINISH is sent; waiting for the last results.
    Finishing,
}

impl PlayState {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Streaming => "streaming",
            Self::Silent => "silent",
            Self::Finishing => "finishing",
        }
    }
}

impl Progress {
    pub(super) const START: Self =
        Self { position: Duration::ZERO, elapsed: Duration::ZERO, state: PlayState::Streaming };
}

/// Sends a source's prelude at once, and its pieces when they are due, then FINISH; also after `stop`, and after an error in
/// the source, which is returned too.
pub(super) async fn play<W: AsyncWrite + Unpin>(
    sender: &mut Sender<W>,
    source: &mut Source,
    speed: f64,
    progress: &watch::Sender<Progress>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    send_prelude(sender, source, stop).await?;
    let mut player = Player { sender, source, progress, pacer: Pacer::new(clock::now(), speed) };
    let played = player.play(stop).await;
    player.tell(Duration::ZERO, PlayState::Finishing);
    player.sender.finish().await?;
    played
}

async fn send_prelude<W: AsyncWrite + Unpin>(
    sender: &mut Sender<W>,
    source: &mut Source,
    stop: &CancellationToken,
) -> Result<(), client::Error> {
    let Some(prelude) = source.prelude.take() else { return Ok(()) };
    for audio in prelude {
        if stop.is_cancelled() {
            return Ok(());
        }
        sender.prelude(&audio).await?;
    }
    sender.prelude(&[]).await
}

struct Player<'a, W> {
    sender: &'a mut Sender<W>,
    source: &'a mut Source,
    progress: &'a watch::Sender<Progress>,
    pacer: Pacer,
}

impl<W: AsyncWrite + Unpin> Player<'_, W> {
    async fn play(&mut self, stop: &CancellationToken) -> anyhow::Result<()> {
        let format = self.source.encoding.format;
        let started = clock::now();
        while let Some(Some(piece)) = stop.run_until_cancelled(self.source.next()).await {
            let piece = piece?;
            let duration = piece.duration(format);
            if stop.run_until_cancelled(self.wait_for(duration)).await.is_none() {
                return Ok(());
            }
            // Not cancelled by `stop`: half a frame would corrupt the FINISH after it.
            match piece {
                Piece::Audio(audio) => {
                    self.sender.send_audio(&audio).await?;
                    self.tell(duration, PlayState::Streaming);
                }
                Piece::Silence(_) => self.tell(duration, PlayState::Silent),
            }
            self.progress.send_modify(|progress| progress.elapsed = clock::now() - started);
        }
        // The last piece also takes its time, especially if it is silence.
        stop.run_until_cancelled(self.wait_for(Duration::ZERO)).await;
        Ok(())
    }

    async fn wait_for(&mut self, duration: Duration) {
        let due = self.pacer.due(clock::now(), duration);
        tokio::time::sleep_until(due.into()).await;
    }

    fn tell(&self, played: Duration, state: PlayState) {
        self.progress.send_modify(|progress| {
            progress.position += played;
            progress.state = state;
        });
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::io::{AsyncReadExt, DuplexStream, ReadHalf, WriteHalf, duplex};

    use super::super::source::Encoding;
    use super::*;
    use client::Client;

    /// 100 ms.
    fn audio() -> Piece {
        Piece::Audio(Bytes::from(vec![0; 3_200]))
    }

    fn source(pieces: Vec<Piece>) -> Source {
        Source::of_pieces(Encoding::new("linear16", 16_000, 1).unwrap(), pieces)
    }

    type Pipe = Client<ReadHalf<DuplexStream>, WriteHalf<DuplexStream>>;

    fn pipe() -> (Pipe, DuplexStream) {
        let (ours, theirs) = duplex(1 << 20);
        (Client::over(ours), theirs)
    }

    async fn play_all(mut source: Source, stop: CancellationToken) -> (Progress, Duration) {
        let (mut client, _daemon) = pipe();
        let (progress, seen) = watch::channel(Progress::START);
        let start = clock::now();
        play(client.sender(), &mut source, 1.0, &progress, &stop).await.unwrap();
        (*seen.borrow(), clock::now() - start)
    }

    #[tokio::test(start_paused = true)]
    async fn audio_and_silence_take_their_time() {
        let silence = Piece::Silence(Duration::from_secs(11));
        let source = source(vec![audio(), audio(), silence, audio()]);
        let (progress, took) = play_all(source, CancellationToken::new()).await;
        assert_eq!(progress.position, Duration::from_millis(11_300));
        assert_eq!(progress.state, PlayState::Finishing);
        let slack = Duration::from_millis(10);
        assert!(took >= progress.position && took < progress.position + slack, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_prelude_goes_ahead_at_once_and_ends_with_an_empty_frame() {
        let prelude = source((0..50).map(|_| audio()).collect());
        let mut source = source(vec![audio()]).after_prelude(prelude).await.unwrap();
        let (mut client, mut daemon) = pipe();
        let (progress, seen) = watch::channel(Progress::START);
        let stop = CancellationToken::new();
        play(client.sender(), &mut source, 1.0, &progress, &stop).await.unwrap();
        assert_eq!(seen.borrow().position, Duration::from_millis(100));
        assert!(seen.borrow().elapsed < Duration::from_secs(1), "5 s of prelude take no time");
        drop(client);
        let mut wire = Vec::new();
        daemon.read_to_end(&mut wire).await.unwrap();
        let (prelude, live) = wire.split_at(50 * (5 + 3_200));
        assert!(prelude.chunks(5 + 3_200).all(|frame| frame[0] == 0x07));
        assert_eq!((&live[..5], live[5]), (&[0x07, 0, 0, 0, 0][..], 0x02));
    }

    #[tokio::test(start_paused = true)]
    async fn stop_ends_a_long_silence_at_once() {
        let source = source(vec![Piece::Silence(Duration::from_secs(3_600)), audio()]);
        let stop = CancellationToken::new();
        let stopping = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            stop.cancel();
        };
        let ((progress, took), ()) = tokio::join!(play_all(source, stop.clone()), stopping);
        assert_eq!(progress.state, PlayState::Finishing);
        assert!(took < Duration::from_secs(3), "{took:?}");
    }
}
