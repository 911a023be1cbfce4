//! What a segment begins with: that it is one, of which format, of which node, of which of its starts.

use crc32fast::hash;

/// The bytes that a header takes.
pub(super) const SIZE: usize = 64;

const MAGIC: [u8; 8] = *b"bitrjrnl";
/// The format of frames that this release writes.
const VERSION: u32 = 1;

/// The header of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The node's id, as far as there is room for it.
    node: [u8; 32],
    /// The start of the node whose process wrote it.
    generation: i64,
    /// Chosen anew for each segment.
    nonce: u64,
}

/// Why a file is no segment that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoHeader {
    /// It was not written to its end: there is no record either.
    Torn,
    /// It is damaged, or another file or another node's.
    Foreign,
    /// A newer release has written it.
    Newer,
}

impl Header {
    pub(super) fn new(node: &str, generation: i64, nonce: u64) -> Self {
        Self { node: id(node), generation, nonce }
    }

    pub(super) fn encode(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.generation.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.nonce.to_le_bytes());
        bytes[28..60].copy_from_slice(&self.node);
        let sum = hash(&bytes[..60]);
        bytes[60..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// What the checksums of the segment's frames begin with.
    pub(super) fn seed(&self) -> u32 {
        // Not of the whole: what ends with its own checksum has the same one, whatever it says.
        hash(&self.encode()[..60])
    }

    /// The header at the beginning of a file of `node` that holds `bytes`, or more.
    pub(super) fn read(bytes: &[u8], node: &str) -> Result<Self, NoHeader> {
        let Some((head, rest)) = bytes.split_first_chunk::<SIZE>() else { return Err(NoHeader::Torn) };
        let number = |from: usize| u64::from_le_bytes(head[from..from + 8].try_into().unwrap_or_default());
        if head[60..] != hash(&head[..60]).to_le_bytes() || head[..8] != MAGIC {
            let is_begun = rest.iter().all(|byte| *byte == 0) && (head.ends_with(&[0; 4]) || head[..8] == [0; 8]);
            return Err(if is_begun { NoHeader::Torn } else { NoHeader::Foreign });
        }
        if head[8..12] != VERSION.to_le_bytes() {
            return Err(NoHeader::Newer);
        }
        let mut header =
            Self { node: [0; 32], generation: i64::from_le_bytes(number(12).to_le_bytes()), nonce: number(20) };
        header.node.copy_from_slice(&head[28..60]);
        if header.node == id(node) { Ok(header) } else { Err(NoHeader::Foreign) }
    }
}

fn id(node: &str) -> [u8; 32] {
    let mut id = [0; 32];
    let length = node.len().min(id.len());
    id[..length].copy_from_slice(&node.as_bytes()[..length]);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_and_is_its_nodes() {
        let header = Header::new("node_01", 3, 9);
        let bytes = header.encode();
        assert_eq!(Header::read(&bytes, "node_01"), Ok(header.clone()));
        assert_eq!(Header::read(&bytes, "node_02"), Err(NoHeader::Foreign));
        assert_eq!(Header::read(&[7; 80], "node_01"), Err(NoHeader::Foreign));
        let mut newer = bytes;
        newer[8] = 2;
        let sum = hash(&newer[..60]);
        newer[60..].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(Header::read(&newer, "node_01"), Err(NoHeader::Newer));
        assert_ne!(Header::new("node_01", 3, 10).seed(), header.seed());
    }

    #[test]
    fn n31_a_header_that_was_not_written_to_its_end_has_no_record_behind_it() {
        let bytes = Header::new("node_01", 3, 9).encode();
        for cut in 0..SIZE {
            let mut zeroed = bytes.to_vec();
            zeroed[cut.min(60)..].fill(0);
            zeroed.resize(256, 0);
            for torn in [&bytes[..cut], &zeroed] {
                assert_eq!(Header::read(torn, "node_01"), Err(NoHeader::Torn), "{cut}");
            }
        }
        let mut followed = bytes.to_vec();
        followed[20] ^= 1;
        followed.extend([1; 8]);
        assert_eq!(Header::read(&followed, "node_01"), Err(NoHeader::Foreign));
    }
}
