//! The resources of an account, each in the one shape in which REST, the control API's clients and `--json` show it.
//!
//! A reader takes what it knows and leaves the rest: a newer server may say more.

use serde::{Deserialize, Serialize};

use super::{GrantId, NamespaceId, PersonId, Role};

/// A whole list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct List<T> {
    /// Its rows.
    pub data: Vec<T>,
}

/// A namespace: what credentials, usage and rules belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Namespace {
    /// Which.
    pub id: NamespaceId,
    /// What its owner calls it.
    pub name: String,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// Whose it is, where the namespaces of several people are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<PersonId>,
    /// The name that its owner signs in with, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_name: Option<String>,
    /// What the person who asks is in it, where it is another's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// True for the node's first one, which stays, where the control API lists it. It is in no document.
    #[serde(skip)]
    pub is_first: bool,
}

/// A person who signs in to the node, as its operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Person {
    /// Who.
    pub id: PersonId,
    /// What the person signs in with.
    pub name: String,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// True for the one who owns the node.
    pub owner: bool,
    /// True where there is a password to sign in with.
    pub can_sign_in: bool,
}

/// The account of a person, as the person sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Account {
    /// Who.
    pub id: PersonId,
    /// An address of the person; a node of one's own asks for none.
    pub email: Option<String>,
    /// How the person wants to be called.
    pub display_name: String,
    /// RFC 3339, UTC.
    pub created_at: String,
}

/// A session of a program: what somebody has signed in on one machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Session"))]
pub struct Session<Id = GrantId, Person = PersonId> {
    /// Which; its tokens carry the same id.
    pub id: Id,
    /// The OAuth client.
    pub client_id: String,
    /// The person who approved it.
    pub subject: Person,
    /// What it may do.
    pub scopes: Vec<String>,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// When its tokens were last refreshed or used; RFC 3339, UTC.
    pub last_used_at: String,
    /// When it ends if nobody uses it; RFC 3339, UTC.
    pub expires_at: String,
}

/// A person who may do something in a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Member {
    /// Who.
    pub person_id: PersonId,
    /// The name that the person signs in with.
    pub name: String,
    /// What the person may do.
    pub role: Role,
    /// Since when; RFC 3339, UTC.
    pub created_at: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_server_may_say_more() {
        let text = r#"{"data":[{"id":"NS_00000000010000000000000002","name":"default","created_at":"t","tier":"gold"}],
            "next_cursor":null}"#;
        let list: List<Namespace> = serde_json::from_str(text).unwrap();
        assert_eq!(list.data[0].id.to_string(), "ns_00000000010000000000000002");
        let row = serde_json::to_value(&list.data[0]).unwrap();
        assert_eq!(
            row,
            serde_json::json!({"id": "ns_00000000010000000000000002", "name": "default", "created_at": "t"})
        );
    }
}
