//! Device codes (RFC 8628): who asked for what, and what a person said to it. Each step compares the state and sets it in one
//! statement; polls write nothing.

use std::net::IpAddr;

use bitrouter_proto::account::{GrantId, NamespaceId, OauthClientId, PersonId, ScopeSet};

use super::{StoreError, Write, engine::Queryable, execute, fetch_all, fetch_optional};
use crate::{clock::Moment, oauth::UserCode, secret::TokenHash};

/// How far a code is. Only the first is not final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeState {
    /// Nobody has said anything to it.
    Pending,
    /// A person approved it; its device has not come for the tokens.
    Approved,
    /// A person denied it.
    Denied,
    /// Its device has got the tokens.
    Spent,
}

/// A device code.
#[derive(Clone, Debug)]
pub struct DeviceCodeRow {
    /// What is kept of the device's code.
    pub device: TokenHash,
    /// The code that the person compares.
    pub user_code: UserCode,
    /// The client that asked.
    pub client_id: String,
    /// What it asked for.
    pub scopes: ScopeSet,
    /// From where it asked.
    pub asker_address: IpAddr,
    /// As whose process it asked; known on loopback only.
    pub asker_uid: Option<u32>,
    /// What limits count it by.
    pub asker_key: String,
    /// How far it is.
    pub state: CodeState,
    /// When a signed-in person first looked at it.
    pub opened_at: Option<Moment>,
    /// When it was asked for.
    pub created_at: Moment,
    /// When it ends.
    pub expires_at: Moment,
    /// Who approved it, into which namespace, with what.
    pub approval: Option<Approval>,
    /// The session that came of it.
    pub grant: Option<GrantId>,
}

/// What a person approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Who.
    pub person: PersonId,
    /// The namespace that the tokens will be of.
    pub namespace: NamespaceId,
    /// What they may do.
    pub scopes: ScopeSet,
}

/// A code that nobody has decided, as far as it matters for who gives way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outstanding {
    pub(crate) device: TokenHash,
    pub(crate) asker_address: IpAddr,
    pub(crate) asker_uid: Option<u32>,
    pub(crate) is_opened: bool,
}

impl CodeState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Spent => "spent",
        }
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        let all = [Self::Pending, Self::Approved, Self::Denied, Self::Spent];
        all.into_iter().find(|state| state.as_str() == text).ok_or(StoreError::Unreadable("state of a device code"))
    }
}

type Row = (
    String,
    String,
    String,
    String,
    String,
    Option<i64>,
    String,
    String,
    Option<i64>,
    i64,
    i64,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

impl DeviceCodeRow {
    /// Writes a new code, which is pending.
    pub(crate) async fn insert(&self, write: &mut Write) -> Result<(), StoreError> {
        execute!(
            write,
            "INSERT INTO device_codes (device_hash, user_code, client_id, scopes, asker_address, asker_uid, asker_key,
                                       state, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', $8, $9)",
            self.device.to_hex(),
            self.user_code.bare(),
            &self.client_id,
            self.scopes.to_string(),
            self.asker_address.to_string(),
            self.asker_uid.map(i64::from),
            &self.asker_key,
            self.created_at.millis(),
            self.expires_at.millis(),
        )?;
        Ok(())
    }

    /// The code that a device holds.
    pub(crate) async fn of_device(on: &mut impl Queryable, device: TokenHash) -> Result<Option<Self>, StoreError> {
        let row: Option<Row> = fetch_optional!(
            on,
            "SELECT device_hash, user_code, client_id, scopes, asker_address, asker_uid, asker_key, state, opened_at,
                    created_at, expires_at, person_id, namespace_id, granted_scopes, grant_id
             FROM device_codes WHERE device_hash = $1",
            device.to_hex(),
        )?;
        row.map(Self::of_row).transpose()
    }

    /// The newest code that reads so.
    pub(crate) async fn of_user_code(on: &mut impl Queryable, code: UserCode) -> Result<Option<Self>, StoreError> {
        let row: Option<Row> = fetch_optional!(
            on,
            "SELECT device_hash, user_code, client_id, scopes, asker_address, asker_uid, asker_key, state, opened_at,
                    created_at, expires_at, person_id, namespace_id, granted_scopes, grant_id
             FROM device_codes WHERE user_code = $1 ORDER BY created_at DESC LIMIT 1",
            code.bare(),
        )?;
        row.map(Self::of_row).transpose()
    }

    fn of_row(row: Row) -> Result<Self, StoreError> {
        let approval = match (row.11, row.12, row.13) {
            (Some(person), Some(namespace), Some(scopes)) => Some(Approval {
                person: person.parse().map_err(|_| StoreError::Unreadable("person"))?,
                namespace: namespace.parse().map_err(|_| StoreError::Unreadable("namespace"))?,
                scopes: scopes_of(&scopes)?,
            }),
            _ => None,
        };
        Ok(Self {
            device: TokenHash::from_hex(&row.0).ok_or(StoreError::Unreadable("hash"))?,
            user_code: UserCode::parse(&row.1).ok_or(StoreError::Unreadable("user code"))?,
            client_id: row.2,
            scopes: scopes_of(&row.3)?,
            asker_address: row.4.parse().map_err(|_| StoreError::Unreadable("address"))?,
            asker_uid: row.5.and_then(|uid| u32::try_from(uid).ok()),
            asker_key: row.6,
            state: CodeState::parse(&row.7)?,
            opened_at: row.8.map(Moment::from_millis),
            created_at: Moment::from_millis(row.9),
            expires_at: Moment::from_millis(row.10),
            approval,
            grant: row.14.map(|id| id.parse().map_err(|_| StoreError::Unreadable("session"))).transpose()?,
        })
    }

    /// How many codes that an asker has open, and when the first of them ends.
    pub(crate) async fn outstanding_of(
        on: &mut impl Queryable,
        asker_key: &str,
        now: Moment,
    ) -> Result<(i64, Option<Moment>), StoreError> {
        let row: Option<(i64, Option<i64>)> = fetch_optional!(
            on,
            "SELECT COUNT(*), MIN(expires_at) FROM device_codes
             WHERE state = 'pending' AND asker_key = $1 AND expires_at > $2",
            asker_key,
            now.millis(),
        )?;
        Ok(row.map_or((0, None), |(count, first)| (count, first.map(Moment::from_millis))))
    }

    /// How many codes are open in all.
    pub(crate) async fn outstanding_count(on: &mut impl Queryable, now: Moment) -> Result<i64, StoreError> {
        let row: Option<(i64,)> = fetch_optional!(
            on,
            "SELECT COUNT(*) FROM device_codes WHERE state = 'pending' AND expires_at > $1",
            now.millis(),
        )?;
        Ok(row.map_or(0, |row| row.0))
    }

    /// All codes that are open, the oldest first.
    pub(crate) async fn outstanding(on: &mut impl Queryable, now: Moment) -> Result<Vec<Outstanding>, StoreError> {
        let rows: Vec<(String, String, Option<i64>, bool)> = fetch_all!(
            on,
            "SELECT device_hash, asker_address, asker_uid, opened_at IS NOT NULL FROM device_codes
             WHERE state = 'pending' AND expires_at > $1 ORDER BY created_at, device_hash",
            now.millis(),
        )?;
        let read = |(device, address, uid, is_opened): (String, String, Option<i64>, bool)| {
            Ok(Outstanding {
                device: TokenHash::from_hex(&device).ok_or(StoreError::Unreadable("hash"))?,
                asker_address: address.parse().map_err(|_| StoreError::Unreadable("address"))?,
                asker_uid: uid.and_then(|uid| u32::try_from(uid).ok()),
                is_opened,
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// Ends a code that nobody has decided.
    pub(crate) async fn expire(write: &mut Write, device: TokenHash, now: Moment) -> Result<(), StoreError> {
        execute!(
            write,
            "UPDATE device_codes SET expires_at = $1 WHERE device_hash = $2 AND state = 'pending' AND expires_at > $1",
            now.millis(),
            device.to_hex(),
        )?;
        Ok(())
    }

    /// Notes that a signed-in person has looked at it.
    pub(crate) async fn open(write: &mut Write, device: TokenHash, now: Moment) -> Result<(), StoreError> {
        execute!(
            write,
            "UPDATE device_codes SET opened_at = $1 WHERE device_hash = $2 AND opened_at IS NULL",
            now.millis(),
            device.to_hex(),
        )?;
        Ok(())
    }

    /// Approves a code that is pending; false where it is not.
    pub(crate) async fn approve(
        write: &mut Write,
        device: TokenHash,
        approval: Approval,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let row: Option<(String,)> = fetch_optional!(
            write,
            "UPDATE device_codes
             SET state = 'approved', decided_at = $1, person_id = $2, namespace_id = $3, granted_scopes = $4
             WHERE device_hash = $5 AND state = 'pending' AND expires_at > $1 RETURNING device_hash",
            now.millis(),
            approval.person.to_string(),
            approval.namespace.to_string(),
            approval.scopes.to_string(),
            device.to_hex(),
        )?;
        Ok(row.is_some())
    }

    /// Denies a code that is pending; false where it is not.
    pub(crate) async fn deny(
        write: &mut Write,
        device: TokenHash,
        person: PersonId,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let row: Option<(String,)> = fetch_optional!(
            write,
            "UPDATE device_codes SET state = 'denied', decided_at = $1, person_id = $2
             WHERE device_hash = $3 AND state = 'pending' AND expires_at > $1 RETURNING device_hash",
            now.millis(),
            person.to_string(),
            device.to_hex(),
        )?;
        Ok(row.is_some())
    }

    /// What `person` approved and no device has come for, the newest first.
    pub(crate) async fn approved_by(
        on: &mut impl Queryable,
        person: PersonId,
        now: Moment,
    ) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<Row> = fetch_all!(
            on,
            "SELECT device_hash, user_code, client_id, scopes, asker_address, asker_uid, asker_key, state, opened_at,
                    created_at, expires_at, person_id, namespace_id, granted_scopes, grant_id
             FROM device_codes WHERE state = 'approved' AND person_id = $1 AND expires_at > $2
             ORDER BY created_at DESC, device_hash",
            person.to_string(),
            now.millis(),
        )?;
        rows.into_iter().map(Self::of_row).collect()
    }

    /// Denies a code that `person` approved and no device has come for; false where it is none.
    pub(crate) async fn withdraw(
        write: &mut Write,
        code: UserCode,
        person: PersonId,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let row: Option<(String,)> = fetch_optional!(
            write,
            "UPDATE device_codes SET state = 'denied', decided_at = $1
             WHERE user_code = $2 AND person_id = $3 AND state = 'approved' AND expires_at > $1 RETURNING device_hash",
            now.millis(),
            code.bare(),
            person.to_string(),
        )?;
        Ok(row.is_some())
    }

    /// Spends a code that is approved, on this session or on none; false where it is not.
    pub(crate) async fn spend(
        write: &mut Write,
        device: TokenHash,
        grant: Option<GrantId>,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let row: Option<(String,)> = fetch_optional!(
            write,
            "UPDATE device_codes SET state = 'spent', grant_id = $1
             WHERE device_hash = $2 AND state = 'approved' AND expires_at > $3 RETURNING device_hash",
            grant.map(|grant| grant.to_string()),
            device.to_hex(),
            now.millis(),
        )?;
        Ok(row.is_some())
    }

    /// Denies what `person` approved into `namespace` and no device has come for.
    pub(crate) async fn withdraw_all(
        write: &mut Write,
        namespace: NamespaceId,
        person: PersonId,
        now: Moment,
    ) -> Result<u64, StoreError> {
        execute!(
            write,
            "UPDATE device_codes SET state = 'denied', decided_at = $1
             WHERE person_id = $2 AND namespace_id = $3 AND state = 'approved'",
            now.millis(),
            person.to_string(),
            namespace.to_string(),
        )
    }

    /// Denies what a client has got no tokens for yet.
    pub(crate) async fn withdraw_of_client(
        write: &mut Write,
        client: OauthClientId,
        now: Moment,
    ) -> Result<u64, StoreError> {
        execute!(
            write,
            "UPDATE device_codes SET state = 'denied', decided_at = $1
             WHERE client_id = $2 AND state IN ('pending', 'approved')",
            now.millis(),
            client.to_string(),
        )
    }

    /// Denies what nobody has got tokens for yet.
    pub(crate) async fn deny_all(write: &mut Write, now: Moment) -> Result<u64, StoreError> {
        execute!(
            write,
            "UPDATE device_codes SET state = 'denied', decided_at = $1 WHERE state IN ('pending', 'approved')",
            now.millis(),
        )
    }

    /// Forgets the codes that ended before `before`.
    pub(crate) async fn sweep(write: &mut Write, before: Moment) -> Result<u64, StoreError> {
        execute!(write, "DELETE FROM device_codes WHERE expires_at < $1", before.millis())
    }
}

/// The scopes of a column.
pub(super) fn scopes_of(text: &str) -> Result<ScopeSet, StoreError> {
    ScopeSet::parse(text).map_err(|_| StoreError::Unreadable("scope"))
}
