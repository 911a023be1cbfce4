//! The journal: files to which each process appends what happens to its calls, before it happens.
//!
//! An admission and a settlement are each one plain `write` on the worker that serves the call: no hop, no lock but the
//! kernel's. One task syncs what was written, at the latest 50 ms after it, sets room aside ahead of use, and begins a new
//! segment where one is long; nobody waits for it. A sync that failed is final: the kernel may have dropped what it was to
//! write, and says so once. All that the database does not have yet is then written anew, in another file.
//!
//! * `frame`, `header`: how records stand in a file. `place`: the files. `reader`: reads one.
//! * `segment`: one that this process writes. `disk`: what of the operating system can fail.

mod disk;
mod frame;
mod header;
mod place;
mod reader;
mod segment;

use std::{
    fmt,
    io::{self, Write as _},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;

pub(crate) use self::{
    disk::{Disk, RealDisk},
    frame::Tail,
    place::{Place, SegmentId, take},
    reader::{Opened, Reader, Step},
};
use self::{
    header::Header,
    segment::{PROMISE, Promise, Refused, Segment},
};
use super::{
    locked,
    trouble::{Trouble, Troubles},
};
use crate::secret::random_bytes;

/// How long a record waits for those that are synced with it.
pub(crate) const GROUP: Duration = Duration::from_millis(25);
/// A segment that is longer is followed by another one.
const LONG: u64 = 64 << 20;
/// What is set aside ahead of use at least.
const LEAST_ROOM: u64 = 64 << 10;
/// And at most.
const MOST_ROOM: u64 = 4 << 20;

/// What is known of the calls that are open.
pub(crate) trait OpenCalls {
    /// True where the record `payload` is the admission of one.
    fn admits_open(&self, payload: &[u8]) -> bool;
    /// Records that say how far all of them have come.
    fn marks(&self) -> Vec<Vec<u8>>;
}

/// The journal of this process.
pub(crate) struct Journal {
    place: Arc<Place>,
    node: String,
    generation: i64,
    disk: Arc<dyn Disk>,
    troubles: Arc<Troubles>,
    /// Where is written now; none until one could be made.
    current: ArcSwapOption<Segment>,
    /// Those that are not applied and done with yet, the oldest first.
    own: Mutex<Vec<Arc<Segment>>>,
    /// Those in whose place others were written.
    replaced: Mutex<Vec<Arc<Segment>>>,
    number: AtomicU32,
    /// Held while a segment takes the place of another one.
    turn: Mutex<()>,
    /// The last try to make a segment failed.
    is_stopped: AtomicBool,
    /// Settlements that could not be written: no more than there are calls that were admitted.
    unwritten: Mutex<Vec<Vec<u8>>>,
    /// Something was written since the last round, and the task knows.
    is_awake: AtomicBool,
    wake: Notify,
    /// Nobody makes rounds any more: what is written is synced at once.
    is_closed: AtomicBool,
    /// What the last round saw.
    length: AtomicU64,
    long: AtomicU64,
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("place", &self.place).finish_non_exhaustive()
    }
}

/// A segment of this process, as whoever applies it sees it.
#[derive(Clone, Debug)]
pub(crate) struct OwnSegment(Arc<Segment>);

impl OwnSegment {
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    pub(crate) fn path(&self) -> &PathBuf {
        &self.0.path
    }

    /// Reads it from its beginning.
    pub(crate) fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.0.file), self.0.seed, header::SIZE as u64)
    }

    /// True where what is read now is all that there will be.
    pub(crate) fn is_quiet(&self) -> bool {
        self.0.is_quiet()
    }

    /// True where a write came short: another segment takes its place.
    pub(crate) fn is_spoilt(&self) -> bool {
        self.0.is_spoilt()
    }

    /// Up to where it was applied: what stands before is not written anew.
    pub(crate) fn set_applied(&self, offset: u64) {
        self.0.set_applied(offset);
    }
}

impl Journal {
    /// The journal of the `generation`th start of `node`. A disk that is full is no error: it is tried again.
    pub(crate) fn new(
        place: Arc<Place>,
        node: &str,
        generation: i64,
        disk: Arc<dyn Disk>,
        troubles: Arc<Troubles>,
    ) -> Self {
        let journal = Self {
            place,
            node: node.to_owned(),
            generation,
            disk,
            troubles,
            current: ArcSwapOption::empty(),
            own: Mutex::default(),
            replaced: Mutex::default(),
            number: AtomicU32::new(0),
            turn: Mutex::default(),
            is_stopped: AtomicBool::new(true),
            unwritten: Mutex::default(),
            is_awake: AtomicBool::new(false),
            wake: Notify::new(),
            is_closed: AtomicBool::new(false),
            length: AtomicU64::new(0),
            long: AtomicU64::new(LONG),
        };
        if journal.start_anew(None, &Nothing) {
            journal.wake.notify_one();
        }
        journal
    }

    /// Writes the admission of a call; room for its settlement is there when this returns.
    pub(crate) fn admit(&self, payload: &[u8]) -> Result<(), Trouble> {
        self.append(payload, Promise::Make)
    }

    /// Writes a settlement, now or, where that fails, as soon as it can be.
    pub(crate) fn settle(&self, payload: Vec<u8>) {
        if self.append(&payload, Promise::Keep).is_err() {
            locked(&self.unwritten).push(payload);
            // Where something is known to be wrong, it is tried again anyhow.
            if self.troubles.of_writing().is_none() {
                self.wake.notify_one();
            }
        }
    }

    /// Writes what may be lost: on a full disk, what is left belongs to settlements. True where it was written.
    pub(crate) fn note(&self, payload: &[u8]) -> bool {
        self.append(payload, Promise::None).is_ok()
    }

    fn append(&self, payload: &[u8], promise: Promise) -> Result<(), Trouble> {
        // As often as segments could be replaced under it, which is once.
        for _ in 0..4 {
            let current = self.current.load();
            let Some(segment) = current.as_ref().filter(|_| !self.is_stopped.load(Ordering::Acquire)) else { break };
            match segment.append(payload, promise) {
                Ok(()) => {
                    self.written(segment);
                    return Ok(());
                }
                Err(Refused::NoRoom) => {
                    let needed = LEAST_ROOM + frame::size(payload.len()) as u64 + PROMISE;
                    segment.set_aside(needed).map_err(|error| self.refused(&error))?;
                }
                // Whoever replaces it holds the turn.
                Err(Refused::Closed) if !segment.is_spoilt() => drop(locked(&self.turn)),
                Err(Refused::Closed) => break,
                Err(Refused::Failed(error)) => return Err(self.refused(&error)),
            }
        }
        Err(self.troubles.of_writing().unwrap_or_else(|| self.unwritable(&io::ErrorKind::ResourceBusy.into())))
    }

    fn written(&self, segment: &Segment) {
        if self.is_closed.load(Ordering::Relaxed) {
            // A failure is of no use to anybody any more: the next start reads what there is.
            let _ = segment.sync();
        } else if !self.is_awake.load(Ordering::SeqCst) && !self.is_awake.swap(true, Ordering::SeqCst) {
            self.wake.notify_one();
        }
    }

    /// A record was not written: says so, and has it looked into, once.
    fn refused(&self, error: &io::Error) -> Trouble {
        let trouble = self.trouble(error);
        if self.troubles.of_writing().is_none() {
            self.troubles.set_writing(Some(trouble.clone()));
            self.wake.notify_one();
        }
        trouble
    }

    fn trouble(&self, error: &io::Error) -> Trouble {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Trouble::NoRoom { path: self.place.path().to_owned() }
            }
            _ => self.unwritable(error),
        }
    }

    fn unwritable(&self, error: &io::Error) -> Trouble {
        Trouble::Unwritable { path: self.place.path().to_owned(), detail: error.to_string() }
    }

    /// Waits until something was written, or is wrong.
    pub(crate) async fn awake(&self) {
        self.wake.notified().await;
    }

    /// What is written from now on wakes whoever waits again.
    pub(crate) fn rest(&self) {
        self.is_awake.store(false, Ordering::SeqCst);
    }

    /// Makes durable what was written, and sees to it that there is room for more. True where it has to be tried again.
    pub(crate) fn round(&self, open: &dyn OpenCalls) -> bool {
        let failed = self.own_segments().iter().find_map(|own| match own.0.sync() {
            Ok(()) if own.0.is_spoilt() => Some(io::ErrorKind::WriteZero.into()),
            Ok(()) => None,
            Err(error) => Some(error),
        });
        let current = self.current.load_full().filter(|_| failed.is_none() && !self.is_stopped.load(Ordering::Acquire));
        let Some(current) = current else { return self.start_anew(failed.as_ref(), open) };
        if current.length() >= self.long.load(Ordering::Relaxed) {
            self.go_on_in_another(&current);
        }
        let current = self.current.load_full().unwrap_or(current);
        let room = self.set_room_aside(&current).and_then(|()| self.write_late(&current));
        let Err(error) = room else {
            self.troubles.set_writing(None);
            return false;
        };
        // What was set aside before is good until it is used.
        if current.spare() < PROMISE {
            self.troubles.set_writing(Some(self.trouble(&error)));
        }
        true
    }

    /// Writes the settlements that found no room.
    fn write_late(&self, segment: &Segment) -> io::Result<()> {
        let mut unwritten = locked(&self.unwritten);
        while let Some(payload) = unwritten.last() {
            append_all(segment, payload, Promise::Keep)?;
            unwritten.pop();
        }
        Ok(())
    }

    /// Twice what was written in the last round, ahead of its use.
    fn set_room_aside(&self, segment: &Segment) -> io::Result<()> {
        let length = segment.length();
        let written = length.saturating_sub(self.length.swap(length, Ordering::Relaxed));
        let ahead = (2 * written).clamp(LEAST_ROOM, MOST_ROOM);
        if segment.spare() < ahead / 2 { segment.set_aside(ahead) } else { Ok(()) }
    }

    /// Goes on in another segment, where one can be made.
    fn go_on_in_another(&self, before: &Arc<Segment>) {
        let _turn = locked(&self.turn);
        // More than there are promises: some are made until the one before is closed.
        let Ok(next) = self.create(LEAST_ROOM + 2 * before.promised() * PROMISE) else { return };
        next.promise(before.close());
        wait_until_quiet(before);
        before.end();
        locked(&self.own).push(Arc::clone(&next));
        self.length.store(0, Ordering::Relaxed);
        self.current.store(Some(next));
    }

    /// Writes what the database does not have into a new segment, and goes on there. True where that failed too.
    fn start_anew(&self, failed: Option<&io::Error>, open: &dyn OpenCalls) -> bool {
        let _turn = locked(&self.turn);
        if let Some(error) = failed {
            tracing::error!(%error, path = %self.place.path().display(), "the journal could not be written; it begins a new file");
        }
        let before: Vec<OwnSegment> = self.own_segments();
        match self.rewrite(&before, open) {
            Ok(next) => {
                let before = std::mem::replace(&mut *locked(&self.own), vec![Arc::clone(&next)]);
                locked(&self.replaced).extend(before);
                self.length.store(0, Ordering::Relaxed);
                self.current.store(Some(next));
                self.is_stopped.store(false, Ordering::Release);
                self.troubles.set_writing(None);
                false
            }
            Err(error) => {
                self.is_stopped.store(true, Ordering::Release);
                let trouble = match self.trouble(&error) {
                    trouble @ Trouble::NoRoom { .. } => trouble,
                    _ => self.unwritable(failed.unwrap_or(&error)),
                };
                self.troubles.set_writing(Some(trouble));
                true
            }
        }
    }

    fn rewrite(&self, before: &[OwnSegment], open: &dyn OpenCalls) -> io::Result<Arc<Segment>> {
        let mut promises = 0;
        let mut length = 0;
        for own in before {
            promises = own.0.close();
            wait_until_quiet(&own.0);
            length += own.0.length().saturating_sub(own.0.applied());
        }
        let next = self.create(LEAST_ROOM + promises * PROMISE + length)?;
        let done = copy(before, &next, open).and_then(|()| {
            for mark in open.marks() {
                append_all(&next, &mark, Promise::None)?;
            }
            next.promise(promises);
            // What could not be written since counts among the promises.
            let mut unwritten = locked(&self.unwritten);
            for payload in &*unwritten {
                append_all(&next, payload, Promise::Keep)?;
            }
            next.sync()?;
            unwritten.clear();
            Ok(())
        });
        if let Err(error) = done {
            // It was never written to by anybody else.
            let _ = self.place.remove(&next.name);
            return Err(error);
        }
        Ok(next)
    }

    /// Makes a segment, durably.
    fn create(&self, room: u64) -> io::Result<Arc<Segment>> {
        let header = Header::new(&self.node, self.generation, u64::from_be_bytes(random_bytes()));
        let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        let id = SegmentId { generation: self.generation, number };
        let (name, path) = (id.name(), self.place.shown(&id.name()));
        let mut file = self.place.create(id).map_err(place::plain)?;
        let made = file.write_all(&header.encode()).and_then(|()| {
            let segment = Segment::new(
                name.clone(),
                path,
                file,
                header.seed(),
                header::SIZE as u64,
                room,
                Arc::clone(&self.disk),
            )?;
            segment.sync()?;
            self.place.sync().map_err(place::plain)?;
            Ok(Arc::new(segment))
        });
        if made.is_err() {
            let _ = self.place.remove(&name);
        }
        made
    }

    /// The segments of this process that are not done with, the oldest first.
    pub(crate) fn own_segments(&self) -> Vec<OwnSegment> {
        locked(&self.own).iter().cloned().map(OwnSegment).collect()
    }

    /// The segments in whose place others were written since this was last asked.
    pub(crate) fn take_replaced(&self) -> Vec<OwnSegment> {
        std::mem::take(&mut *locked(&self.replaced)).into_iter().map(OwnSegment).collect()
    }

    /// Removes a segment of which nothing is needed any more.
    pub(crate) fn remove(&self, own: &OwnSegment) {
        locked(&self.own).retain(|other| !Arc::ptr_eq(other, &own.0));
        if let Err(error) = self.place.remove(own.name()) {
            // The next start reads it once more, which changes nothing.
            tracing::warn!(%error, "a segment of the journal could not be removed");
        }
    }

    /// Ends the segment that is written now, where another one can be made.
    pub(crate) fn turn_over(&self) {
        if let Some(current) = self.current.load_full() {
            self.go_on_in_another(&current);
        }
    }

    /// From now on whoever writes syncs.
    pub(crate) fn close(&self, open: &dyn OpenCalls) {
        self.is_closed.store(true, Ordering::Release);
        self.round(open);
    }

    /// Takes no more: nothing is open, and nothing can come.
    pub(crate) fn seal(&self) {
        if let Some(current) = self.current.swap(None) {
            current.close();
            wait_until_quiet(&current);
        }
        self.is_stopped.store(true, Ordering::Release);
    }

    /// Another process could take its segments now.
    #[cfg(test)]
    pub(super) fn let_go(&self) {
        for own in self.own_segments() {
            rustix::fs::flock(&*own.0.file, rustix::fs::FlockOperation::Unlock).unwrap();
        }
    }

    #[cfg(test)]
    pub(super) fn set_long(&self, long: u64) {
        self.long.store(long, Ordering::Relaxed);
    }
}

/// A whole segment as bytes.
#[cfg(test)]
pub(super) fn segment_of(node: &str, generation: i64, nonce: u64, payloads: &[Vec<u8>]) -> Vec<u8> {
    let header = Header::new(node, generation, nonce);
    let frames = payloads.iter().flat_map(|payload| frame::encode(header.seed(), payload));
    header.encode().into_iter().chain(frames).collect()
}

/// Nothing is open.
pub(crate) struct Nothing;

impl OpenCalls for Nothing {
    fn admits_open(&self, _payload: &[u8]) -> bool {
        false
    }

    fn marks(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }
}

/// Copies what was not applied, and the admissions of calls that are open.
fn copy(before: &[OwnSegment], next: &Segment, open: &dyn OpenCalls) -> io::Result<()> {
    for own in before {
        let (applied, mut reader) = (own.0.applied(), own.reader());
        loop {
            let is_applied = reader.offset() < applied;
            match reader.step()? {
                Step::Record(payload) if !is_applied || open.admits_open(payload) => {
                    append_all(next, payload, Promise::None)?;
                }
                Step::Record(_) => {}
                Step::End => break,
                // What a write that came short left behind is none of anybody's.
                Step::Nothing => {
                    if !reader.skip()? {
                        break;
                    }
                }
            }
        }
    }
    Ok(())
}

fn append_all(segment: &Segment, payload: &[u8], promise: Promise) -> io::Result<()> {
    loop {
        match segment.append(payload, promise) {
            Ok(()) => return Ok(()),
            Err(Refused::NoRoom) => segment.set_aside(LEAST_ROOM + frame::size(payload.len()) as u64)?,
            Err(Refused::Closed) => return Err(io::ErrorKind::BrokenPipe.into()),
            Err(Refused::Failed(error)) => return Err(error),
        }
    }
}

/// Waits for writes that were claimed: each is a call into the kernel that has begun, or is about to.
fn wait_until_quiet(segment: &Segment) {
    while !segment.is_quiet() {
        std::thread::yield_now();
    }
}
