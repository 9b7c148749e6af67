// SPDX-License-Identifier: MIT

/// A checksum of pixels, four bytes each. It depends on their order.
pub fn checksum(pixels: &[u8]) -> u64 {
    let words = pixels.chunks_exact(4).map(|word| u32::from_ne_bytes(word.try_into().unwrap()));
    words.fold(pixels.len() as u64 / 4, |sum, word| {
        (sum ^ u64::from(word)).wrapping_mul(0x100_0000_01b3)
    })
}
