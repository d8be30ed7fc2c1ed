//! The mask that a client puts over each payload.

/// As many bytes of the key, repeated, as are applied at once. Also in builds for tests, a byte at
/// a time would be most of what a long message costs.
const STRIDE: usize = 16;

/// Takes the mask off in place, or puts it on, from the payload's byte `offset` on.
pub(super) fn apply(key: [u8; 4], offset: usize, payload: &mut [u8]) {
    let repeated: [u8; STRIDE] = std::array::from_fn(|at| key[(offset + at) % 4]);
    let stride = u128::from_ne_bytes(repeated);
    let (strides, rest) = payload.as_chunks_mut::<STRIDE>();
    for bytes in strides {
        *bytes = (u128::from_ne_bytes(*bytes) ^ stride).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(repeated) {
        *byte ^= key;
    }
}
