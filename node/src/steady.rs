//! The node's slow round: is the wall clock still right, and what can be forgotten.
//!
//! A step of the wall clock shows against `CLOCK_BOOTTIME`, which runs on in suspend. While it may be wrong, nothing is
//! deleted for its age.

use std::{sync::Arc, time::Duration};

use crate::{
    Node, NodeWarning,
    clock::{Clock, Moment},
    store::{StoreError, admit_now, note_time, sweep},
};

/// How often the clocks are compared.
const ROUND: Duration = Duration::from_mins(1);
/// A step of more than this is one.
const STEP: Duration = Duration::from_mins(5);
/// A node whose newest record is older than this was away for long, or its clock is wrong.
const AWAY: Duration = Duration::from_hours(30 * 24);
/// How long after a step nothing is deleted.
const DISTRUST: Duration = Duration::from_hours(24);
/// How often is swept, in rounds.
const SWEEP_EVERY: u32 = 60;
/// How long a row is kept after it has expired.
const KEPT: Duration = Duration::from_hours(7 * 24);

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steady {
    wall: Moment,
    since_boot: Duration,
}

impl Steady {
    /// Both clocks now.
    pub(crate) fn now(clock: &dyn Clock) -> Self {
        Self { wall: clock.wall(), since_boot: clock.since_boot() }
    }

    /// How far the wall clock was set between `self` and `later`.
    fn stepped(self, later: Self) -> Duration {
        let expected = self.wall.after(later.since_boot.saturating_sub(self.since_boot));
        later.wall.since(expected).max(expected.since(later.wall))
    }
}

/// What a start says of the clock, from the newest record.
pub(crate) fn step_while_away(newest: Moment, now: Moment) -> Option<NodeWarning> {
    let is_step = newest.since(now) > STEP || now.since(newest) > AWAY;
    is_step.then_some(NodeWarning::ClockStepped { at: now, from: newest })
}

impl Node {
    /// Starts the round.
    pub(crate) fn keep_steady(self: &Arc<Self>, mut before: Steady) {
        let (node, ending) = (Arc::downgrade(self), self.ending.clone());
        self.tasks.spawn("node round", async move {
            let mut rounds: u32 = 0;
            while ending.run_until_cancelled(tokio::time::sleep(ROUND)).await.is_some() {
                let Some(node) = node.upgrade() else { return };
                rounds = rounds.wrapping_add(1);
                if let Err(error) = node.round(&mut before, rounds.is_multiple_of(SWEEP_EVERY)).await {
                    tracing::warn!(%error, "the node's hourly round comes again in a minute");
                }
            }
        });
    }

    /// One round.
    ///
    /// # Errors
    /// Where the database fails: the next round does the rest.
    async fn round(&self, before: &mut Steady, sweeps: bool) -> Result<(), StoreError> {
        let now = Steady::now(&*self.clock);
        if before.stepped(now) > STEP {
            tracing::warn!(was = %before.wall, is = %now.wall, "the wall clock was set");
            self.warn(NodeWarning::ClockStepped { at: now.wall, from: before.wall });
            let mut write = self.store.write().await?;
            admit_now(&mut write, now.wall).await?;
            note_time(&mut write, now.wall, Some(now.wall)).await?;
            write.commit().await?;
        }
        *before = now;
        if sweeps {
            self.sweep(now.wall).await?;
        }
        Ok(())
    }

    /// Deletes what expired long ago, unless the clock may be wrong.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn sweep(&self, now: Moment) -> Result<(), StoreError> {
        let stepped_at = self.warnings.borrow().iter().find_map(|warning| match warning {
            NodeWarning::ClockStepped { at, .. } => Some(*at),
            _ => None,
        });
        let mut write = self.store.write().await?;
        let stepped_at =
            stepped_at.or(crate::store::NodeRow::read(&mut write).await?.and_then(|row| row.clock_stepped_at));
        // A step that lies ahead was followed by another one.
        let trusted = stepped_at.is_none_or(|at| now.since(at) >= DISTRUST);
        note_time(&mut write, now, None).await?;
        if trusted {
            sweep(&mut write, now.before(KEPT)).await?;
        }
        write.commit().await?;
        if trusted {
            self.unwarn(|warning| matches!(warning, NodeWarning::ClockStepped { .. }));
        }
        Ok(())
    }

    /// One round with these clocks, for tests of what a step does.
    #[cfg(test)]
    pub(crate) async fn round_since(&self, mut before: Steady) {
        self.round(&mut before, false).await.unwrap();
    }
}
