//! What other processes wrote: earlier ones that are gone, or one that is ending and still serves calls.
//!
//! Each process holds the locks of its segments for life. As long as one is held, what it writes is read as it comes, and
//! its calls stay open. Once none is, nothing more can come: a last record that is torn is cut off, calls without a
//! settlement are settled as interrupted, and the segments are removed.

use std::{collections::HashMap, fs::File, path::PathBuf, sync::Arc};

use bitrouter_proto::account::RequestRowId;

use super::{
    applier::{Scene, Stopped},
    batch::{Batch, Then},
    interrupted,
    journal::{self, Opened, Reader, SegmentId, Tail},
    record::{Admitted, Kind, Mark, Record, row_id},
    trouble::Trouble,
};
use crate::clock::Moment;

/// So many calls are settled in one transaction at most.
const SETTLED_AT_ONCE: usize = 256;

/// Another process.
#[derive(Debug)]
pub(super) struct Process {
    generation: i64,
    segments: Vec<Segment>,
    calls: HashMap<RequestRowId, OpenCall>,
    /// The newest moment that its records tell of.
    newest: Moment,
    damage: Option<Damage>,
}

/// A call that it has not settled.
#[derive(Debug)]
struct OpenCall {
    admitted: Admitted,
    mark: Option<Mark>,
}

#[derive(Debug)]
struct Segment {
    name: String,
    path: PathBuf,
    file: Arc<File>,
    /// Nobody else has it.
    is_held: bool,
    reader: Option<Reader>,
    /// Up to where it was applied.
    applied: u64,
    /// It was read to its end.
    is_read: bool,
}

/// What cannot be read.
#[derive(Debug)]
struct Damage {
    segment: usize,
    /// 0 where it is no segment.
    offset: u64,
    trouble: Trouble,
}

impl Process {
    pub(super) fn new(generation: i64) -> Self {
        Self { generation, segments: Vec::new(), calls: HashMap::new(), newest: Moment::default(), damage: None }
    }

    /// Finds the segments that it has written until now.
    fn find(&mut self, scene: &Scene) -> Result<(), Stopped> {
        for id in scene.place.segments()? {
            let is_known = self.segments.iter().any(|known| known.name == id.name());
            if id.generation == self.generation && !is_known {
                self.add(id, scene)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, id: SegmentId, scene: &Scene) -> Result<(), Stopped> {
        let name = id.name();
        let (file, path) = (scene.place.existing(id)?, scene.place.shown(&name));
        let applied = scene.positions.get(&name).copied().unwrap_or(0);
        self.segments.push(Segment { name, path, file, is_held: false, reader: None, applied, is_read: false });
        Ok(())
    }

    /// Which start of the node it was.
    pub(super) fn generation(&self) -> i64 {
        self.generation
    }

    /// What of it cannot be read.
    pub(super) fn trouble(&self) -> Option<&Trouble> {
        self.damage.as_ref().map(|damage| &damage.trouble)
    }

    /// The calls that it has not settled.
    pub(super) fn calls(&self) -> impl Iterator<Item = &RequestRowId> {
        self.calls.keys()
    }

    /// True where all its locks are ours.
    fn holds_all(&mut self) -> bool {
        for segment in self.segments.iter_mut().filter(|segment| !segment.is_held) {
            segment.is_held = journal::take(&segment.file);
        }
        self.segments.iter().all(|segment| segment.is_held)
    }

    /// Applies what there is to apply. True where nothing is left of it.
    pub(super) async fn follow(&mut self, scene: &mut Scene) -> Result<bool, Stopped> {
        self.find(scene)?;
        let mut is_over = self.holds_all();
        if is_over {
            // What it wrote between the two looks.
            self.find(scene)?;
            is_over = self.holds_all();
        }
        for at in 0..self.segments.len() {
            if self.damage.is_some() || !self.read(at, is_over, scene).await? {
                return Ok(false);
            }
        }
        if !is_over {
            return Ok(false);
        }
        self.settle(scene).await?;
        for segment in &self.segments {
            scene.place.remove(&segment.name)?;
        }
        scene.forget(self.segments.iter().map(|segment| segment.name.as_str())).await?;
        Ok(true)
    }

    /// Reads one segment as far as it goes; false where the next one must wait.
    async fn read(&mut self, at: usize, is_over: bool, scene: &mut Scene) -> Result<bool, Stopped> {
        loop {
            let Some(segment) = self.segments.get_mut(at).filter(|segment| !segment.is_read) else { return Ok(true) };
            let path = segment.path.clone();
            if segment.reader.is_none() {
                match Reader::open(Arc::clone(&segment.file), &scene.node).map_err(Stopped::reading(&path))? {
                    Opened::Segment(reader) => segment.reader = Some(reader),
                    Opened::Empty => {
                        segment.is_read = is_over;
                        return Ok(is_over);
                    }
                    Opened::Foreign => return Ok(self.is_damaged(at, 0, Trouble::Damaged { path, offset: 0 })),
                    Opened::Newer => return Ok(self.is_damaged(at, 0, Trouble::Newer { path })),
                }
            }
            let Some(reader) = &mut segment.reader else { return Ok(false) };
            let batch = Batch::read(reader).map_err(Stopped::reading(&path))?;
            let (from, offset, then) = (batch.from, batch.to, batch.then);
            let (name, applied) = (segment.name.clone(), segment.applied);
            batch.records.iter().for_each(|(_, record)| self.track(record));
            let records = batch.behind(applied);
            if !records.is_empty() {
                let done = scene.apply(&records, &name, offset).await;
                let segment = &mut self.segments[at];
                match done {
                    Ok(debited) => {
                        segment.applied = offset;
                        scene.debited.extend(debited);
                    }
                    Err(error) => {
                        // What was not applied is read again.
                        segment.reader.iter_mut().for_each(|reader| reader.go_back(from));
                        return Err(error);
                    }
                }
            }
            let segment = &mut self.segments[at];
            match then {
                Then::More => {}
                Then::End => segment.is_read = true,
                Then::Newer => return Ok(self.is_damaged(at, offset, Trouble::Newer { path })),
                Then::Nothing if !is_over => return Ok(false),
                Then::Nothing => {
                    let rest = segment.reader.as_ref().map(Reader::rest).transpose();
                    match rest.map_err(Stopped::reading(&path))?.unwrap_or(Tail::Empty) {
                        Tail::Empty => {}
                        Tail::Torn => {
                            let kept = scene.place.cut(&segment.name, &segment.file, offset, "torn", false)?;
                            tracing::warn!(path = %path.display(), kept = %kept.display(), "a record that was half written is cut off");
                        }
                        Tail::Damaged => return Ok(self.is_damaged(at, offset, Trouble::Damaged { path, offset })),
                    }
                    segment.is_read = true;
                }
            }
        }
    }

    fn is_damaged(&mut self, segment: usize, offset: u64, trouble: Trouble) -> bool {
        self.damage = Some(Damage { segment, offset, trouble });
        false
    }

    fn track(&mut self, record: &Record) {
        let mut at = 0;
        match &record.kind {
            Some(Kind::Admitted(call)) => {
                at = call.created_at;
                if let Some(id) = row_id(&call.id) {
                    self.calls.insert(id, OpenCall { admitted: call.clone(), mark: None });
                }
            }
            Some(Kind::Progressed(marks)) => {
                at = marks.at;
                for mark in &marks.rows {
                    if let Some(call) = row_id(&mark.id).and_then(|id| self.calls.get_mut(&id)) {
                        call.mark = Some(mark.clone());
                    }
                }
            }
            Some(Kind::Settled(settled)) => {
                at = settled.completed_at;
                if let Some(id) = row_id(&settled.id) {
                    self.calls.remove(&id);
                }
            }
            Some(Kind::Forgotten(_)) | None => {}
        }
        self.newest = self.newest.max(Moment::from_millis(at));
    }

    /// Settles what nobody will.
    async fn settle(&mut self, scene: &mut Scene) -> Result<(), Stopped> {
        let Some((name, offset)) = self.segments.last().map(|segment| (segment.name.clone(), segment.applied)) else {
            return Ok(());
        };
        let (newest, now) = (self.newest, scene.clock.wall());
        let settled: Vec<Record> = self
            .calls
            .values()
            .map(|call| interrupted::settlement(&call.admitted, call.mark.as_ref(), newest, now))
            .map(|settled| Record { kind: Some(Kind::Settled(settled)) })
            .collect();
        for batch in settled.chunks(SETTLED_AT_ONCE) {
            let debited = scene.apply(batch, &name, offset).await?;
            scene.debited.extend(debited);
        }
        if !settled.is_empty() {
            tracing::warn!(calls = settled.len(), "calls of a daemon that is gone were settled as interrupted");
        }
        self.calls.clear();
        Ok(())
    }

    /// Cuts off what cannot be read, keeping a copy; where that is. `None` where everything can be.
    pub(super) fn repair(&mut self, scene: &Scene) -> Result<Option<PathBuf>, Stopped> {
        let Some(damage) = &self.damage else { return Ok(None) };
        let (at, offset) = (damage.segment, damage.offset);
        let Some(segment) = self.segments.get_mut(at) else { return Ok(None) };
        if !segment.is_held {
            return Err(Stopped::InUse(segment.path.clone()));
        }
        let kept = if offset == 0 {
            let kept = scene.place.move_aside(&segment.name, "broken")?;
            self.segments.remove(at);
            kept
        } else {
            let kept = scene.place.cut(&segment.name, &segment.file, offset, "broken", true)?;
            segment.reader.iter_mut().for_each(|reader| reader.go_back(offset));
            kept
        };
        self.damage = None;
        Ok(Some(kept))
    }
}
