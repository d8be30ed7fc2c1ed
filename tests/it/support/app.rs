//! An application.

use bytes::Bytes;
use client::{
    Client, Error, Event, Incoming, OpenRequest, Opened, Receiver, Refusal, Sender, Summary,
};
use emulator::position;

use super::order::Order;
use super::{Sidecar, within};

/// Samples of 100 ms at 16 kHz.
pub(crate) const SAMPLES_PER_FRAME: usize = 1_600;

/// Bytes of so many frames of 100 ms.
pub(crate) fn frame_bytes(frames: u64) -> u64 {
    frames * SAMPLES_PER_FRAME as u64 * 2
}

/// An OPEN for linear16 at 16 kHz, mono.
pub(crate) fn listen(session_id: &str) -> OpenRequest {
    OpenRequest::new().session_id(session_id).audio("linear16", 16_000, 1)
}

/// The 100 ms of position-coded audio that stand at this place. The emulator takes it for speech.
pub(crate) fn speech(frame: u64) -> Vec<u8> {
    position::encode(frame * SAMPLES_PER_FRAME as u64, SAMPLES_PER_FRAME)
}

/// One connection to the daemon.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) sender: Sender,
    pub(crate) reader: Reader,
}

/// The reading half of an application, for tests that write meanwhile.
#[derive(Debug)]
pub(crate) struct Reader {
    receiver: Receiver,
    order: Order,
}

impl App {
    /// Connects and says nothing.
    pub(crate) async fn connect(sidecar: &Sidecar) -> Self {
        Self::connect_to(sidecar.socket()).await
    }

    /// The same, for tasks that outlive a reference to the daemon.
    pub(crate) async fn connect_to(socket: &std::path::Path) -> Self {
        let (sender, receiver) = Client::connect(socket).await.unwrap().split();
        Self { sender, reader: Reader { receiver, order: Order::default() } }
    }

    /// Connects and asks for a session.
    pub(crate) async fn dial(sidecar: &Sidecar, request: &OpenRequest) -> Self {
        let mut app = Self::connect(sidecar).await;
        let members = serde_json::to_value(request).unwrap();
        app.reader.order.has_two = members.get("prelude").is_some();
        app.sender.open(request).await.unwrap();
        app
    }

    /// Opens a session.
    pub(crate) async fn open(sidecar: &Sidecar, request: &OpenRequest) -> Self {
        let mut app = Self::dial(sidecar, request).await;
        app.opened().await;
        app
    }

    /// Waits for OPENED.
    pub(crate) async fn opened(&mut self) -> Opened {
        loop {
            match self.reader.next().await {
                Some(Incoming::Opened(opened)) => return opened,
                Some(Incoming::Event(_)) => {}
                other => panic!("{other:?} came and not OPENED"),
            }
        }
    }

    /// Sends so many frames of position-coded speech, from the first on, as fast as it can.
    pub(crate) async fn speak(&mut self, frames: u64) {
        for frame in 0..frames {
            within("taking audio", self.sender.send_audio(&speech(frame))).await.unwrap();
        }
    }

    /// Says FINISH and reads the rest, whose last frame is FINISHED.
    pub(crate) async fn finish(&mut self) -> Summary {
        self.sender.finish().await.unwrap();
        self.finished().await
    }

    /// See [`Reader::event`].
    pub(crate) async fn event(&mut self, name: &str) -> Event {
        self.reader.event(name).await
    }

    /// See [`Reader::message`].
    pub(crate) async fn message(&mut self) -> Bytes {
        self.reader.message().await
    }

    /// See [`Reader::rest`].
    pub(crate) async fn rest(&mut self) -> Vec<Incoming> {
        self.reader.rest().await
    }

    /// See [`Reader::finished`].
    pub(crate) async fn finished(&mut self) -> Summary {
        self.reader.finished().await
    }

    /// Reads the one frame that refuses a session, and the end behind it.
    pub(crate) async fn refusal(&mut self) -> Refusal {
        match self.rest().await.as_slice() {
            [Incoming::Error(refusal)] => refusal.clone(),
            other => panic!("{other:?} came and not one ERROR"),
        }
    }

    /// Waits until the daemon closes the connection, having said nothing.
    pub(crate) async fn closed_without_a_word(&mut self) {
        assert!(self.reader.closed().await, "something came before the close");
    }
}

impl Reader {
    /// Waits for the close; whether nothing came before it.
    pub(crate) async fn closed(&mut self) -> bool {
        // What we sent and it had not read makes its close a reset.
        matches!(within("the close", self.receiver.next()).await, Ok(None) | Err(Error::Io(_)))
    }

    /// The next frame, which must come in the contract's order; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Incoming> {
        let frame = within("a frame", self.receiver.next()).await.unwrap();
        self.order.check(frame.as_ref());
        frame
    }

    /// Reads on to an event of this name.
    pub(crate) async fn event(&mut self, name: &str) -> Event {
        loop {
            match self.next().await {
                Some(Incoming::Event(event)) if event.name() == name => return event,
                Some(Incoming::Message(_) | Incoming::Event(_)) => {}
                other => panic!("{other:?} came and not {name}"),
            }
        }
    }

    /// Reads on to the next MESSAGE.
    pub(crate) async fn message(&mut self) -> Bytes {
        loop {
            match self.next().await {
                Some(Incoming::Message(message)) => return message,
                Some(Incoming::Event(_)) => {}
                other => panic!("{other:?} came and no message"),
            }
        }
    }

    /// Everything that is still to come.
    pub(crate) async fn rest(&mut self) -> Vec<Incoming> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }

    /// Reads the rest, whose last frame is FINISHED.
    pub(crate) async fn finished(&mut self) -> Summary {
        match self.rest().await.pop() {
            Some(Incoming::Finished(summary)) => *summary,
            other => panic!("{other:?} was the last frame, not FINISHED"),
        }
    }
}
