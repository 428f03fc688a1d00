//! Hashes of texts, short enough to read aloud.

use mtmd_schema::Spec;
use mtmd_schema::bug;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The first 16 hex digits of the SHA-256 of a text.
pub(super) fn short(text: &str) -> String {
    sha256(text).chars().take(16).collect()
}

/// The first 16 hex digits of the SHA-256 of a projection of a spec and of the version of the blocks.
pub(super) fn of(blocks: u32, projection: &Spec) -> String {
    let json = match serde_json::to_string(projection) {
        Ok(json) => json,
        Err(error) => bug!("a spec has no JSON: {error}"),
    };
    short(&format!("blocks: {blocks}\n{json}"))
}

/// The SHA-256 of a text in hex digits.
pub(super) fn sha256(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn is_the_start_of_the_sha_256() {
        assert_eq!(super::short("abc"), "ba7816bf8f01cfea");
    }
}
