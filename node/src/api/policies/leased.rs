//! What binds a run of a program stays as it is while the run goes on: whoever started it was told what it may do.

use bitrouter_proto::account::PolicyId;

use crate::{
    Node,
    http::error::{ApiError, Code},
};

/// Refuses to unbind, disable, loosen or delete a policy of a run that goes on.
///
/// # Errors
/// 409 `conflict`.
pub(super) fn check(node: &Node, policy: PolicyId) -> Result<(), ApiError> {
    match node.leases.bound_by(policy) {
        None => Ok(()),
        Some(key) => {
            let message = format!(
                "the policy bounds a run of `bitrouter exec` that goes on, by its key `{key}`; it ends with that run, which revoking the key ends too"
            );
            Err(ApiError::new(Code::Conflict, message))
        }
    }
}
