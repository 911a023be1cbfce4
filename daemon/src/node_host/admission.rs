//! Whose calls are metered: the node's ledger while the node is on, nobody's while it is off.

use bitrouter_gateway::{
    InferenceError,
    http::Caller,
    ports::{Admission, AdmissionRequest, BoxFuture, NoRow, ObjectKey, Permit, Plan},
};

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

    fn settled(&self) -> BoxFuture<'_, ()> {
        Box::pin(NodeHost::settled(self))
    }

    fn forget_object(&self, object: &ObjectKey) {
        if let NodeState::On(node) = &**self.state() {
            node.ledger().forget_object(object);
        }
    }
}
