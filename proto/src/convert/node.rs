//! `node.proto`: sums of namespaces.

use crate::{
    account::{MicroUsd, ids::IdError, ledger::NamespaceUsage},
    wire,
};

impl From<NamespaceUsage> for wire::NamespaceUsage {
    fn from(row: NamespaceUsage) -> Self {
        Self {
            namespace_id: row.namespace_id.to_string(),
            namespace_name: String::new(),
            spend_micro_usd: row.spend_micro_usd.micros(),
            charged_micro_usd: row.charged_micro_usd.micros(),
            prompt_tokens: row.prompt_tokens,
            completion_tokens: row.completion_tokens,
            request_count: row.request_count,
        }
    }
}

impl TryFrom<wire::NamespaceUsage> for NamespaceUsage {
    type Error = IdError;

    fn try_from(message: wire::NamespaceUsage) -> Result<Self, IdError> {
        Ok(Self {
            namespace_id: message.namespace_id.parse()?,
            spend_micro_usd: MicroUsd::new(message.spend_micro_usd),
            charged_micro_usd: MicroUsd::new(message.charged_micro_usd),
            prompt_tokens: message.prompt_tokens,
            completion_tokens: message.completion_tokens,
            request_count: message.request_count,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_a_namespace_survive_the_wire() {
        let row = NamespaceUsage {
            namespace_id: "ns_00000000010000000000000002".parse().unwrap(),
            spend_micro_usd: MicroUsd::new(1),
            charged_micro_usd: MicroUsd::new(2),
            prompt_tokens: 3,
            completion_tokens: 4,
            request_count: 5,
        };
        assert_eq!(NamespaceUsage::try_from(wire::NamespaceUsage::from(row.clone())), Ok(row));
        assert!(NamespaceUsage::try_from(wire::NamespaceUsage::default()).is_err());
    }
}
