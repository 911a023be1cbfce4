//! Whose calls are metered: the node's ledger while the node is on, nobody's while it is off.

use std::sync::Arc;

use bitrouter_gateway::{
    InferenceError,
    http::{Caller, Principal},
    ports::{Admission, AdmissionRequest, BoxFuture, NoRow, ObjectKey, Permit, Plan, Run},
};
use bitrouter_proto::account::CredentialId;

use super::{NodeHost, NodeState};

impl Admission for NodeHost {
    fn plan(&self, caller: Caller) -> Plan {
        match &**self.state() {
            NodeState::On(node) => node.ledger().plan(caller),
            // Calls that are bound to rules were refused before; the others are served, with a warning.
            NodeState::Off(_) | NodeState::Starting => Plan::Off,
        }
    }

    fn admit(&self, request: &AdmissionRequest<'_>) -> Result<Box<dyn Permit>, InferenceError> {
        match &**self.state() {
            NodeState::On(node) => node.ledger().admit(request),
            NodeState::Off(_) | NodeState::Starting => Ok(Box::new(NoRow)),
        }
    }

    fn run_of(&self, caller: Caller) -> Option<Arc<dyn Run>> {
        // Most calls are nothing of the kind, which is seen without the node.
        let Caller::Credential(Principal { credential: CredentialId::Key(_), .. }) = caller else { return None };
        match &**self.state() {
            NodeState::On(node) => node.run_of(caller),
            NodeState::Off(_) | NodeState::Starting => None,
        }
    }

    fn settled(&self) -> BoxFuture<'_, ()> {
        Box::pin(NodeHost::settled(self))
    }

    fn forget_object(&self, object: &ObjectKey) {
        if let NodeState::On(node) = &**self.state() {
            node.ledger().forget_object(object);
        }
    }
}
