//! Stored provider keys, what they are sealed against, and what was done with them.

use bitrouter_proto::account::PersonId;

use super::{StoreError, Write, columns, engine::Queryable, execute, fetch_all, fetch_optional};
use crate::{clock::Moment, secret::TokenHash};

/// A key-encryption key. Bytes are in base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KekRow {
    /// `kek_…`
    pub(crate) id: String,
    /// The public half.
    pub(crate) public_key: String,
    /// The private half, wrapped.
    pub(crate) sealed_key: String,
    /// When it was made.
    pub(crate) created_at: Moment,
    /// Since when another one is current.
    pub(crate) retired_at: Option<Moment>,
}

/// A stored key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ByokRow {
    /// Whose.
    pub(crate) person: PersonId,
    /// For which provider.
    pub(crate) provider: String,
    /// What it is sealed against.
    pub(crate) kek_id: String,
    /// Of what was submitted.
    pub(crate) hash: TokenHash,
    /// What was submitted, wrapped; base64.
    pub(crate) sealed: String,
    /// How it begins.
    pub(crate) key_prefix: String,
    /// Where it is sent.
    pub(crate) api_base: Option<String>,
    /// When there was first one.
    pub(crate) created_at: Moment,
    /// When this one came.
    pub(crate) updated_at: Moment,
    /// When it was last used, as far as it was written.
    pub(crate) last_used_at: Option<Moment>,
    /// When it last failed, and how.
    pub(crate) last_failure: Option<(Moment, String)>,
}

/// What is noted of a use or a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ByokUse {
    /// Of which key.
    pub(crate) hash: TokenHash,
    /// When it was last used.
    pub(crate) used_at: Option<Moment>,
    /// When it last failed, and how.
    pub(crate) failure: Option<(Moment, &'static str)>,
}

/// A submission or a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ByokChangeRow {
    /// In the order in which they were made.
    pub(crate) id: String,
    /// When.
    pub(crate) at: Moment,
    /// `submitted` or `deleted`.
    pub(crate) action: String,
    /// Whose key it is.
    pub(crate) person: PersonId,
    /// With what it was done.
    pub(crate) credential: String,
    /// For which provider.
    pub(crate) provider: String,
    /// What the key was sealed against.
    pub(crate) kek_id: String,
    /// Where it is sent.
    pub(crate) api_base: Option<String>,
}

columns! {
    /// A row as the database has it.
    Columns {
        person_id: String,
        provider: String,
        kek_id: String,
        hash: String,
        sealed: String,
        key_prefix: String,
        api_base: String,
        created_at: i64,
        updated_at: i64,
        last_used_at: Option<i64>,
        last_failure_at: Option<i64>,
        last_failure_kind: Option<String>,
    }
}

type KekColumns = (String, String, String, i64, Option<i64>);
type ChangeColumns = (String, i64, String, String, String, String, String, String);
type NamedChangeColumns = (String, i64, String, String, String, String, String, String, String);

impl KekRow {
    /// All that there are, the newest first.
    pub(crate) async fn all(on: &mut impl Queryable) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<KekColumns> = fetch_all!(
            on,
            "SELECT id, public_key, sealed_key, created_at, retired_at FROM byok_keks ORDER BY created_at DESC, id"
        )?;
        let row = |(id, public_key, sealed_key, created_at, retired_at): KekColumns| Self {
            id,
            public_key,
            sealed_key,
            created_at: Moment::from_millis(created_at),
            retired_at: retired_at.map(Moment::from_millis),
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// Makes this one the current one.
    pub(crate) async fn insert_current(&self, write: &mut Write) -> Result<(), StoreError> {
        let at = self.created_at.millis();
        execute!(write, "UPDATE byok_keks SET retired_at = $1 WHERE retired_at IS NULL", at)?;
        execute!(
            write,
            "INSERT INTO byok_keks (id, public_key, sealed_key, created_at) VALUES ($1, $2, $3, $4)",
            &self.id,
            &self.public_key,
            &self.sealed_key,
            at,
        )?;
        Ok(())
    }

    /// Destroys those that are not current and that no stored key names.
    pub(crate) async fn prune(write: &mut Write) -> Result<u64, StoreError> {
        execute!(
            write,
            "DELETE FROM byok_keks WHERE retired_at IS NOT NULL AND id NOT IN (SELECT kek_id FROM byok_keys)"
        )
    }
}

impl ByokRow {
    /// Every stored key of everybody.
    pub(crate) async fn all(on: &mut impl Queryable) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<Columns> = fetch_all!(
            on,
            "SELECT person_id, provider, kek_id, hash, sealed, key_prefix, api_base, created_at, updated_at, last_used_at,
                    last_failure_at, last_failure_kind FROM byok_keys"
        )?;
        rows.into_iter().map(Self::of).collect()
    }

    /// Every stored key of a person.
    pub(crate) async fn of_person(on: &mut impl Queryable, person: PersonId) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<Columns> = fetch_all!(
            on,
            "SELECT person_id, provider, kek_id, hash, sealed, key_prefix, api_base, created_at, updated_at, last_used_at,
                    last_failure_at, last_failure_kind FROM byok_keys WHERE person_id = $1 ORDER BY provider",
            person.to_string(),
        )?;
        rows.into_iter().map(Self::of).collect()
    }

    /// The key of a person for a provider.
    pub(crate) async fn find(
        on: &mut impl Queryable,
        person: PersonId,
        provider: &str,
    ) -> Result<Option<Self>, StoreError> {
        let row: Option<Columns> = fetch_optional!(
            on,
            "SELECT person_id, provider, kek_id, hash, sealed, key_prefix, api_base, created_at, updated_at, last_used_at,
                    last_failure_at, last_failure_kind FROM byok_keys WHERE person_id = $1 AND provider = $2",
            person.to_string(),
            provider,
        )?;
        row.map(Self::of).transpose()
    }

    fn of(row: Columns) -> Result<Self, StoreError> {
        let unreadable = || StoreError::Unreadable("stored key");
        Ok(Self {
            person: row.person_id.parse().map_err(|_| unreadable())?,
            provider: row.provider,
            kek_id: row.kek_id,
            hash: TokenHash::from_hex(&row.hash).ok_or_else(unreadable)?,
            sealed: row.sealed,
            key_prefix: row.key_prefix,
            api_base: Some(row.api_base).filter(|base| !base.is_empty()),
            created_at: Moment::from_millis(row.created_at),
            updated_at: Moment::from_millis(row.updated_at),
            last_used_at: row.last_used_at.map(Moment::from_millis),
            last_failure: row.last_failure_at.map(Moment::from_millis).zip(row.last_failure_kind),
        })
    }

    /// Writes it, in the place of the one for the same provider.
    pub(crate) async fn put(&self, write: &mut Write) -> Result<(), StoreError> {
        execute!(
            write,
            "INSERT INTO byok_keys (person_id, provider, kek_id, hash, sealed, key_prefix, api_base, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (person_id, provider) DO UPDATE SET kek_id = excluded.kek_id, hash = excluded.hash,
               sealed = excluded.sealed, key_prefix = excluded.key_prefix, api_base = excluded.api_base,
               updated_at = excluded.updated_at, last_used_at = NULL, last_failure_at = NULL, last_failure_kind = NULL",
            self.person.to_string(),
            &self.provider,
            &self.kek_id,
            self.hash.to_hex(),
            &self.sealed,
            &self.key_prefix,
            self.api_base.as_deref().unwrap_or_default(),
            self.created_at.millis(),
            self.updated_at.millis(),
        )?;
        Ok(())
    }

    /// Deletes the one that was submitted as this, wherever it is.
    pub(crate) async fn delete(write: &mut Write, hash: TokenHash) -> Result<(), StoreError> {
        execute!(write, "DELETE FROM byok_keys WHERE hash = $1", hash.to_hex())?;
        Ok(())
    }

    /// Deletes all of a person.
    pub(crate) async fn delete_of(write: &mut Write, person: PersonId) -> Result<(), StoreError> {
        execute!(write, "DELETE FROM byok_keys WHERE person_id = $1", person.to_string())?;
        Ok(())
    }

    /// Notes what became of keys; of one that was replaced meanwhile nothing.
    pub(crate) async fn note(write: &mut Write, uses: &[ByokUse]) -> Result<(), StoreError> {
        for ByokUse { hash, used_at, failure } in uses {
            if let Some(at) = used_at {
                let at = at.millis();
                execute!(write, "UPDATE byok_keys SET last_used_at = $2 WHERE hash = $1", hash.to_hex(), at)?;
            }
            if let Some((at, kind)) = failure {
                execute!(
                    write,
                    "UPDATE byok_keys SET last_failure_at = $2, last_failure_kind = $3 WHERE hash = $1",
                    hash.to_hex(),
                    at.millis(),
                    *kind,
                )?;
            }
        }
        Ok(())
    }

    /// Remembers for ever that this was accepted; false where it was for somebody or something else.
    pub(crate) async fn accept(&self, write: &mut Write) -> Result<bool, StoreError> {
        let (hash, person) = (self.hash.to_hex(), self.person.to_string());
        let base = self.api_base.as_deref().unwrap_or_default();
        execute!(
            write,
            "INSERT INTO byok_accepted (hash, person_id, provider, api_base) VALUES ($1, $2, $3, $4)
             ON CONFLICT (hash) DO NOTHING",
            &hash,
            &person,
            &self.provider,
            base,
        )?;
        let known: Option<(String, String, String)> =
            fetch_optional!(write, "SELECT person_id, provider, api_base FROM byok_accepted WHERE hash = $1", &hash)?;
        Ok(known.is_some_and(|known| known == (person, self.provider.clone(), base.to_owned())))
    }
}

/// What somebody who writes to the database by hand puts in another's place.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Misplaced {
    /// It is to be another person's.
    Person(PersonId),
    /// It is to be what was submitted for this provider.
    Sealed(&'static str),
    /// It is to be sent elsewhere.
    Address,
    /// It is to be sealed against what is current.
    Kek,
}

#[cfg(test)]
impl ByokRow {
    /// Puts what is not meant for it into the row for `provider`.
    pub(crate) async fn misplace(write: &mut Write, provider: &str, what: Misplaced) -> Result<(), StoreError> {
        match what {
            Misplaced::Person(other) => {
                let sql = "UPDATE byok_keys SET person_id = $1 WHERE provider = $2";
                execute!(write, sql, other.to_string(), provider)?;
            }
            Misplaced::Sealed(other) => {
                let sql = "UPDATE byok_keys SET sealed = (SELECT sealed FROM byok_keys WHERE provider = $1) WHERE provider = $2";
                execute!(write, sql, other, provider)?;
            }
            Misplaced::Address => {
                let sql = "UPDATE byok_keys SET api_base = 'https://eve.example' WHERE provider = $1";
                execute!(write, sql, provider)?;
            }
            Misplaced::Kek => {
                let sql = "UPDATE byok_keys SET kek_id = (SELECT id FROM byok_keks WHERE retired_at IS NULL) WHERE provider = $1";
                execute!(write, sql, provider)?;
            }
        }
        Ok(())
    }
}

impl ByokChangeRow {
    /// Writes a new one.
    pub(crate) async fn insert(&self, write: &mut Write) -> Result<(), StoreError> {
        execute!(
            write,
            "INSERT INTO byok_changes (id, at, action, person_id, credential, provider, kek_id, api_base)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            &self.id,
            self.at.millis(),
            &self.action,
            self.person.to_string(),
            &self.credential,
            &self.provider,
            &self.kek_id,
            self.api_base.as_deref().unwrap_or_default(),
        )?;
        Ok(())
    }

    /// How many keys a person has submitted since then.
    pub(crate) async fn submitted(on: &mut impl Queryable, person: PersonId, since: Moment) -> Result<i64, StoreError> {
        let row: Option<(i64,)> = fetch_optional!(
            on,
            "SELECT COUNT(*) FROM byok_changes WHERE person_id = $1 AND at > $2 AND action = 'submitted'",
            person.to_string(),
            since.millis(),
        )?;
        Ok(row.map_or(0, |row| row.0))
    }

    /// The newest of everybody since then, at most so many, with what their persons are called.
    pub(crate) async fn newest(
        on: &mut impl Queryable,
        since: Moment,
        most: i64,
    ) -> Result<Vec<(Self, String)>, StoreError> {
        let rows: Vec<NamedChangeColumns> = fetch_all!(
            on,
            "SELECT c.id, c.at, c.action, c.person_id, c.credential, c.provider, c.kek_id, c.api_base, p.name
             FROM byok_changes c JOIN persons p ON p.id = c.person_id
             WHERE c.at > $1 ORDER BY c.at DESC, c.id DESC LIMIT $2",
            since.millis(),
            most,
        )?;
        rows.into_iter().map(Self::named).collect()
    }

    /// The newest of a person, at most so many, with what the person is called.
    pub(crate) async fn newest_of(
        on: &mut impl Queryable,
        person: PersonId,
        most: i64,
    ) -> Result<Vec<(Self, String)>, StoreError> {
        let rows: Vec<NamedChangeColumns> = fetch_all!(
            on,
            "SELECT c.id, c.at, c.action, c.person_id, c.credential, c.provider, c.kek_id, c.api_base, p.name
             FROM byok_changes c JOIN persons p ON p.id = c.person_id
             WHERE c.person_id = $1 ORDER BY c.at DESC, c.id DESC LIMIT $2",
            person.to_string(),
            most,
        )?;
        rows.into_iter().map(Self::named).collect()
    }

    fn named(row: NamedChangeColumns) -> Result<(Self, String), StoreError> {
        let (id, at, action, person, credential, provider, kek_id, base, name) = row;
        Ok((Self::of((id, at, action, person, credential, provider, kek_id, base))?, name))
    }

    fn of(row: ChangeColumns) -> Result<Self, StoreError> {
        let (id, at, action, person, credential, provider, kek_id, base) = row;
        let person = person.parse().map_err(|_| StoreError::Unreadable("person"))?;
        let (at, api_base) = (Moment::from_millis(at), Some(base).filter(|base| !base.is_empty()));
        Ok(Self { id, at, action, person, credential, provider, kek_id, api_base })
    }
}
