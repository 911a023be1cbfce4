//! What a session at Stripe carries of us, signed: so a payment is known again that the database knows nothing of, after a
//! crash or from a copy that is older.

use bitrouter_proto::account::{MicroUsd, PersonId};
use serde_json::Value;
use ulid::Ulid;

use crate::secret::{NodeKey, TokenHash, hex};

const NODE: &str = "bitrouter_node";
const PERSON: &str = "bitrouter_person";
const CHECKOUT: &str = "bitrouter_checkout";
const AMOUNT: &str = "bitrouter_amount_micro_usd";
const SIGNATURE: &str = "bitrouter_signature";

/// A purchase, as we sign it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Purchase {
    /// Ours.
    pub(super) checkout: Ulid,
    /// Who buys.
    pub(super) person: PersonId,
    /// What is credited once it is paid.
    pub(super) amount: MicroUsd,
}

impl Purchase {
    /// The metadata of a session: names and values.
    pub(super) fn metadata(&self, node_id: &str, key: &NodeKey) -> [(&'static str, String); 5] {
        [
            (NODE, node_id.to_owned()),
            (PERSON, self.person.to_string()),
            (CHECKOUT, self.checkout.to_string()),
            (AMOUNT, self.amount.micros().to_string()),
            (SIGNATURE, self.signature(node_id, key)),
        ]
    }

    fn signature(&self, node_id: &str, key: &NodeKey) -> String {
        let (person, checkout) = (self.person.to_string(), self.checkout.to_string());
        let amount = self.amount.micros().to_be_bytes();
        hex(&key.derive("checkout", &[node_id.as_bytes(), person.as_bytes(), checkout.as_bytes(), &amount]))
    }

    /// Reads the metadata of a session; `None` where this node has not signed them.
    pub(super) fn read(metadata: &Value, node_id: &str, key: &NodeKey) -> Option<Self> {
        let text = |name: &str| metadata.get(name)?.as_str();
        let amount: i64 = text(AMOUNT)?.parse().ok().filter(|amount| *amount > 0)?;
        let (checkout, person) = (text(CHECKOUT)?.parse().ok()?, text(PERSON)?.parse().ok()?);
        let purchase = Self { checkout, person, amount: MicroUsd::new(amount) };
        let signature = purchase.signature(node_id, key);
        // By their hashes: how long it takes says nothing of what would fit.
        let fits = TokenHash::of(signature.as_bytes()) == TokenHash::of(text(SIGNATURE)?.as_bytes());
        (fits && text(NODE)? == node_id).then_some(purchase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n48_only_what_this_node_signed_is_its_own() {
        let (key, other) = (NodeKey::of(&[1; 32]), NodeKey::of(&[2; 32]));
        let purchase = Purchase {
            checkout: Ulid::from_parts(1, 2),
            person: PersonId::new(Ulid::from_parts(3, 4)),
            amount: MicroUsd::new(20_000_000),
        };
        let metadata: serde_json::Map<String, Value> =
            purchase.metadata("node", &key).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        assert_eq!(Purchase::read(&metadata.clone().into(), "node", &key), Some(purchase));
        assert_eq!(Purchase::read(&metadata.clone().into(), "node", &other), None);
        assert_eq!(Purchase::read(&metadata.clone().into(), "another", &key), None);
        assert_eq!(Purchase::read(&Value::Null, "node", &key), None);
        for name in [NODE, PERSON, CHECKOUT, AMOUNT, SIGNATURE] {
            let mut changed = metadata.clone();
            let text = changed[name].as_str().unwrap().to_owned();
            changed.insert(name.to_owned(), text.replace(text.chars().last().unwrap(), "x").into());
            assert_eq!(Purchase::read(&changed.clone().into(), "node", &key), None, "{name}");
            changed.remove(name);
            assert_eq!(Purchase::read(&changed.into(), "node", &key), None, "{name}");
        }
    }
}
