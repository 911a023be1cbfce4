//! Policies, and what they are bound to.

use std::collections::HashMap;

use bitrouter_proto::account::{
    BindingId, NamespaceId, PolicyId,
    policy::{PolicyKind, PrincipalType},
};

use super::{StoreError, Write, engine::Queryable, execute, fetch_all, fetch_optional};
use crate::{clock::Moment, policy::PrincipalId};

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PolicyRow {
    /// Which.
    pub(crate) id: PolicyId,
    /// In which namespace.
    pub(crate) namespace: NamespaceId,
    /// What it is called.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: PolicyKind,
    /// What it says, as JSON.
    pub(crate) spec: String,
    /// How many content patterns are in it.
    pub(crate) content_patterns: i64,
    /// Since when.
    pub(crate) created_at: Moment,
    /// When it was changed last.
    pub(crate) updated_at: Moment,
    /// Since when it does not act.
    pub(crate) disabled_at: Option<Moment>,
}

/// What binds a policy to a principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BindingRow {
    /// Which.
    pub(crate) id: BindingId,
    /// The policy.
    pub(crate) policy: PolicyId,
    /// In which namespace.
    pub(crate) namespace: NamespaceId,
    /// What kind of principal it is bound to.
    pub(crate) principal_type: PrincipalType,
    /// Which one.
    pub(crate) principal_id: String,
}

type PolicyColumns = (String, String, String, String, String, i64, i64, i64, Option<i64>);
type BindingColumns = (String, String, String, String, String);

/// A query of whole policies.
macro_rules! policies {
    ($rest:literal) => {
        concat!(
            "SELECT p.id, p.namespace_id, p.name, p.kind, p.spec, p.content_patterns, p.created_at, p.updated_at,
                    p.disabled_at FROM policies p ",
            $rest
        )
    };
}

/// A query of whole bindings.
macro_rules! bindings {
    ($rest:literal) => {
        concat!("SELECT id, policy_id, namespace_id, principal_type, principal_id FROM bindings ", $rest)
    };
}

impl PolicyRow {
    /// Writes a new policy.
    pub(crate) async fn insert(&self, write: &mut Write) -> Result<(), StoreError> {
        execute!(
            write,
            "INSERT INTO policies (id, namespace_id, name, kind, spec, content_patterns, created_at, updated_at, disabled_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            self.id.to_string(),
            self.namespace.to_string(),
            &self.name,
            self.kind.as_str(),
            &self.spec,
            self.content_patterns,
            self.created_at.millis(),
            self.updated_at.millis(),
            self.disabled_at.map(Moment::millis),
        )?;
        Ok(())
    }

    /// Writes what of it can change.
    pub(crate) async fn update(&self, write: &mut Write) -> Result<(), StoreError> {
        execute!(
            write,
            "UPDATE policies SET name = $2, spec = $3, content_patterns = $4, updated_at = $5, disabled_at = $6 WHERE id = $1",
            self.id.to_string(),
            &self.name,
            &self.spec,
            self.content_patterns,
            self.updated_at.millis(),
            self.disabled_at.map(Moment::millis),
        )?;
        Ok(())
    }

    /// The policy `id` of a namespace.
    pub(crate) async fn find(
        on: &mut impl Queryable,
        namespace: NamespaceId,
        id: PolicyId,
    ) -> Result<Option<Self>, StoreError> {
        let row: Option<PolicyColumns> = fetch_optional!(
            on,
            policies!("WHERE p.id = $1 AND p.namespace_id = $2"),
            id.to_string(),
            namespace.to_string(),
        )?;
        row.map(policy).transpose()
    }

    /// The policies of a namespace, of one kind or of all, the oldest first.
    pub(crate) async fn list(
        on: &mut impl Queryable,
        namespace: NamespaceId,
        kind: Option<PolicyKind>,
    ) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<PolicyColumns> = fetch_all!(
            on,
            policies!("WHERE p.namespace_id = $1 AND ($2 = '' OR p.kind = $2) ORDER BY p.created_at, p.id"),
            namespace.to_string(),
            kind.map_or("", PolicyKind::as_str),
        )?;
        rows.into_iter().map(policy).collect()
    }

    /// How many policies a namespace has.
    pub(crate) async fn count(on: &mut impl Queryable, namespace: NamespaceId) -> Result<i64, StoreError> {
        let row: Option<(i64,)> =
            fetch_optional!(on, "SELECT COUNT(*) FROM policies WHERE namespace_id = $1", namespace.to_string())?;
        Ok(row.map_or(0, |row| row.0))
    }

    /// The policies that are bound to `principal` itself, the oldest first.
    pub(crate) async fn bound_to(
        on: &mut impl Queryable,
        namespace: NamespaceId,
        principal: PrincipalId,
    ) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<PolicyColumns> = fetch_all!(
            on,
            policies!(
                "JOIN bindings b ON b.policy_id = p.id
                 WHERE b.namespace_id = $1 AND b.principal_type = $2 AND b.principal_id = $3
                 ORDER BY p.created_at, p.id"
            ),
            namespace.to_string(),
            principal.kind().as_str(),
            principal.to_string(),
        )?;
        rows.into_iter().map(policy).collect()
    }

    /// Deletes it with its bindings.
    pub(crate) async fn delete(write: &mut Write, id: PolicyId) -> Result<(), StoreError> {
        execute!(write, "DELETE FROM bindings WHERE policy_id = $1", id.to_string())?;
        execute!(write, "DELETE FROM policies WHERE id = $1", id.to_string())?;
        Ok(())
    }
}

impl BindingRow {
    /// Binds a policy.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where it is bound to that already.
    pub(crate) async fn insert(&self, write: &mut Write, now: Moment) -> Result<(), StoreError> {
        execute!(
            write,
            "INSERT INTO bindings (id, policy_id, namespace_id, principal_type, principal_id, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
            self.id.to_string(),
            self.policy.to_string(),
            self.namespace.to_string(),
            self.principal_type.as_str(),
            &self.principal_id,
            now.millis(),
        )?;
        Ok(())
    }

    /// The binding `id` of a policy.
    pub(crate) async fn find(
        on: &mut impl Queryable,
        policy: PolicyId,
        id: BindingId,
    ) -> Result<Option<Self>, StoreError> {
        let row: Option<BindingColumns> =
            fetch_optional!(on, bindings!("WHERE id = $1 AND policy_id = $2"), id.to_string(), policy.to_string())?;
        row.map(binding).transpose()
    }

    /// All of a policy, the oldest first.
    pub(crate) async fn of_policy(on: &mut impl Queryable, policy: PolicyId) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<BindingColumns> =
            fetch_all!(on, bindings!("WHERE policy_id = $1 ORDER BY created_at, id"), policy.to_string())?;
        rows.into_iter().map(binding).collect()
    }

    /// All that are bound to `principal` itself.
    pub(crate) async fn of_principal(
        on: &mut impl Queryable,
        namespace: NamespaceId,
        principal: PrincipalId,
    ) -> Result<Vec<Self>, StoreError> {
        let rows: Vec<BindingColumns> = fetch_all!(
            on,
            bindings!("WHERE namespace_id = $1 AND principal_type = $2 AND principal_id = $3"),
            namespace.to_string(),
            principal.kind().as_str(),
            principal.to_string(),
        )?;
        rows.into_iter().map(binding).collect()
    }

    /// Forgets those of OAuth clients that were deleted and of which no key lives.
    pub(crate) async fn forget_of_clients(write: &mut Write, now: Moment) -> Result<(), StoreError> {
        execute!(
            write,
            "DELETE FROM bindings WHERE principal_type = 'oauth_client'
               AND EXISTS (SELECT 1 FROM oauth_clients c WHERE c.id = bindings.principal_id AND c.deleted_at IS NOT NULL)
               AND NOT EXISTS (SELECT 1 FROM api_keys k WHERE k.client_id = bindings.principal_id
                                 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > $1))",
            now.millis(),
        )?;
        Ok(())
    }

    /// Unbinds it.
    pub(crate) async fn delete(write: &mut Write, id: BindingId) -> Result<(), StoreError> {
        execute!(write, "DELETE FROM bindings WHERE id = $1", id.to_string())?;
        Ok(())
    }

    /// Every binding of a namespace whose policy has content patterns, with how many.
    pub(crate) async fn with_patterns(
        on: &mut impl Queryable,
        namespace: NamespaceId,
    ) -> Result<Vec<(Self, i64)>, StoreError> {
        let rows: Vec<(String, String, String, String, String, i64)> = fetch_all!(
            on,
            "SELECT b.id, b.policy_id, b.namespace_id, b.principal_type, b.principal_id, p.content_patterns
             FROM policies p JOIN bindings b ON b.policy_id = p.id
             WHERE p.namespace_id = $1 AND p.content_patterns > 0",
            namespace.to_string(),
        )?;
        rows.into_iter().map(|(a, b, c, d, e, patterns)| Ok((binding((a, b, c, d, e))?, patterns))).collect()
    }
}

/// Every enabled policy of a live namespace that is bound, with each of its bindings.
pub(crate) async fn in_force(on: &mut impl Queryable) -> Result<Vec<(PolicyRow, BindingRow)>, StoreError> {
    let bindings: Vec<BindingColumns> = fetch_all!(
        on,
        "SELECT b.id, b.policy_id, b.namespace_id, b.principal_type, b.principal_id
         FROM bindings b JOIN policies p ON p.id = b.policy_id JOIN namespaces n ON n.id = b.namespace_id
         WHERE p.disabled_at IS NULL AND n.archived_at IS NULL ORDER BY b.policy_id, b.id"
    )?;
    if bindings.is_empty() {
        return Ok(Vec::new());
    }
    let policies: Vec<PolicyColumns> = fetch_all!(
        on,
        policies!("WHERE p.disabled_at IS NULL AND EXISTS (SELECT 1 FROM bindings b WHERE b.policy_id = p.id)")
    )?;
    let policies: Vec<PolicyRow> = policies.into_iter().map(policy).collect::<Result<_, _>>()?;
    let by_id: HashMap<PolicyId, PolicyRow> = policies.into_iter().map(|row| (row.id, row)).collect();
    let mut found = Vec::new();
    for row in bindings {
        let binding = binding(row)?;
        // What came or went between the two looks is looked at again by whoever brought or took it.
        found.extend(by_id.get(&binding.policy).cloned().map(|policy| (policy, binding)));
    }
    Ok(found)
}

fn policy(row: PolicyColumns) -> Result<PolicyRow, StoreError> {
    let (id, namespace, name, kind, spec, content_patterns, created_at, updated_at, disabled_at) = row;
    Ok(PolicyRow {
        id: id.parse().map_err(|_| StoreError::Unreadable("policy"))?,
        namespace: namespace.parse().map_err(|_| StoreError::Unreadable("namespace"))?,
        name,
        kind: PolicyKind::parse(&kind).ok_or(StoreError::Unreadable("kind"))?,
        spec,
        content_patterns,
        created_at: Moment::from_millis(created_at),
        updated_at: Moment::from_millis(updated_at),
        disabled_at: disabled_at.map(Moment::from_millis),
    })
}

fn binding((id, policy, namespace, principal_type, principal_id): BindingColumns) -> Result<BindingRow, StoreError> {
    Ok(BindingRow {
        id: id.parse().map_err(|_| StoreError::Unreadable("binding"))?,
        policy: policy.parse().map_err(|_| StoreError::Unreadable("policy"))?,
        namespace: namespace.parse().map_err(|_| StoreError::Unreadable("namespace"))?,
        principal_type: PrincipalType::parse(&principal_type).ok_or(StoreError::Unreadable("principal"))?,
        principal_id,
    })
}
