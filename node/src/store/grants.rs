//! Grants: the sessions of programs. What was granted, to which client, by whom, in which namespace.

use bitrouter_proto::account::{GrantId, NamespaceId, OauthClientId, PersonId, ScopeSet};

use super::{StoreError, Write, device_codes::scopes_of, engine::Queryable, execute, fetch_all, fetch_optional};
use crate::clock::Moment;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Its own client revoked it (RFC 7009).
    Revoked,
    /// A person revoked it.
    RevokedByPerson,
    /// A refresh token of it was used again after it was spent.
    Replay,
    /// It was the longest idle one, and made room for another.
    Room,
    /// Its person was removed.
    PersonRemoved,
    /// Its namespace was deleted.
    NamespaceDeleted,
    /// Its person is no member of its namespace any more.
    MembershipEnded,
    /// Its client was deleted.
    ClientDeleted,
}

/// A session of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRow {
    /// Which.
    pub id: GrantId,
    /// The client that holds its tokens.
    pub client_id: String,
    /// Who approved it.
    pub person: PersonId,
    /// The namespace that its tokens are of.
    pub namespace: NamespaceId,
    /// What was granted.
    pub scopes: ScopeSet,
    /// The generation of the newest refresh token, from 1.
    pub generation: i64,
    /// Since when.
    pub created_at: Moment,
    /// When it was last used, as far as it was written.
    pub last_used_at: Moment,
    /// When it ends unless it is refreshed before.
    pub idle_expires_at: Moment,
    /// When it ends, however often it is refreshed.
    pub expires_at: Moment,
}

/// A session as a request finds it.
#[derive(Clone, Debug)]
pub(crate) struct FoundGrant {
    pub(crate) row: GrantRow,
    /// True where it was ended, or its person or namespace is gone.
    pub(crate) has_ended: bool,
}

impl EndReason {
    /// The reason as the database holds it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::RevokedByPerson => "revoked_by_person",
            Self::Replay => "replay",
            Self::Room => "room",
            Self::PersonRemoved => "person_removed",
            Self::NamespaceDeleted => "namespace_deleted",
            Self::MembershipEnded => "membership_ended",
            Self::ClientDeleted => "client_deleted",
        }
    }
}

type Row = (String, String, String, String, String, i64, i64, i64, i64, i64);
type FoundRow = (String, String, String, String, String, i64, i64, i64, i64, i64, bool);

impl GrantRow {
    /// When it ends as things stand.
    pub fn ends_at(&self) -> Moment {
        self.idle_expires_at.min(self.expires_at)
    }

    /// Writes a new session.
    pub(crate) async fn insert(&self, write: &mut Write) -> Result<(), StoreError> {
        execute!(
            write,
            "INSERT INTO grants (id, client_id, person_id, namespace_id, scopes, generation, created_at, last_used_at,
                                 idle_expires_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            self.id.to_string(),
            &self.client_id,
            self.person.to_string(),
            self.namespace.to_string(),
            self.scopes.to_string(),
            self.generation,
            self.created_at.millis(),
            self.last_used_at.millis(),
            self.idle_expires_at.millis(),
            self.expires_at.millis(),
        )?;
        Ok(())
    }

    fn of_row(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.0.parse().map_err(|_| StoreError::Unreadable("session"))?,
            client_id: row.1,
            person: row.2.parse().map_err(|_| StoreError::Unreadable("person"))?,
            namespace: row.3.parse().map_err(|_| StoreError::Unreadable("namespace"))?,
            scopes: scopes_of(&row.4)?,
            generation: row.5,
            created_at: Moment::from_millis(row.6),
            last_used_at: Moment::from_millis(row.7),
            idle_expires_at: Moment::from_millis(row.8),
            expires_at: Moment::from_millis(row.9),
        })
    }

    /// A session, ended or not. Its person must still own its namespace, or be a member of it.
    pub(crate) async fn find(on: &mut impl Queryable, id: GrantId) -> Result<Option<FoundGrant>, StoreError> {
        let row: Option<FoundRow> = fetch_optional!(
            on,
            "SELECT g.id, g.client_id, g.person_id, g.namespace_id, g.scopes, g.generation, g.created_at, g.last_used_at,
                    g.idle_expires_at, g.expires_at,
                    g.ended_at IS NULL AND p.removed_at IS NULL AND n.archived_at IS NULL
                      AND (n.owner_id = g.person_id OR EXISTS
                        (SELECT 1 FROM members m WHERE m.namespace_id = n.id AND m.person_id = p.id))
             FROM grants g JOIN persons p ON p.id = g.person_id JOIN namespaces n ON n.id = g.namespace_id
             WHERE g.id = $1",
            id.to_string(),
        )?;
        row.map(|(a, b, c, d, e, f, g, h, i, j, is_open)| {
            Ok(FoundGrant { row: Self::of_row((a, b, c, d, e, f, g, h, i, j))?, has_ended: !is_open })
        })
        .transpose()
    }

    /// The sessions of a namespace that have not ended, the newest first.
    pub(crate) async fn of_namespace(
        on: &mut impl Queryable,
        namespace: NamespaceId,
        now: Moment,
    ) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<Row> = fetch_all!(
            on,
            "SELECT id, client_id, person_id, namespace_id, scopes, generation, created_at, last_used_at,
                    idle_expires_at, expires_at
             FROM grants
             WHERE namespace_id = $1 AND ended_at IS NULL AND idle_expires_at > $2 AND expires_at > $2
             ORDER BY created_at DESC, id DESC",
            namespace.to_string(),
            now.millis(),
        )?;
        rows.into_iter().map(Self::of_row).collect()
    }

    /// A refresh gave it its next generation.
    pub(crate) async fn advance(&self, write: &mut Write) -> Result<(), StoreError> {
        execute!(
            write,
            "UPDATE grants SET generation = $1, idle_expires_at = $2,
                    last_used_at = CASE WHEN last_used_at < $3 THEN $3 ELSE last_used_at END
             WHERE id = $4",
            self.generation,
            self.idle_expires_at.millis(),
            self.last_used_at.millis(),
            self.id.to_string(),
        )?;
        Ok(())
    }

    /// Writes when a session was last used, unless something later stands there.
    pub(crate) async fn note_use(write: &mut Write, id: GrantId, at: Moment) -> Result<(), StoreError> {
        execute!(
            write,
            "UPDATE grants SET last_used_at = $1 WHERE id = $2 AND last_used_at < $1",
            at.millis(),
            id.to_string(),
        )?;
        Ok(())
    }

    /// Ends a session; false where it had ended.
    pub(crate) async fn end(
        write: &mut Write,
        id: GrantId,
        reason: EndReason,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let changed = execute!(
            write,
            "UPDATE grants SET ended_at = $1, end_reason = $2 WHERE id = $3 AND ended_at IS NULL",
            now.millis(),
            reason.as_str(),
            id.to_string(),
        )?;
        Ok(changed > 0)
    }

    /// Ends all sessions of a person, and those in the person's namespaces.
    pub(crate) async fn end_of_person(write: &mut Write, person: PersonId, now: Moment) -> Result<u64, StoreError> {
        execute!(
            write,
            "UPDATE grants SET ended_at = $1, end_reason = $2 WHERE ended_at IS NULL
               AND (person_id = $3 OR namespace_id IN (SELECT id FROM namespaces WHERE owner_id = $3))",
            now.millis(),
            EndReason::PersonRemoved.as_str(),
            person.to_string(),
        )
    }

    /// Ends all sessions in a namespace.
    pub(crate) async fn end_of_namespace(
        write: &mut Write,
        namespace: NamespaceId,
        now: Moment,
    ) -> Result<u64, StoreError> {
        execute!(
            write,
            "UPDATE grants SET ended_at = $1, end_reason = $2 WHERE namespace_id = $3 AND ended_at IS NULL",
            now.millis(),
            EndReason::NamespaceDeleted.as_str(),
            namespace.to_string(),
        )
    }

    /// Ends all sessions of a person in a namespace.
    pub(crate) async fn end_of_member(
        write: &mut Write,
        namespace: NamespaceId,
        person: PersonId,
        now: Moment,
    ) -> Result<u64, StoreError> {
        execute!(
            write,
            "UPDATE grants SET ended_at = $1, end_reason = $2
             WHERE namespace_id = $3 AND person_id = $4 AND ended_at IS NULL",
            now.millis(),
            EndReason::MembershipEnded.as_str(),
            namespace.to_string(),
            person.to_string(),
        )
    }

    /// Ends all sessions of a client.
    pub(crate) async fn end_of_client(
        write: &mut Write,
        client: OauthClientId,
        now: Moment,
    ) -> Result<u64, StoreError> {
        execute!(
            write,
            "UPDATE grants SET ended_at = $1, end_reason = $2 WHERE client_id = $3 AND ended_at IS NULL",
            now.millis(),
            EndReason::ClientDeleted.as_str(),
            client.to_string(),
        )
    }

    /// Ends every session that was made until `until`.
    pub(crate) async fn end_all(write: &mut Write, until: Moment) -> Result<u64, StoreError> {
        execute!(
            write,
            "UPDATE grants SET ended_at = $1, end_reason = $2 WHERE ended_at IS NULL AND created_at <= $1",
            until.millis(),
            EndReason::Revoked.as_str(),
        )
    }

    /// Forgets the sessions that ended before `before`, with all that came of them. Those that keys come from stay as long as
    /// the keys do, and one that calls were made with keeps its row: it tells whose they were.
    pub(crate) async fn sweep(write: &mut Write, before: Moment) -> Result<u64, StoreError> {
        // An access token may outlive the idle time of its session.
        execute!(
            write,
            "DELETE FROM access_tokens WHERE expires_at < $1 OR grant_id IN
               (SELECT id FROM grants WHERE ended_at < $1 OR expires_at < $1)",
            before.millis(),
        )?;
        execute!(
            write,
            "DELETE FROM refresh_tokens WHERE grant_id IN
               (SELECT id FROM grants WHERE ended_at < $1 OR idle_expires_at < $1 OR expires_at < $1)
               AND grant_id NOT IN (SELECT grant_id FROM access_tokens)",
            before.millis(),
        )?;
        execute!(
            write,
            "DELETE FROM grants WHERE (ended_at < $1 OR idle_expires_at < $1 OR expires_at < $1)
               AND id NOT IN (SELECT grant_id FROM access_tokens) AND id NOT IN (SELECT grant_id FROM refresh_tokens)
               AND id NOT IN (SELECT grant_id FROM api_keys WHERE grant_id IS NOT NULL)
               AND NOT EXISTS (SELECT 1 FROM usage_hours u WHERE u.credential_id = grants.id)",
            before.millis(),
        )
    }
}
