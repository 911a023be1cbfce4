//! Marks: how far open calls have come, written every quarter of a second for all of them that have moved, so that a crash
//! loses of a stream no more than what is reckoned instead.

use std::time::Duration;

use prost::Message as _;

use super::{
    journal::OpenCalls,
    record::{Kind, Mark, Progressed, Record, row_id},
    shared::Shared,
};
use crate::clock::Moment;

/// How often is marked.
const EVERY: Duration = Duration::from_millis(250);
/// So many times that, and something is written for calls that tell nothing until they end: that time has passed.
const SILENT: u32 = 4;
/// And reservations are summed anew.
const RECKON: u32 = 240;
/// So many rows are in one record at most.
const ROWS: usize = 1_000;

impl Shared {
    /// Marks while calls are open; rests while none is.
    pub(super) async fn keep_marking(&self) {
        loop {
            self.rows.awake().await;
            let mut round: u32 = 0;
            loop {
                // A call that hurries is marked at once, and does not count as a round.
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => round = round.wrapping_add(1),
                    () = self.rows.hurry() => {}
                }
                self.mark(round.is_multiple_of(SILENT));
                if round.is_multiple_of(RECKON) {
                    self.reckon();
                }
                if self.rows.rest() {
                    break;
                }
            }
        }
    }

    /// Writes what has moved. `is_second`: where nothing has, but calls are open that tell nothing, that it is now.
    pub(super) fn mark(&self, is_second: bool) {
        let at = self.clock.wall();
        let marks = self.rows.marks(at);
        if marks.is_empty() && is_second && self.rows.has_silent() {
            self.journal.note(&progressed(Vec::new(), at));
        }
        for rows in marks.chunks(ROWS) {
            self.journal.note(&progressed(rows.to_vec(), at));
        }
    }

    /// Marks all open calls, whether they have moved or not. True where that was written.
    pub(super) fn mark_all(&self) -> bool {
        self.marks().iter().all(|mark| self.journal.note(mark))
    }

    /// Sums anew what open calls have reserved. A difference is an error of this program, and mended.
    fn reckon(&self) {
        for wrong in self.rows.reckon() {
            tracing::error!(payer = %wrong.payer, said = %wrong.said, is = %wrong.is, "a sum of reservations was wrong");
        }
    }
}

impl OpenCalls for Shared {
    fn admits_open(&self, payload: &[u8]) -> bool {
        let Ok(Record { kind: Some(Kind::Admitted(call)) }) = Record::decode(payload) else { return false };
        row_id(&call.id).is_some_and(|id| self.rows.contains(id))
    }

    fn marks(&self) -> Vec<Vec<u8>> {
        let at = self.clock.wall();
        self.rows.all_marks(at).chunks(ROWS).map(|rows| progressed(rows.to_vec(), at)).collect()
    }
}

fn progressed(rows: Vec<Mark>, at: Moment) -> Vec<u8> {
    Record { kind: Some(Kind::Progressed(Progressed { rows, at: at.millis() })) }.encode_to_vec()
}
