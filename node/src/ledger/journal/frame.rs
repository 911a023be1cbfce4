//! How a record stands in a segment, and what a reader makes of the end of one.
//!
//! A frame is the length of its payload and a checksum (each 32 bits, little-endian), the payload, and zeros up to the next
//! multiple of eight. The checksum covers the length and begins with the segment's seed: what stood on the same blocks
//! before, in another file, is none of ours. An empty payload ends a segment. Eight zeros are no frame, so that room which
//! is set aside reads as nothing.

use crc32fast::Hasher;

/// Length and checksum.
pub(super) const HEAD: usize = 8;
/// The largest payload.
pub(super) const LARGEST: usize = 1 << 20;

/// What stands at a place of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// A whole record, and the bytes that it takes.
    Whole(&'a [u8], usize),
    /// The segment ends here: its process went on in another one.
    End,
    /// It goes on behind what is given.
    Part,
    /// It is no frame.
    Bad,
}

/// What stands behind the last whole frame of a file that nobody writes any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Nothing, or zeros: room.
    Empty,
    /// A last record that was not written to its end.
    Torn,
    /// More than that: something was damaged after it had been written.
    Damaged,
}

/// The bytes that a payload of `length` takes.
pub(super) fn size(length: usize) -> usize {
    (HEAD + length).next_multiple_of(8)
}

/// The frame of `payload`.
pub(super) fn encode(seed: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut frame = Vec::with_capacity(size(payload.len()));
    frame.extend_from_slice(&length);
    frame.extend_from_slice(&checksum(seed, length, payload).to_le_bytes());
    frame.extend_from_slice(payload);
    frame.resize(size(payload.len()), 0);
    frame
}

fn checksum(seed: u32, length: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(seed);
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize()
}

/// The frame at the beginning of `bytes`.
pub(super) fn read(seed: u32, bytes: &[u8]) -> Frame<'_> {
    let Some((head, rest)) = bytes.split_at_checked(HEAD) else { return Frame::Part };
    let (length, sum) = head.split_at(4);
    let length = <[u8; 4]>::try_from(length).unwrap_or_default();
    let sum = u32::from_le_bytes(sum.try_into().unwrap_or_default());
    let count = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if count > LARGEST {
        return Frame::Bad;
    }
    let Some(payload) = rest.get(..count).filter(|_| bytes.len() >= size(count)) else { return Frame::Part };
    if checksum(seed, length, payload) != sum {
        return Frame::Bad;
    }
    if count == 0 { Frame::End } else { Frame::Whole(payload, size(count)) }
}

/// What `rest` is: all that stands behind the last whole frame.
pub(super) fn judge(seed: u32, rest: &[u8]) -> Tail {
    // What is whole was written meanwhile, and is read next.
    let is_whole = matches!(read(seed, rest), Frame::Whole(..) | Frame::End);
    if is_whole || rest.iter().all(|byte| *byte == 0) {
        return Tail::Empty;
    }
    // A record of which only the length tells where it ends: what stands behind that end was written after it.
    let length = rest.first_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length));
    let end = usize::try_from(length).ok().filter(|length| (1..=LARGEST).contains(length)).map(size);
    let is_followed = end.and_then(|end| rest.get(end..)).is_some_and(|behind| behind.iter().any(|byte| *byte != 0));
    if is_followed || rest.len() > size(LARGEST) || next_whole(seed, rest).is_some() {
        return Tail::Damaged;
    }
    Tail::Torn
}

/// Where the next whole frame begins behind something that is none.
pub(super) fn next_whole(seed: u32, rest: &[u8]) -> Option<usize> {
    (8..rest.len()).step_by(8).find(|at| matches!(read(seed, &rest[*at..]), Frame::Whole(..) | Frame::End))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SEED: u32 = 7;

    fn whole(bytes: &[u8]) -> (Vec<Vec<u8>>, usize) {
        let (mut found, mut at) = (Vec::new(), 0);
        while let Frame::Whole(payload, size) = read(SEED, &bytes[at..]) {
            found.push(payload.to_vec());
            at += size;
        }
        (found, at)
    }

    fn file(payloads: &[Vec<u8>]) -> Vec<u8> {
        payloads.iter().flat_map(|payload| encode(SEED, payload)).collect()
    }

    #[test]
    fn a_frame_reads_back_and_belongs_to_its_segment() {
        let frame = encode(SEED, b"abc");
        assert_eq!((frame.len(), read(SEED, &frame)), (16, Frame::Whole(b"abc", 16)));
        assert_eq!(read(SEED + 1, &frame), Frame::Bad);
        assert_eq!(read(SEED, &encode(SEED, b"")), Frame::End);
        assert_eq!((read(SEED, &[0; 8]), read(SEED, &[0; 7])), (Frame::Bad, Frame::Part));
        assert_eq!(read(SEED, &[0xff; 64]), Frame::Bad);
    }

    #[test]
    fn what_was_written_since_is_no_damage() {
        let bytes = file(&[b"first".to_vec(), b"second".to_vec()]);
        for end in 1..=bytes.len() {
            assert_ne!(judge(SEED, &bytes[..end]), Tail::Damaged, "{end}");
        }
    }

    #[test]
    fn n31_a_bad_record_that_another_one_follows_is_damage() {
        let mut bytes = file(&[b"first".to_vec(), b"second".to_vec(), b"third".to_vec()]);
        for at in [0, 4, 8, 12] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            assert_eq!(judge(SEED, &damaged), Tail::Damaged, "byte {at}");
        }
        // A hole of a whole record.
        bytes[..16].fill(0);
        assert_eq!(judge(SEED, &bytes), Tail::Damaged);
        assert_eq!(judge(SEED, &vec![1; 4 * LARGEST]), Tail::Damaged);
    }

    proptest! {
        #[test]
        fn n31_a_file_that_ends_anywhere_loses_its_last_record_and_no_other(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..80), 1..6),
            room in 0_usize..40,
        ) {
            let bytes = file(&payloads);
            for cut in 0..bytes.len() {
                // The file ends there, or what was written of it does, on blocks that are set aside.
                let mut zeroed = bytes.clone();
                zeroed[cut..].fill(0);
                zeroed.resize(bytes.len() + 8 * room, 0);
                for torn in [&bytes[..cut], &zeroed] {
                    let (found, end) = whole(torn);
                    let kept = payloads.iter().scan(0, |end, payload| {
                        *end += size(payload.len());
                        Some(*end)
                    }).filter(|end| *end <= cut).count();
                    prop_assert!(found.len() >= kept && found == payloads[..found.len()]);
                    prop_assert_ne!(judge(SEED, &torn[end..]), Tail::Damaged);
                }
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(SEED, &bytes);
            let _ = judge(SEED, &bytes);
        }
    }
}
