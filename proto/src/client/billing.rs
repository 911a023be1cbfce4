//! The calls of `BillingService`.

use super::{
    Client, ClientError,
    account::REMOTE,
    asked::{Asked, Told},
    calls::{MESSAGE_LIMIT, origin},
    channel::Channel,
    distrust,
    documents::{self, IdempotencyKey},
    usage::Rows,
};
use crate::{
    account::{
        MicroUsd, PersonId,
        ledger::{Balance, Page, ToldTransaction},
        told::ToldCheckout,
    },
    wire::{self, billing_service_client::BillingServiceClient},
};

/// What was added to somebody's credit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The row.
    pub transaction: ToldTransaction,
    /// Whose credit it is.
    pub person: PersonId,
    /// The name that this person signs in with.
    pub name: String,
    /// The balance then.
    pub balance: MicroUsd,
}

/// A payment that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedOut {
    /// Its id at whoever takes the money.
    pub id: String,
    /// The page on which it is paid, where it may be shown as a link and be opened.
    pub url: Option<String>,
}

impl Client {
    /// What is left of the credit.
    pub async fn balance(&self, asked: &Asked) -> Result<Told<Balance>, ClientError> {
        self.same_protocol()?;
        let request = wire::GetBalanceRequest { asked: Some(asked.into()) };
        let told = self.bounded_by(REMOTE, self.billing().get_balance(request)).await?;
        let read = distrust::balance(told.balance.unwrap_or_default());
        Ok(Told { read, json: distrust::document(&told.json)? })
    }

    /// A page of what was added to the credit and taken from it, the newest first.
    pub async fn list_transactions(
        &self,
        asked: &Asked,
        rows: Rows,
    ) -> Result<Told<Page<ToldTransaction>>, ClientError> {
        self.same_protocol()?;
        let request =
            wire::ListTransactionsRequest { asked: Some(asked.into()), limit: rows.limit, offset: rows.offset };
        let told = self.bounded_by(REMOTE, self.billing().list_transactions(request)).await?;
        let read = Page {
            data: told.transactions.into_iter().map(distrust::transaction).collect(),
            limit: told.limit,
            offset: told.offset,
            next_cursor: (!told.next_cursor.is_empty()).then(|| distrust::line(told.next_cursor)),
        };
        Ok(Told { read, json: distrust::document(&told.json)? })
    }

    /// Begins a payment of so many US cents.
    pub async fn create_checkout(
        &self,
        asked: &Asked,
        amount_cents: i64,
        once: &IdempotencyKey,
    ) -> Result<Told<CheckedOut>, ClientError> {
        self.same_protocol()?;
        let request = wire::CreateCheckoutRequest {
            asked: Some(asked.into()),
            amount_cents,
            idempotency_key: once.as_str().to_owned(),
        };
        let told = self.bounded_by(REMOTE, self.billing().create_checkout(request)).await?;
        let Told { read: ToldCheckout { id, url }, json } = documents::read(&told.json)?;
        Ok(Told { read: CheckedOut { id, url: distrust::server_link(&url) }, json })
    }

    /// Adds to the credit of a person of the own node: `who` is a name, a person's id, or the id of a namespace, whose owner
    /// is meant.
    pub async fn grant_credit(&self, who: &str, amount: MicroUsd) -> Result<Granted, ClientError> {
        self.same_protocol()?;
        let request = wire::GrantCreditRequest { who: who.to_owned(), amount_micro_usd: amount.micros() };
        let told = self.bounded(self.billing().grant_credit(request)).await?;
        Ok(Granted {
            transaction: distrust::transaction(told.transaction.unwrap_or_default()),
            person: told
                .person_id
                .parse()
                .map_err(|_| ClientError::Broken("it answered an id that is none".to_owned()))?,
            name: distrust::line(told.person_name),
            balance: MicroUsd::new(told.balance_micro_usd),
        })
    }

    fn billing(&self) -> BillingServiceClient<Channel> {
        BillingServiceClient::with_origin(self.channel.clone(), origin()).max_decoding_message_size(MESSAGE_LIMIT)
    }
}
