//! One segment that this process writes.
//!
//! Workers append by one plain `write` on a descriptor opened with `O_APPEND`: the kernel puts each behind the one before.
//! What a `write` needs to be whole is decided before it, by one atomic word: how many bytes were claimed, and how many
//! settlements were promised room. A claim that would go beyond what is set aside on the disk is not granted, so that a
//! write that was granted finds room.
//!
//! Where the file system cannot set room aside, appends take turns, and one that came short is cut off before the next.

use std::{
    fs::File,
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{
    super::locked,
    disk::{Disk, is_unknown},
    frame,
};

/// The room that the settlement of one call takes at most, unless its provider stored much.
pub(super) const PROMISE: u64 = 768;

/// In the word: no further claim is granted.
const CLOSED: u64 = 1 << 63;
/// In the word: one promise. The bytes stand below, in 32 bits.
const ONE: u64 = 1 << 32;

/// What an append does to the promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// It makes one: a call is admitted.
    Make,
    /// It keeps one: a call is settled.
    Keep,
    /// Neither.
    None,
}

/// Why nothing was appended.
#[derive(Debug)]
pub(super) enum Refused {
    /// The segment takes no more: there is another one, or there will be.
    Closed,
    /// No room is set aside for it.
    NoRoom,
    /// The write failed, or came short: the segment is spoilt.
    Failed(io::Error),
}

/// A segment of this process. Its file is locked as long as it lives.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) file: Arc<File>,
    pub(super) seed: u32,
    disk: Arc<dyn Disk>,
    word: AtomicU64,
    /// Bytes of claims whose write has returned.
    finished: AtomicU64,
    /// Up to where room is set aside.
    room: AtomicU64,
    growing: Mutex<()>,
    /// Where the file ends, where appends take turns.
    turns: Option<Mutex<u64>>,
    is_unsynced: AtomicBool,
    /// A write came short.
    is_spoilt: AtomicBool,
    /// Up to where it was applied.
    applied: AtomicU64,
}

impl Segment {
    /// The segment in `file`, which holds `end` bytes. Room is set aside for what comes, where it can be.
    pub(super) fn new(
        name: String,
        path: PathBuf,
        file: File,
        seed: u32,
        end: u64,
        room: u64,
        disk: Arc<dyn Disk>,
    ) -> io::Result<Self> {
        let has_room = match disk.set_aside(&file, end, room) {
            Ok(()) => true,
            Err(error) if is_unknown(&error) => false,
            Err(error) => return Err(error),
        };
        Ok(Self {
            name,
            path,
            file: Arc::new(file),
            seed,
            disk,
            word: AtomicU64::new(end),
            finished: AtomicU64::new(end),
            room: AtomicU64::new(if has_room { end + room } else { u64::MAX }),
            growing: Mutex::new(()),
            turns: (!has_room).then(|| Mutex::new(end)),
            is_unsynced: AtomicBool::new(true),
            is_spoilt: AtomicBool::new(false),
            applied: AtomicU64::new(0),
        })
    }

    /// Appends a record.
    pub(super) fn append(&self, payload: &[u8], promise: Promise) -> Result<(), Refused> {
        let frame = frame::encode(self.seed, payload);
        self.claim(frame.len() as u64, promise)?;
        let written = self.write(&frame);
        self.is_unsynced.store(true, Ordering::Release);
        if written.is_err() {
            // The promise is as it was.
            match promise {
                Promise::Make => self.word.fetch_sub(ONE, Ordering::AcqRel),
                Promise::Keep => self.word.fetch_add(ONE, Ordering::AcqRel),
                Promise::None => 0,
            };
        }
        self.finished.fetch_add(frame.len() as u64, Ordering::Release);
        written.map_err(Refused::Failed)
    }

    fn claim(&self, length: u64, promise: Promise) -> Result<(), Refused> {
        let room = self.room.load(Ordering::Acquire);
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if word & CLOSED != 0 {
                return Err(Refused::Closed);
            }
            let next = match promise {
                Promise::Make => word + length + ONE,
                // A promise of a segment that was made in need may not be counted in it.
                Promise::Keep => (word + length).saturating_sub(if word >= ONE { ONE } else { 0 }),
                Promise::None => word + length,
            };
            if claimed(next) + promises(next) * PROMISE > room || claimed(word) + length >= ONE {
                return Err(Refused::NoRoom);
            }
            match self.word.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
    }

    fn write(&self, frame: &[u8]) -> io::Result<()> {
        let mut end = self.turns.as_ref().map(locked);
        let done = match self.disk.append(&self.file, frame) {
            Ok(length) if length == frame.len() => {
                if let Some(end) = &mut end {
                    **end += frame.len() as u64;
                }
                return Ok(());
            }
            Ok(0) | Err(_) if end.is_none() => Err(io::Error::from(io::ErrorKind::StorageFull)),
            Ok(_) => Err(io::Error::from(io::ErrorKind::StorageFull)),
            Err(error) => Err(error),
        };
        // Nobody else has written meanwhile where appends take turns.
        if end.is_none_or(|end| self.file.set_len(*end).is_err()) {
            self.is_spoilt.store(true, Ordering::Release);
            self.close();
        }
        done
    }

    /// Sets room aside for `more` bytes behind what is claimed and promised.
    pub(super) fn set_aside(&self, more: u64) -> io::Result<()> {
        if self.turns.is_some() {
            return Ok(());
        }
        let _growing = locked(&self.growing);
        let word = self.word.load(Ordering::Acquire);
        let needed = claimed(word) + promises(word) * PROMISE + more;
        let room = self.room.load(Ordering::Acquire);
        if needed > room {
            self.disk.set_aside(&self.file, room, needed - room)?;
            self.room.store(needed, Ordering::Release);
        }
        Ok(())
    }

    /// How many bytes are set aside and not claimed or promised.
    pub(super) fn spare(&self) -> u64 {
        let word = self.word.load(Ordering::Acquire);
        self.room.load(Ordering::Acquire).saturating_sub(claimed(word) + promises(word) * PROMISE)
    }

    /// How many settlements were promised room.
    pub(super) fn promised(&self) -> u64 {
        promises(self.word.load(Ordering::Acquire))
    }

    /// How many bytes were claimed.
    pub(super) fn length(&self) -> u64 {
        claimed(self.word.load(Ordering::Acquire))
    }

    /// Grants no further claim; how many settlements were promised room.
    pub(super) fn close(&self) -> u64 {
        promises(self.word.fetch_or(CLOSED, Ordering::AcqRel))
    }

    pub(super) fn is_spoilt(&self) -> bool {
        self.is_spoilt.load(Ordering::Acquire)
    }

    /// True where what is read of the file now is all that there will be.
    pub(super) fn is_quiet(&self) -> bool {
        let word = self.word.load(Ordering::Acquire);
        word & CLOSED != 0 && self.finished.load(Ordering::Acquire) == claimed(word)
    }

    /// Takes over the promises of the segment before.
    pub(super) fn promise(&self, count: u64) {
        self.word.fetch_add(count * ONE, Ordering::AcqRel);
    }

    /// Says in the file that the segment ends here.
    pub(super) fn end(&self) {
        // A reader that does not find it waits until nobody holds the file.
        let _ = self.disk.append(&self.file, &frame::encode(self.seed, &[]));
        self.is_unsynced.store(true, Ordering::Release);
    }

    /// Makes durable what was written until now.
    pub(super) fn sync(&self) -> io::Result<()> {
        if self.is_unsynced.swap(false, Ordering::AcqRel) {
            self.disk.sync(&self.file)?;
        }
        Ok(())
    }

    pub(super) fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    pub(super) fn set_applied(&self, offset: u64) {
        self.applied.store(offset, Ordering::Release);
    }
}

fn claimed(word: u64) -> u64 {
    word & (ONE - 1)
}

fn promises(word: u64) -> u64 {
    (word & !CLOSED) / ONE
}
