//! Opening a node: what must hold before it answers anything.

use std::sync::Arc;

use bitrouter_proto::{
    account::{NamespaceId, PersonId},
    files::{self, PlaceError},
};

use crate::{
    Node, NodeOptions,
    oauth::{limits::Limits, live::LiveTokens, write_uses_until_closed},
    people,
    secret::{KeyError, NodeKey, random_ulid},
    store::{MigrateError, NamespaceRow, NodeRow, PersonRow, Store, StoreError, migrate},
    web,
};

/// Why there is no node.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or a file in it cannot be used.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// There is no usable key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database cannot be brought to this release.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Node {
    /// Opens the node in its directory, and makes one where there is none.
    ///
    /// # Errors
    /// What keeps it from being opened; nothing was replaced.
    pub async fn open(options: NodeOptions) -> Result<Arc<Self>, OpenError> {
        let NodeOptions { dir, owner_name, settings, clock, tasks } = options;
        let fd = files::private_dir(&dir)?;
        let path = dir.join("node.db");
        drop(files::open_lock(&fd, "node.db", &path)?);
        let key_path = dir.join("node.key");
        let key = match NodeKey::read(&key_path)? {
            Some(key) => key,
            None => NodeKey::create(&fd, "node.key", &key_path)?,
        };
        let store = Store::sqlite(&path).await?;
        let now = clock.wall();
        migrate(&store, now).await?;
        let mut write = store.write().await?;
        let row = match NodeRow::read(&mut write).await? {
            Some(row) => row,
            None => {
                let owner = PersonId::new(random_ulid(now));
                let first_namespace = NamespaceId::new(random_ulid(now));
                let node_id = format!("node_{}", random_ulid(now).to_string().to_ascii_lowercase());
                let person = PersonRow { id: owner, name: owner_name.clone(), created_at: now, has_password: false };
                person.insert(&mut write).await?;
                let default = "default".to_owned();
                NamespaceRow { id: first_namespace, owner, name: default, created_at: now }.insert(&mut write).await?;
                let row = NodeRow {
                    canary: String::new(),
                    node_id,
                    owner,
                    first_namespace,
                    generation: 0,
                    revoked_seq: 0,
                    machine_id: String::new(),
                    newest_at: now,
                    clock_stepped_at: None,
                    created_at: now,
                };
                row.insert(&mut write).await?;
                row
            }
        };
        let live = Arc::new(LiveTokens::load(&mut write, Arc::clone(&clock)).await?);
        write.commit().await?;
        tasks.spawn("uses of tokens", write_uses_until_closed(Arc::clone(&live), store.clone()));
        Ok(Arc::new(Self {
            store,
            key,
            settings,
            clock,
            live,
            limits: Limits::default(),
            row,
            tasks,
            people: people::State::default(),
            web: web::State::default(),
        }))
    }
}
