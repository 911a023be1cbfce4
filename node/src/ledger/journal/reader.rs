//! Reads the records of a segment, in order, as far as they are there.

use std::{fs::File, io, os::unix::fs::FileExt as _, sync::Arc};

use super::{
    frame::{self, Frame, Tail},
    header::{self, Header, NoHeader},
};

/// What is read at once.
const CHUNK: usize = 256 << 10;

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// A record.
    Record(&'a [u8]),
    /// The segment ends: its process went on in another one.
    End,
    /// No whole record stands there.
    Nothing,
}

/// A reader of one segment.
#[derive(Debug)]
pub(crate) struct Reader {
    file: Arc<File>,
    seed: u32,
    /// Where the next frame begins, in the file.
    offset: u64,
    buffer: Vec<u8>,
    /// Where it begins in the buffer.
    at: usize,
}

/// What a file turned out to be.
#[derive(Debug)]
pub(crate) enum Opened {
    /// A segment.
    Segment(Reader),
    /// The beginning of one, without a record.
    Empty,
    /// Somebody else's, or damaged.
    Foreign,
    /// A newer release's.
    Newer,
}

impl Reader {
    /// Reads the header of `file`, a segment of `node`.
    pub(crate) fn open(file: Arc<File>, node: &str) -> io::Result<Opened> {
        // Behind a header that is none something may stand, or not.
        let mut head = vec![0; header::SIZE + 4096];
        let length = read_at(&file, &mut head, 0)?;
        head.truncate(length);
        Ok(match Header::read(&head, node) {
            Ok(header) => Opened::Segment(Self::new(file, header.seed(), header::SIZE as u64)),
            Err(NoHeader::Torn) => Opened::Empty,
            Err(NoHeader::Foreign) => Opened::Foreign,
            Err(NoHeader::Newer) => Opened::Newer,
        })
    }

    /// Reads on from `offset`, where a frame begins.
    pub(crate) fn new(file: Arc<File>, seed: u32, offset: u64) -> Self {
        Self { file, seed, offset, buffer: Vec::new(), at: 0 }
    }

    /// Behind the last record that was read.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads from `offset` on, where a record began or ended.
    pub(crate) fn go_back(&mut self, offset: u64) {
        self.offset = offset;
        self.buffer = Vec::new();
        self.at = 0;
    }

    /// The file.
    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// What comes next.
    pub(crate) fn step(&mut self) -> io::Result<Step<'_>> {
        loop {
            let (length, size) = match frame::read(self.seed, &self.buffer[self.at..]) {
                Frame::Whole(payload, size) => (payload.len(), size),
                Frame::End => return Ok(Step::End),
                Frame::Part => {
                    if self.fill()? {
                        continue;
                    }
                    return Ok(Step::Nothing);
                }
                Frame::Bad => return Ok(Step::Nothing),
            };
            let from = self.at + frame::HEAD;
            self.at += size;
            self.offset += size as u64;
            return Ok(Step::Record(&self.buffer[from..from + length]));
        }
    }

    /// Reads more of the file; false where there is no more.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let held = self.buffer.len();
        let from = self.offset + held as u64;
        // Only what is there: most of the time that is a record or two.
        let there = usize::try_from(self.file.metadata()?.len().saturating_sub(from)).unwrap_or(CHUNK);
        self.buffer.resize(held + there.min(CHUNK), 0);
        let more = read_at(&self.file, &mut self.buffer[held..], from)?;
        self.buffer.truncate(held + more);
        if self.buffer.is_empty() {
            // Whoever waits for more holds no memory meanwhile.
            self.buffer = Vec::new();
        }
        Ok(more > 0)
    }

    /// What stands behind the last record, where nobody writes the file any more.
    pub(crate) fn rest(&self) -> io::Result<Tail> {
        Ok(frame::judge(self.seed, &self.all_behind()?))
    }

    /// Goes on behind something that is no frame; false where no frame stands behind it.
    pub(super) fn skip(&mut self) -> io::Result<bool> {
        let Some(next) = frame::next_whole(self.seed, &self.all_behind()?) else { return Ok(false) };
        self.offset += next as u64;
        self.buffer.clear();
        self.at = 0;
        Ok(true)
    }

    fn all_behind(&self) -> io::Result<Vec<u8>> {
        let length = self.file.metadata()?.len().saturating_sub(self.offset);
        let mut rest = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        let read = read_at(&self.file, &mut rest, self.offset)?;
        rest.truncate(read);
        Ok(rest)
    }
}

/// Fills `buffer` from `offset` on, as far as the file goes.
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(more) => done += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
