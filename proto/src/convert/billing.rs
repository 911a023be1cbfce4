//! `billing.proto`: the balance and what changed it.

use super::daemon::present;
use crate::{
    account::{
        MicroUsd,
        ledger::{Balance, ToldTransaction},
    },
    wire,
};

impl From<Balance> for wire::Balance {
    fn from(balance: Balance) -> Self {
        Self {
            balance_micro_usd: balance.balance_micro_usd.micros(),
            pending_debits_micro_usd: balance.pending_debits_micro_usd.micros(),
            available_micro_usd: balance.available_micro_usd.micros(),
            currency: balance.currency,
        }
    }
}

impl From<wire::Balance> for Balance {
    fn from(message: wire::Balance) -> Self {
        Self {
            balance_micro_usd: MicroUsd::new(message.balance_micro_usd),
            pending_debits_micro_usd: MicroUsd::new(message.pending_debits_micro_usd),
            available_micro_usd: MicroUsd::new(message.available_micro_usd),
            currency: message.currency,
        }
    }
}

impl From<ToldTransaction> for wire::Transaction {
    fn from(row: ToldTransaction) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            amount_micro_usd: row.amount_micro_usd.micros(),
            request_id: row.request_id.unwrap_or_default(),
            namespace_id: row.namespace_id.unwrap_or_default(),
            created_at: row.created_at,
        }
    }
}

impl From<wire::Transaction> for ToldTransaction {
    fn from(message: wire::Transaction) -> Self {
        Self {
            id: message.id,
            kind: message.kind,
            amount_micro_usd: MicroUsd::new(message.amount_micro_usd),
            request_id: present(message.request_id),
            namespace_id: present(message.namespace_id),
            created_at: message.created_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credit_survives_the_wire() {
        let balance = Balance {
            balance_micro_usd: MicroUsd::new(1),
            pending_debits_micro_usd: MicroUsd::new(2),
            available_micro_usd: MicroUsd::new(3),
            currency: "usd".to_owned(),
        };
        assert_eq!(Balance::from(wire::Balance::from(balance.clone())), balance);
        let debit = ToldTransaction {
            id: "1".to_owned(),
            kind: "debit".to_owned(),
            amount_micro_usd: MicroUsd::new(-4),
            request_id: Some("2".to_owned()),
            namespace_id: Some("3".to_owned()),
            created_at: "4".to_owned(),
        };
        let grant = ToldTransaction { request_id: None, namespace_id: None, ..debit.clone() };
        for row in [debit, grant] {
            assert_eq!(ToldTransaction::from(wire::Transaction::from(row.clone())), row);
        }
    }
}
