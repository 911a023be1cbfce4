//! Some records of a segment, as many as go into one transaction.

use std::io;

use prost::Message as _;

use super::{
    journal::{Reader, Step},
    record::Record,
};

/// So many records at most.
const RECORDS: usize = 256;
/// So many bytes, and a record more.
const BYTES: u64 = 512 << 10;

/// Some records.
#[derive(Debug)]
pub(super) struct Batch {
    /// Each with the place where it ends.
    pub(super) records: Vec<(u64, Record)>,
    /// Where the first one begins.
    pub(super) from: u64,
    /// Where the last one ends.
    pub(super) to: u64,
    pub(super) then: Then,
}

/// What stands behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Perhaps more.
    More,
    /// No whole record.
    Nothing,
    /// The segment ends.
    End,
    /// A record of a newer release.
    Newer,
}

impl Batch {
    /// The next records of `reader`.
    pub(super) fn read(reader: &mut Reader) -> io::Result<Self> {
        let from = reader.offset();
        let mut batch = Self { records: Vec::new(), from, to: from, then: Then::More };
        while batch.records.len() < RECORDS && batch.to - from < BYTES {
            batch.then = match reader.step()? {
                Step::Nothing => Then::Nothing,
                Step::End => Then::End,
                Step::Record(payload) => match Record::decode(payload) {
                    Ok(record) if record.kind.is_some() => {
                        batch.to = reader.offset();
                        batch.records.push((batch.to, record));
                        continue;
                    }
                    // Its checksum says that it was written like that.
                    _ => Then::Newer,
                },
            };
            break;
        }
        if batch.then == Then::Newer {
            reader.go_back(batch.to);
        }
        Ok(batch)
    }

    /// Those that end behind `applied`.
    pub(super) fn behind(self, applied: u64) -> Vec<Record> {
        self.records.into_iter().filter(|(end, _)| *end > applied).map(|(_, record)| record).collect()
    }
}
