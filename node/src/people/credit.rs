//! What the operator gives to persons.

use bitrouter_proto::account::{MicroUsd, NamespaceId, ledger::Transaction};

use super::{PeopleError, verbs::find};
use crate::{
    Node,
    store::{NamespaceRow, PersonRow, StoreError, Write, ledger},
};

/// Credit that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditGrant {
    /// To whom.
    pub person: PersonRow,
    /// How much, and when.
    pub transaction: Transaction,
    /// What the person has now.
    pub balance: MicroUsd,
}

/// Why no credit was given.
#[derive(Debug, thiserror::Error)]
pub enum CreditError {
    /// Nobody is meant.
    #[error(transparent)]
    Person(#[from] PeopleError),
    /// There is no such namespace, whose owner would be meant.
    #[error("there is no namespace `{0}`")]
    Namespace(NamespaceId),
    /// It is nothing, or less.
    #[error("`{0}` cannot be given: a grant is more than nothing")]
    Amount(MicroUsd),
    /// More than can be held.
    #[error("`{amount}` more is more than `{name}` can have")]
    TooMuch {
        /// What should be given.
        amount: MicroUsd,
        /// To whom.
        name: String,
    },
}

impl From<StoreError> for CreditError {
    fn from(error: StoreError) -> Self {
        Self::Person(error.into())
    }
}

impl Node {
    /// Gives credit to `who`: a person, named by name or `usr_…`, or the owner of the namespace `ns_…`.
    ///
    /// # Errors
    /// Where nobody is meant, or the amount is none that can be given: nothing was changed.
    pub async fn grant_credit(&self, who: &str, amount: MicroUsd) -> Result<CreditGrant, CreditError> {
        if amount <= MicroUsd::ZERO {
            return Err(CreditError::Amount(amount));
        }
        let mut write = self.store.write().await?;
        let person = self.meant(&mut write, who).await?;
        let Some((id, at, balance)) = ledger::add_grant(&mut write, person.id, amount, self.clock.wall()).await? else {
            return Err(CreditError::TooMuch { amount, name: person.name });
        };
        write.commit().await?;
        self.ledger.granted(person.id, amount);
        let transaction = Transaction {
            id,
            kind: "grant".to_owned(),
            amount_micro_usd: amount,
            request_id: None,
            namespace_id: None,
            created_at: at.to_string(),
        };
        Ok(CreditGrant { person, transaction, balance })
    }

    async fn meant(&self, write: &mut Write, who: &str) -> Result<PersonRow, CreditError> {
        let Ok(namespace) = who.parse::<NamespaceId>() else { return Ok(find(write, who).await?) };
        let row = NamespaceRow::find(write, namespace).await?;
        let row = row.filter(|row| !self.namespace_has_ended(row.id, row.owner));
        let row = row.ok_or(CreditError::Namespace(namespace))?;
        Ok(find(write, &row.owner.to_string()).await?)
    }
}
