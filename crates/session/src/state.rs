//! A session's state, as operators see it.

crate::vocabulary! {
    /// A session's state.
    pub enum State: "state" {
        /// Dialling Deepgram, the first time or to resume.
        Connecting = "connecting",
        /// The connection died, and another is to take over: until that has answered what it is sent again.
        Reconnecting = "reconnecting",
        /// Streaming, or kept alive.
        Open = "open",
        /// Open with an unanswered Finalize.
        Finalizing = "finalizing",
        /// CloseStream is requested; waiting for the last results.
        Closing = "closing",
        /// The connection died, but the application has not finished yet.
        Dead = "dead",
        /// The keepalive budget is used up; the next audio reopens the connection.
        Parked = "parked",
        /// Over; the last frame may still be in flight.
        Ended = "ended",
    }
}
