//! What this process wrote, on its way into the database: segment by segment, as it comes.

use std::{collections::HashSet, path::PathBuf};

use bitrouter_proto::account::RequestRowId;

use super::{
    applier::{Scene, Stopped},
    batch::{Batch, Then},
    journal::{Journal, OwnSegment, Reader, Tail},
    record::{Kind, Record, row_id},
    shared::Shared,
    trouble::Trouble,
};

/// The segments of this process that are not done with, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Own {
    segments: Vec<Following>,
    trouble: Option<Trouble>,
}

/// One of them.
#[derive(Debug)]
struct Following {
    segment: OwnSegment,
    reader: Reader,
    /// The calls that were admitted in it and are open.
    rows: HashSet<RequestRowId>,
    /// It was read to its end.
    is_read: bool,
    /// Where no whole record stood when it was last read.
    stuck_at: Option<u64>,
}

impl Own {
    /// What of it cannot be read.
    pub(super) fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// Applies what there is to apply, and removes what is done with. `is_last`: nothing more is written.
    pub(super) async fn follow(&mut self, shared: &Shared, is_last: bool, scene: &mut Scene) -> Result<(), Stopped> {
        self.take_up(&shared.journal, scene).await?;
        for at in 0..self.segments.len() {
            if self.trouble.is_some() || !self.read(at, scene).await? {
                break;
            }
        }
        let keeps = usize::from(!is_last);
        let is_done = |following: &Following| following.is_read && following.rows.is_empty();
        let done = |segments: &[Following]| {
            let before = segments.len().saturating_sub(keeps);
            segments[..before].iter().position(is_done)
        };
        // Marks of calls that were admitted before it may stand in a segment that is done with.
        if done(&self.segments).is_none() || !is_last && !shared.mark_all() {
            return Ok(());
        }
        let mut gone = Vec::new();
        while let Some(at) = done(&self.segments) {
            gone.push(self.segments.remove(at).segment);
        }
        for done in &gone {
            shared.journal.remove(done);
        }
        scene.forget(gone.iter().map(OwnSegment::name)).await
    }

    /// Finds new segments, and leaves those in whose place others were written.
    async fn take_up(&mut self, journal: &Journal, scene: &mut Scene) -> Result<(), Stopped> {
        // In this order: what is replaced between the two is followed for one more round.
        let replaced = journal.take_replaced();
        self.segments.retain(|known| !replaced.iter().any(|gone| gone.name() == known.segment.name()));
        for own in journal.own_segments() {
            if !self.segments.iter().any(|known| known.segment.name() == own.name()) {
                let (reader, rows) = (own.reader(), HashSet::new());
                self.segments.push(Following { segment: own, reader, rows, is_read: false, stuck_at: None });
            }
        }
        if replaced.is_empty() {
            return Ok(());
        }
        // What could not be read is not there any more, or is found again.
        self.trouble = None;
        for gone in &replaced {
            journal.remove(gone);
        }
        scene.forget(replaced.iter().map(OwnSegment::name)).await
    }

    /// Reads one segment as far as it goes; false where the next one must wait.
    async fn read(&mut self, at: usize, scene: &mut Scene) -> Result<bool, Stopped> {
        loop {
            let following = &mut self.segments[at];
            if following.is_read {
                return Ok(true);
            }
            let path = following.segment.path().clone();
            // Asked first: what comes between is read.
            let is_quiet = following.segment.is_quiet();
            let batch = Batch::read(&mut following.reader).map_err(Stopped::reading(&path))?;
            let (from, offset, then) = (batch.from, batch.to, batch.then);
            let records = batch.behind(0);
            if !records.is_empty() {
                if let Err(error) = scene.apply(&records, following.segment.name(), offset).await {
                    following.reader.go_back(from);
                    return Err(error);
                }
                following.segment.set_applied(offset);
                following.stuck_at = None;
                for record in &records {
                    self.track(at, record);
                }
            }
            let following = &mut self.segments[at];
            match then {
                Then::More => {}
                Then::End => following.is_read = true,
                Then::Newer => {
                    self.trouble = Some(Trouble::Newer { path });
                    return Ok(false);
                }
                Then::Nothing if following.segment.is_spoilt() => return Ok(false),
                Then::Nothing => {
                    // What another worker is writing may be there in part; what is still no record later never was one.
                    let was_stuck = following.stuck_at.replace(offset) == Some(offset);
                    if (is_quiet || was_stuck)
                        && following.reader.rest().map_err(Stopped::reading(&path))? == Tail::Damaged
                    {
                        self.trouble = Some(Trouble::Damaged { path, offset });
                        return Ok(false);
                    }
                    following.is_read = is_quiet;
                    return Ok(is_quiet);
                }
            }
        }
    }

    fn track(&mut self, at: usize, record: &Record) {
        match &record.kind {
            Some(Kind::Admitted(call)) => self.segments[at].rows.extend(row_id(&call.id)),
            Some(Kind::Settled(settled)) => {
                if let Some(id) = row_id(&settled.id) {
                    for following in &mut self.segments {
                        following.rows.remove(&id);
                    }
                }
            }
            Some(Kind::Progressed(_) | Kind::Forgotten(_)) | None => {}
        }
    }

    /// Cuts off what cannot be read, keeping a copy; where that is. `None` where everything can be.
    pub(super) fn repair(&mut self, journal: &Journal, scene: &Scene) -> Result<Option<PathBuf>, Stopped> {
        if self.trouble.is_none() {
            return Ok(None);
        }
        let Some(following) = self.segments.iter_mut().find(|following| !following.is_read) else { return Ok(None) };
        if !following.segment.is_quiet() {
            journal.turn_over();
        }
        if !following.segment.is_quiet() {
            return Err(Stopped::InUse(following.segment.path().clone()));
        }
        let (name, offset) = (following.segment.name(), following.reader.offset());
        let kept = scene.place.cut(name, following.reader.file(), offset, "broken", true)?;
        following.reader.go_back(offset);
        self.trouble = None;
        Ok(Some(kept))
    }
}
