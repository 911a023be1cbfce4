//! Generated from `control/v1/*.proto`. Outside this crate only the daemon's services and tests name these types.
#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]

tonic::include_proto!("bitrouter.control.v1");

/// The compiled descriptor set, for server reflection and for the breaking-change check.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/control.bin"));

impl std::fmt::Debug for Variable {
    /// Prints the name and whether a value is present, never the value.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Variable").field("name", &self.name).field("is_set", &self.value.is_some()).finish()
    }
}
