//! What a server must compute for the handshake.

use data_encoding::BASE64;
use sha1::{Digest, Sha1};

/// RFC 6455, section 1.3: no other protocol's server answers with it by chance.
const WEBSOCKET_GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`, which is not judged.
pub fn accept_key(key: &str) -> String {
    let digest = Sha1::new().chain_update(key).chain_update(WEBSOCKET_GUID).finalize();
    BASE64.encode(&digest)
}
