//! Eight numbers from a hash, so that equal inputs are equal and others are not, in every dialect.

use sha2::{Digest as _, Sha256};

/// Eight numbers of length one together.
pub(super) fn vector(text: &str) -> [f32; 8] {
    let hash = Sha256::digest(text.as_bytes());
    let mut numbers = [0.0; 8];
    for (number, bytes) in numbers.iter_mut().zip(hash.chunks_exact(4)) {
        let word = i16::from_le_bytes([bytes[0], bytes[1]]);
        *number = f32::from(word) + 0.5;
    }
    let length = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
    numbers.map(|number| number / length)
}
