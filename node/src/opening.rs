//! Opening a node: what must hold before it answers anything, and the first start.
//!
//! The order decides what a crash leaves behind. Key, log of revocations and an empty database come first; the node's row is
//! the one commit that makes a node of them; the file `generation` comes last. Without the row, a start goes on where the
//! last one stopped. With it, a key, a log or a database that is missing was taken away.

mod error;
mod filesystem;
mod lock;
mod machine;
mod node_files;
mod restore;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use bitrouter_gateway::ports::StoredObject;
use bitrouter_proto::{
    account::{NamespaceId, PersonId},
    files,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::node_files::NodeFiles;
pub use self::{
    error::OpenError,
    filesystem::Filesystem,
    machine::Machine,
    node_files::{FilesStamp, is_bound},
    restore::{RestoreError, Restored, restore, restore_in_place},
};
pub(crate) use self::{lock::NodeLock, node_files::set_bound};
use crate::{
    Ledger, Node, NodeOptions, NodeWarning, billing,
    byok::{HeldKeys, Ring},
    clock::Moment,
    enforcement::Enforcement,
    http::idempotency::Running,
    keys::live::LiveKeys,
    leases::Leases,
    ledger::{LedgerOptions, Stopped},
    oauth::{clients::Clients, limits::Limits, live::LiveTokens, write_uses_until_closed},
    people,
    revocations::{Revocation, RevokedLog},
    roles::Roles,
    secret::{NodeKey, hex, random_ulid},
    steady::Steady,
    store::{
        Condition, LeaseRow, NamespaceRow, NodeRow, PersonRow, Store, Write, condition, damage, ledger, migrate,
        newest_record,
    },
    web,
};

/// A page of SQLite has at least so many bytes (<https://www.sqlite.org/fileformat.html>).
const SMALLEST_DATABASE: u64 = 512;

impl Node {
    /// Opens the node in its directory, and makes one where there is none.
    ///
    /// # Errors
    /// What keeps it from being opened; nothing was replaced.
    pub async fn open(options: NodeOptions) -> Result<Arc<Self>, OpenError> {
        Self::open_on(options, Machine::this()).await
    }

    /// The same, on this machine.
    ///
    /// # Errors
    /// What keeps it from being opened; nothing was replaced.
    pub async fn open_on(options: NodeOptions, machine: Machine) -> Result<Arc<Self>, OpenError> {
        // A directory that does not answer must not hold up the runtime.
        let begun = options.clone();
        let opening = tokio::task::spawn_blocking(move || Opening::begin(&begun, machine)).await;
        let opening = opening.map_err(|_| OpenError::Interrupted(options.dir.clone()))??;
        let store = opening.store(&options).await?;
        let opened = match opening.finish(&options, &store).await {
            Ok(opened) => opened,
            Err(error) => {
                // Nobody else closes it: a file that is still open here could not be opened again.
                store.close().await;
                return Err(error);
            }
        };
        let Opened { key, row, revoked_log, live, keys, byok, roles, clients, open_leases, warnings } = opened;
        let NodeOptions { dir, settings, clock, tasks, outbound, .. } = options;
        let roles = Arc::new(roles);
        let enforcement = Arc::new(Enforcement::new(
            Arc::clone(&clock),
            Arc::clone(&keys),
            Arc::clone(&live),
            Arc::clone(&roles),
            row.owner,
        ));
        // Before anything is answered: what an earlier process left open is settled.
        let parts = LedgerOptions {
            dir: &dir,
            row: &row,
            store: &store,
            settings: Arc::clone(&settings),
            roles: Arc::clone(&roles),
            clock: Arc::clone(&clock),
            enforcement: Arc::clone(&enforcement),
        };
        let (ledger, stored_objects) = match open_ledger(parts, &enforcement).await {
            Ok(opened) => opened,
            Err(error) => {
                store.close().await;
                return Err(OpenError::of_journal(&opening.database, &opening.files.path, error));
            }
        };
        tasks.spawn(
            "uses of tokens",
            write_uses_until_closed(Arc::clone(&live), Arc::clone(&keys), Arc::clone(&byok), store.clone()),
        );
        let ending = CancellationToken::new();
        let leases = Arc::new(Leases::new(Arc::clone(&clock), ending.clone()));
        for lease in &open_leases {
            keys.begin_run(lease.key, leases.add(lease, settings.load().lease_grace));
        }
        let node = Arc::new(Self {
            dir,
            store,
            key,
            settings,
            live,
            roles,
            keys,
            byok,
            clients,
            limits: Limits::default(),
            running: Running::default(),
            enforcement,
            row,
            tasks,
            revoked_log: Arc::new(revoked_log),
            warnings: watch::Sender::new(warnings),
            lock: opening.lock,
            ending,
            leases,
            people: people::State::default(),
            ledger,
            stored_objects: Mutex::new(stored_objects),
            web: web::State::default(),
            outbound,
            billing: billing::Running::default(),
            clock,
        });
        node.note_what_is_bound();
        node.note_keys_of_replayed_sessions().await;
        node.note_suspended_keys();
        node.warn_of_changes().await;
        node.keep_steady(Steady::now(&*node.clock));
        node.watch_room();
        node.watch_link();
        node.ledger.run(&node.tasks, &node.ending);
        node.keep_leases();
        node.watch_journal();
        Ok(node)
    }
}

/// What is held while a node is opened.
struct Opening {
    files: NodeFiles,
    lock: NodeLock,
    machine: Machine,
    database: PathBuf,
    key: Option<NodeKey>,
    /// The number in the file `generation`.
    generation: Option<i64>,
    had_log: bool,
}

struct Opened {
    key: NodeKey,
    row: NodeRow,
    revoked_log: RevokedLog,
    live: Arc<LiveTokens>,
    keys: Arc<LiveKeys>,
    byok: Arc<HeldKeys>,
    roles: Roles,
    clients: Clients,
    /// Nobody holds them.
    open_leases: Vec<LeaseRow>,
    warnings: Vec<NodeWarning>,
}

impl Opening {
    /// Looks at the directory and takes the lock. The database is there afterwards, if only as an empty file.
    fn begin(options: &NodeOptions, machine: Machine) -> Result<Self, OpenError> {
        let files = NodeFiles::open(&options.dir)?;
        let file = files.shown(NodeFiles::DATABASE);
        let database = options.database.as_ref().map_or_else(|| file.clone(), |url| PathBuf::from(url.shown()));
        let filesystem = (machine.filesystem)(&files.dir).map_err(|source| {
            let path = files.path.clone();
            files::PlaceError::Io { action: "ask for the file system of", path, source }
        })?;
        if let Some(kind) = filesystem.network_name() {
            return Err(OpenError::Network { dir: files.path, kind: kind.to_owned() });
        }
        let lock = NodeLock::take(&files.dir, NodeFiles::LOCK, &files.shown(NodeFiles::LOCK))
            .map_err(|error| OpenError::of_lock(&database, error))?;
        files.check()?;
        let generation = files.generation()?;
        let had_log = files.size(NodeFiles::REVOKED)?.is_some();
        let key_path = files.shown(NodeFiles::KEY);
        let mut key = NodeKey::read(&key_path)?;
        if options.database.is_some() {
            return Ok(Self { files, lock, machine, database, key, generation, had_log });
        }
        let size = files.size(NodeFiles::DATABASE)?.unwrap_or(0);
        // SQLite takes what is shorter than its header for an empty database, and writes over it.
        if (1..SMALLEST_DATABASE).contains(&size) || !size.is_multiple_of(SMALLEST_DATABASE) {
            let detail = format!("it has {size} bytes, which are no whole pages");
            return Err(OpenError::Damaged { database, dir: files.path, detail });
        }
        if size == 0 {
            if generation.is_some() {
                let (generation, dir) = (files.shown(NodeFiles::GENERATION), files.path);
                return Err(OpenError::DatabaseMissing { database, generation, dir });
            }
            if key.is_none() {
                key = Some(NodeKey::create(&files.dir, NodeFiles::KEY, &key_path)?);
            }
            drop(files::open_lock(&files.dir, NodeFiles::DATABASE, &database)?);
        }
        Ok(Self { files, lock, machine, database, key, generation, had_log })
    }

    fn store_error(&self, error: crate::store::StoreError) -> OpenError {
        OpenError::of_store(&self.database, &self.files.path, error)
    }

    /// Opens the database. One of PostgreSQL is this process's afterwards, as long as it can be reached.
    async fn store(&self, options: &NodeOptions) -> Result<Store, OpenError> {
        match &options.database {
            None => Store::sqlite(&self.database).await.map_err(|error| self.store_error(error)),
            Some(url) => Store::postgres(url)
                .await
                .map_err(|source| OpenError::Postgres { database: url.shown().to_owned(), source }),
        }
    }

    /// Makes the database ready, or says what is wrong with it. What is not whole, not ours or not of this key is not written.
    async fn finish(&self, options: &NodeOptions, store: &Store) -> Result<Opened, OpenError> {
        let failed = |error| self.store_error(error);
        let found = {
            let mut write = store.write().await.map_err(failed)?;
            condition(&mut write).await.map_err(failed)?
        };
        let database = || self.database.clone();
        let identity = match found {
            // A server's database is made before the node is: without tables it is another one than there was.
            Condition::Empty if store.is_postgres() && self.generation.is_some() => {
                let (generation, dir) = (self.files.shown(NodeFiles::GENERATION), self.files.path.clone());
                return Err(OpenError::DatabaseEmpty { database: database(), generation, dir });
            }
            Condition::Empty => None,
            Condition::Node(identity) => identity,
            Condition::OldSqlite(found) => return Err(OpenError::OldSqlite { database: database(), found }),
            Condition::Foreign if store.is_postgres() => return Err(OpenError::ForeignSchema(database())),
            Condition::Foreign => return Err(OpenError::Foreign(database())),
            Condition::Newer(found) => {
                return Err(OpenError::Newer { database: database(), found, known: crate::store::NEWEST });
            }
        };
        let key_path = self.files.shown(NodeFiles::KEY);
        let key = match (&self.key, &identity) {
            (Some(key), _) => key.clone(),
            (None, Some(_)) => return Err(OpenError::KeyMissing { key: key_path, database: database() }),
            (None, None) => NodeKey::create(&self.files.dir, NodeFiles::KEY, &key_path)?,
        };
        if identity.as_ref().is_some_and(|identity| identity.canary != canary(&key, &identity.node_id)) {
            return Err(OpenError::KeyMismatch { key: key_path, database: database() });
        }
        let start = identity.map_or(0, |identity| identity.generation);
        if let Some(expected) = self.generation.filter(|expected| *expected > start) {
            let generation = self.files.shown(NodeFiles::GENERATION);
            if store.is_postgres() {
                return Err(OpenError::BehindInPlace { database: database(), generation, found: start, expected });
            }
            return Err(OpenError::Behind { database: database(), generation, found: start, expected });
        }
        // Last, since all of it is read: what is off for another reason is looked at every few seconds.
        let damage = {
            let mut write = store.write().await.map_err(failed)?;
            damage(&mut write).await.map_err(failed)?
        };
        if let Some(detail) = damage {
            return Err(OpenError::Damaged { database: database(), dir: self.files.path.clone(), detail });
        }
        let now = options.clock.wall();
        store.use_write_ahead_log().await.map_err(failed)?;
        migrate(store, now).await.map_err(|error| match error {
            crate::store::MigrateError::Newer { found } => {
                OpenError::Newer { database: database(), found, known: crate::store::NEWEST }
            }
            crate::store::MigrateError::Store(error) => failed(error),
        })?;
        self.start(options, store, key, now).await
    }

    /// Raises the generation, brings the database up to the log of revocations, and notes where and when it was started.
    async fn start(
        &self,
        options: &NodeOptions,
        store: &Store,
        key: NodeKey,
        now: Moment,
    ) -> Result<Opened, OpenError> {
        let failed = |error| self.store_error(error);
        let mut write = store.write().await.map_err(failed)?;
        // First of all: what is read below nobody changes any more.
        let mut epoch = NodeRow::raise_epoch(&mut write).await.map_err(failed)?;
        let known = NodeRow::read(&mut write).await.map_err(failed)?;
        let log_path = self.files.shown(NodeFiles::REVOKED);
        let seq = known.as_ref().map_or(0, |row| row.revoked_seq);
        let (revoked_log, missing) = RevokedLog::open(&self.files.dir, NodeFiles::REVOKED, &log_path, seq)?;
        let (row, warnings) = match known {
            None => {
                // The row and the first person are one commit: without the one there cannot be the other.
                if !PersonRow::all(&mut write).await.map_err(failed)?.is_empty() {
                    let detail = "it has lost what it says of itself".to_owned();
                    let (database, dir) = (self.database.clone(), self.files.path.clone());
                    return Err(OpenError::Damaged { database, dir, detail });
                }
                let row = self.first_start(options, &key, now);
                insert(&row, &options.owner_name, &mut write).await.map_err(failed)?;
                epoch = NodeRow::raise_epoch(&mut write).await.map_err(failed)?;
                (row, Vec::new())
            }
            Some(before) => {
                let mut warnings = Vec::new();
                let mut row = before.clone();
                row.generation += 1;
                let newest = newest_record(&mut write).await.map_err(failed)?.max(before.newest_at);
                if let Some(step) = crate::steady::step_while_away(newest, now) {
                    warnings.push(step);
                    row.clock_stepped_at = Some(now);
                }
                crate::store::admit_now(&mut write, now).await.map_err(failed)?;
                row.newest_at = now;
                if !self.machine.id.is_empty() {
                    if !before.machine_id.is_empty() && before.machine_id != self.machine.id {
                        warnings.push(NodeWarning::DatabaseMoved { database: self.database.clone() });
                    }
                    row.machine_id.clone_from(&self.machine.id);
                }
                for line in &missing.lines {
                    store.pending().add(*line);
                }
                let holds_sessions = crate::store::holds_sessions(&mut write).await.map_err(failed)?;
                // The first start of all may have ended before it wrote the file: nobody was signed in then.
                let lost_generation = self.generation.is_none() && (before.generation > 1 || holds_sessions);
                // A log that was emptied, cut short or mixed up says as little as none.
                let lost_log = !self.had_log || missing.lacks_lines(before.revoked_seq);
                if lost_log || lost_generation {
                    let name = if lost_log { NodeFiles::REVOKED } else { NodeFiles::GENERATION };
                    if holds_sessions {
                        warnings.push(NodeWarning::SessionsEnded { missing: self.files.shown(name) });
                    }
                    store.pending().add(revoked_log.append(now, Revocation::Everything)?);
                }
                row.update(&mut write).await.map_err(failed)?;
                write.catch_up().await.map_err(failed)?;
                (row, warnings)
            }
        };
        let live = LiveTokens::load(&mut write, Arc::clone(&options.clock)).await.map_err(failed)?;
        let keys = LiveKeys::load(&mut write, Arc::clone(&options.clock)).await.map_err(failed)?;
        let roles = Roles::load(&mut write).await.map_err(failed)?;
        let ring = Ring::load(&mut write, &key, now).await.map_err(failed)?;
        let (clock, settings) = (Arc::clone(&options.clock), Arc::clone(&options.settings));
        let clients = Clients::load(&mut write).await.map_err(failed)?;
        let byok = HeldKeys::load(&mut write, ring, key.clone(), clock, settings).await.map_err(failed)?;
        let open_leases = LeaseRow::all_open(&mut write).await.map_err(failed)?;
        write.commit().await.map_err(failed)?;
        store.set_epoch(epoch.unwrap_or_default());
        self.files.set_generation(row.generation)?;
        self.files.check()?;
        Ok(Opened {
            key,
            row,
            revoked_log,
            live: Arc::new(live),
            keys: Arc::new(keys),
            byok: Arc::new(byok),
            roles,
            clients,
            open_leases,
            warnings,
        })
    }

    fn first_start(&self, options: &NodeOptions, key: &NodeKey, now: Moment) -> NodeRow {
        let node_id = format!("node_{}", random_ulid(now).to_string().to_ascii_lowercase());
        NodeRow {
            canary: canary(key, &node_id),
            node_id,
            owner: PersonId::new(random_ulid(now)),
            first_namespace: NamespaceId::new(random_ulid(now)),
            generation: 1,
            revoked_seq: 0,
            machine_id: self.machine.id.clone(),
            newest_at: now,
            clock_stepped_at: None,
            created_at: options.clock.wall(),
        }
    }
}

/// The ledger, and what providers have stored as it says then.
async fn open_ledger(
    options: LedgerOptions<'_>,
    enforcement: &Enforcement,
) -> Result<(Arc<Ledger>, Vec<StoredObject>), Stopped> {
    let store = options.store;
    let ledger = Ledger::open(options).await?;
    // Nothing is called before what binds it is known.
    enforcement.refresh(store, &ledger).await?;
    let stored_objects = ledger::stored_objects(&mut store.read().await?).await?;
    Ok((ledger, stored_objects))
}

/// Writes a new node: its owner, the owner's first namespace, its row.
async fn insert(row: &NodeRow, owner_name: &str, write: &mut Write) -> Result<(), crate::store::StoreError> {
    let created_at = row.created_at;
    let person = PersonRow { id: row.owner, name: owner_name.to_owned(), created_at, has_password: false };
    person.insert(write).await?;
    let name = "default".to_owned();
    NamespaceRow { id: row.first_namespace, owner: row.owner, name, created_at }.insert(write).await?;
    row.insert(write).await
}

/// What only this key makes of a node's id: 64 hexadecimal digits.
fn canary(key: &NodeKey, node_id: &str) -> String {
    hex(&key.derive("canary", &[node_id.as_bytes()]))
}

#[cfg(test)]
mod tests;
