//! Whose calls are metered: the node's ledger while the node is on, nobody's while it is off.

use bitrouter_gateway::{
    InferenceError,
    http::Caller,
    ports::{Admission, AdmissionRequest, BoxFuture, Metering, NoRow, ObjectKey, Permit},
};

use super::{NodeHost, NodeState};

impl Admission for NodeHost {
    fn metering(&self, caller: Caller) -> Metering {
        match &**self.state() {
            NodeState::On(node) => node.ledger().metering(caller),
            // Calls that are bound to rules were refused before; the others are served, with a warning.
            NodeState::Off(_) | NodeState::Starting => Metering::Off,
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
