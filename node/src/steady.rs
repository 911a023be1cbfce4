//! The node's slow round: is the wall clock still right, and what can be forgotten.
//!
//! A step of the wall clock shows against `CLOCK_BOOTTIME`, which runs on in suspend. While it may be wrong, nothing is
//! deleted for its age.

use std::{sync::Arc, time::Duration};

use crate::{
    Node, NodeWarning,
    clock::{Clock, Moment},
    store::{AccessTokenRow, ApiKeyRow, StoreError, admit_now, ledger, note_time, sweep},
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
/// So many rows of calls are forgotten in one transaction.
const AT_ONCE: i64 = 500;
/// How long a row is kept after it has expired.
const KEPT: Duration = Duration::from_hours(7 * 24);
/// How long a key is listed after it was revoked or has expired.
pub(crate) const KEYS_KEPT: Duration = Duration::from_hours(90 * 24);

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
            for (token, _) in AccessTokenRow::all_live(&mut write, now.wall).await? {
                self.live.ends_at(token.hash, token.expires_at);
            }
            for key in ApiKeyRow::all_live(&mut write, now.wall).await? {
                self.keys.ends_at(key.id, key.expires_at);
            }
            write.commit().await?;
        }
        *before = now;
        self.look_after_stored_keys().await?;
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
            sweep(&mut write, now.before(KEPT), now.before(KEYS_KEPT)).await?;
        }
        write.commit().await?;
        if trusted {
            self.keys.sweep();
            self.note_suspended_keys();
            self.prune(now).await?;
            self.unwarn(|warning| matches!(warning, NodeWarning::ClockStepped { .. }));
        }
        Ok(())
    }
}

impl Node {
    /// Forgets the rows of calls that are older than `[node] keep_requests`, a few at a time: others write in between.
    async fn prune(&self, now: Moment) -> Result<(), StoreError> {
        let before = now.before(self.settings.load().keep_requests);
        let mut has_more = true;
        while has_more && !self.ending.is_cancelled() {
            let mut write = self.store.write().await?;
            has_more = ledger::prune(&mut write, before, AT_ONCE).await?
                || ledger::forget_all_but_newest(&mut write, AT_ONCE).await?;
            write.commit().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arc_swap::ArcSwap;
    use bitrouter_proto::{
        account::{GrantId, RequestRowId, ScopeSet},
        tasks::Tasks,
    };

    use super::*;
    use crate::{
        Machine, NodeOptions, Settings,
        clock::ManualClock,
        ledger::record::{Admitted, Kind, Record, Settled},
        secret::{Seed, Token, TokenKind, random_ulid},
        store::{GrantRow, NodeRow, newest_record},
    };

    const START: Moment = Moment::from_millis(1_800_000_000_000);
    const DAY: Duration = Duration::from_hours(24);

    fn scopes() -> ScopeSet {
        ScopeSet::parse("inference:invoke").unwrap()
    }

    struct World {
        _root: tempfile::TempDir,
        clock: Arc<ManualClock>,
        node: Arc<Node>,
    }

    impl World {
        async fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let clock = Arc::new(ManualClock::new(START));
            let options = NodeOptions {
                dir: root.path().join("d"),
                owner_name: "ada".to_owned(),
                database: None,
                settings: Arc::new(ArcSwap::from_pointee(Settings::default())),
                clock: Arc::clone(&clock) as _,
                tasks: Tasks::new(),
                outbound: Arc::new(crate::outbound::NoOutbound),
            };
            let node = Node::open_on(options, Machine::this()).await.unwrap();
            Self { _root: root, clock, node }
        }

        /// A session that ends an hour from now.
        async fn session(&self) -> GrantId {
            let now = self.clock.wall();
            let id = GrantId::new(random_ulid(now));
            let row = GrantRow {
                id,
                client_id: "bitrouter-cli".to_owned(),
                person: self.node.row.owner,
                namespace: self.node.row.first_namespace,
                scopes: scopes(),
                generation: 1,
                created_at: now,
                last_used_at: now,
                idle_expires_at: now.after(Duration::from_hours(1)),
                expires_at: now.after(Duration::from_hours(1)),
            };
            let mut write = self.node.store.write().await.unwrap();
            row.insert(&mut write).await.unwrap();
            write.commit().await.unwrap();
            id
        }

        async fn is_kept(&self, id: GrantId) -> bool {
            GrantRow::find(&mut self.node.store.read().await.unwrap(), id).await.unwrap().is_some()
        }

        fn is_said(&self) -> bool {
            self.node.warnings().borrow().iter().any(|warning| matches!(warning, NodeWarning::ClockStepped { .. }))
        }
    }

    #[tokio::test]
    async fn what_expired_is_kept_for_seven_days() {
        let world = World::new().await;
        let id = world.session().await;
        world.clock.advance(7 * DAY);
        world.node.sweep(world.clock.wall()).await.unwrap();
        assert!(world.is_kept(id).await);
        world.clock.advance(DAY);
        world.node.sweep(world.clock.wall()).await.unwrap();
        assert!(!world.is_kept(id).await);
        world.node.close().await;
    }

    #[tokio::test]
    async fn nothing_is_deleted_within_a_day_of_a_step() {
        let world = World::new().await;
        let id = world.session().await;
        let mut before = Steady::now(&*world.clock);
        world.clock.advance(Duration::from_mins(4));
        world.node.round(&mut before, true).await.unwrap();
        assert!(!world.is_said(), "time passes");
        world.clock.set_wall(START.after(30 * DAY));
        world.node.round(&mut before, true).await.unwrap();
        assert!(world.is_said() && world.is_kept(id).await);
        world.clock.advance(DAY.saturating_sub(Duration::from_mins(1)));
        world.node.sweep(world.clock.wall()).await.unwrap();
        assert!(world.is_said() && world.is_kept(id).await);
        world.clock.advance(Duration::from_mins(2));
        world.node.sweep(world.clock.wall()).await.unwrap();
        assert!(!world.is_said() && !world.is_kept(id).await);
        let row = NodeRow::read(&mut world.node.store.read().await.unwrap()).await.unwrap().unwrap();
        assert_eq!(row.clock_stepped_at, Some(START.after(30 * DAY)));
        world.node.close().await;
    }

    impl World {
        /// A call in the first namespace that was admitted and settled now.
        async fn call(&self, number: u64, charge: i64) -> RequestRowId {
            let (now, id) = (self.clock.wall(), RequestRowId::new(ulid::Ulid::from_parts(number, 1)));
            let admitted = Admitted {
                id: id.ulid().to_bytes().to_vec(),
                namespace: self.node.row.first_namespace.ulid().to_bytes().to_vec(),
                payer: self.node.row.owner.ulid().to_bytes().to_vec(),
                created_at: now.millis(),
                ..Admitted::default()
            };
            let settled = Settled {
                id: admitted.id.clone(),
                status: "succeeded".to_owned(),
                origin: "provider".to_owned(),
                charge,
                completed_at: now.millis(),
                ..Settled::default()
            };
            let records = [Kind::Admitted(admitted), Kind::Settled(settled)].map(|kind| Record { kind: Some(kind) });
            let mut write = self.node.store.write().await.unwrap();
            ledger::apply(&mut write, &records, "segment", number, now).await.unwrap();
            write.commit().await.unwrap();
            id
        }

        async fn is_shown(&self, id: RequestRowId) -> bool {
            ledger::request(&mut self.node.store.read().await.unwrap(), id).await.unwrap().is_some()
        }

        async fn balance(&self) -> i64 {
            let credit = ledger::credit_of(&mut self.node.store.read().await.unwrap(), self.node.row.owner).await;
            credit.unwrap().balance.micros()
        }
    }

    #[tokio::test]
    async fn p16_calls_are_kept_for_as_long_as_is_said_and_their_sums_for_ever() {
        let world = World::new().await;
        let mut settings = Settings::clone(&world.node.settings.load());
        settings.keep_requests = 10 * DAY;
        world.node.settings.store(Arc::new(settings));
        let old = world.call(1, 40).await;
        world.clock.advance(5 * DAY);
        let young = world.call(2, 2).await;
        world.clock.advance(5 * DAY);
        world.node.sweep(world.clock.wall()).await.unwrap();
        assert!(world.is_shown(old).await);
        world.clock.advance(Duration::from_hours(1));
        world.node.sweep(world.clock.wall()).await.unwrap();
        assert!(!world.is_shown(old).await && world.is_shown(young).await);
        assert_eq!(world.balance().await, -42);
        // A clock that may be wrong has nothing forgotten.
        let mut before = Steady::now(&*world.clock);
        world.clock.set_wall(world.clock.wall().after(300 * DAY));
        world.node.round(&mut before, true).await.unwrap();
        assert!(world.is_said() && world.is_shown(young).await);
        world.clock.advance(DAY);
        world.node.sweep(world.clock.wall()).await.unwrap();
        assert!(!world.is_shown(young).await);
        let window = ledger::Window { from: Moment::default(), to: world.clock.wall() };
        let namespace = world.node.row.first_namespace;
        let sums = ledger::usage(&mut world.node.store.read().await.unwrap(), namespace, window).await.unwrap();
        assert_eq!((sums.request_count, sums.charge), (2, 42));
        world.node.close().await;
    }

    #[tokio::test]
    async fn calls_keep_their_time_and_the_newest_of_all_tells_a_step() {
        let world = World::new().await;
        let ahead = START.after(365 * DAY);
        world.clock.set_wall(ahead);
        let id = world.call(1, 40).await;
        let newest = newest_record(&mut world.node.store.read().await.unwrap()).await.unwrap();
        assert_eq!(newest, ahead);
        let mut before = Steady::now(&*world.clock);
        world.clock.set_wall(START);
        world.node.round(&mut before, false).await.unwrap();
        assert!(world.is_said());
        let row = ledger::request(&mut world.node.store.read().await.unwrap(), id).await.unwrap().unwrap();
        assert_eq!(row.created_at, ahead.to_string());
        world.node.close().await;
    }

    #[tokio::test]
    async fn rows_of_the_future_count_as_admitted_now() {
        let world = World::new().await;
        // The clock is a year ahead when a session is made.
        world.clock.set_wall(START.after(365 * DAY));
        let id = world.session().await;
        let mut before = Steady::now(&*world.clock);
        world.clock.set_wall(START);
        world.node.round(&mut before, false).await.unwrap();
        assert!(world.is_said());
        let found = GrantRow::find(&mut world.node.store.read().await.unwrap(), id).await.unwrap().unwrap().row;
        assert_eq!((found.created_at, found.last_used_at), (START, START));
        assert_eq!(found.ends_at(), START.after(Duration::from_hours(1)));
        world.node.close().await;
    }

    #[tokio::test]
    async fn a_token_that_is_held_ends_with_its_row() {
        let world = World::new().await;
        world.clock.set_wall(START.after(365 * DAY));
        let id = world.session().await;
        let token = Token::of_seed(TokenKind::Access, id.ulid(), &Seed::default());
        let expires_at = world.clock.wall().after(Duration::from_hours(1));
        let live = crate::oauth::live::NewLive {
            hash: token.hash(),
            grant: id,
            client: "bitrouter-cli".into(),
            person: world.node.row.owner,
            namespace: world.node.row.first_namespace,
            scopes: scopes(),
            generation: 1,
            expires_at,
        };
        let mut write = world.node.store.write().await.unwrap();
        let row = AccessTokenRow {
            hash: live.hash,
            grant: id,
            generation: 1,
            scopes: live.scopes,
            created_at: world.clock.wall(),
            expires_at,
        };
        row.insert(&mut write).await.unwrap();
        write.commit().await.unwrap();
        assert!(world.node.live.insert(live, None));
        let mut before = Steady::now(&*world.clock);
        world.clock.set_wall(START);
        world.node.round(&mut before, false).await.unwrap();
        let text = token.text().clone();
        let judged = |node: &Node| node.judge(secrecy::ExposeSecret::expose_secret(&text).as_bytes()).is_ok();
        assert!(judged(&world.node));
        world.clock.advance(Duration::from_mins(61));
        assert!(!judged(&world.node), "it lives for as long as the clock was wrong");
        world.node.close().await;
    }
}
