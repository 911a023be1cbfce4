//! `namespaces.proto`: the rows.

use super::daemon::present;
use crate::{
    account::{Namespace, ids::IdError},
    wire,
};

impl From<Namespace> for wire::Namespace {
    fn from(row: Namespace) -> Self {
        Self {
            id: row.id.to_string(),
            name: row.name,
            created_at: row.created_at,
            owner_id: row.owner_id.map(|id| id.to_string()).unwrap_or_default(),
            owner_name: row.owner_name.unwrap_or_default(),
            first: row.is_first,
        }
    }
}

impl TryFrom<wire::Namespace> for Namespace {
    type Error = IdError;

    fn try_from(message: wire::Namespace) -> Result<Self, IdError> {
        Ok(Self {
            id: message.id.parse()?,
            name: message.name,
            created_at: message.created_at,
            owner_id: present(message.owner_id).map(|id| id.parse()).transpose()?,
            owner_name: present(message.owner_name),
            role: None,
            is_first: message.first,
        })
    }
}
