//! What is answered where no type of `bitrouter_proto::account` says so: that something was done. The tests of REST hold every
//! reply against these.

use bitrouter_proto::account::BindingId;
use schemars::JsonSchema;
use serde::Serialize;

macro_rules! done {
    ($($(#[$meta:meta])* $name:ident { $member:ident })*) => {$(
        $(#[$meta])*
        #[derive(JsonSchema, Serialize)]
        pub(super) struct $name {
            $member: bool,
        }
    )*};
}

done! {
    /// It is there no more.
    Deleted { deleted }
    /// It opens nothing any more.
    Revoked { revoked }
    /// The person is a member no more.
    Removed { removed }
    /// It need not be sent again.
    Received { received }
    /// It binds no more.
    Unbound { unbound }
    /// Whether it acts no more.
    Disabled { disabled }
}

/// What was bound.
#[derive(JsonSchema, Serialize)]
pub(super) struct Bound {
    /// What binds it.
    binding_id: BindingId,
}

/// An OAuth client that was deleted.
#[derive(JsonSchema, Serialize)]
pub(super) struct DeletedClient {
    /// Always true.
    deleted: bool,
    /// How many keys ended with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys_revoked: Option<u64>,
    /// How many keys stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys_kept: Option<u64>,
}

/// A session that was ended.
#[derive(JsonSchema, Serialize)]
pub(super) struct EndedSession {
    /// Always true.
    revoked: bool,
    /// How many keys ended with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys_revoked: Option<u64>,
    /// How many keys stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys_kept: Option<u64>,
}
