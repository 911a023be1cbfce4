//! Whether a call may be made, and the row of it: who pays, what is reserved, one record in the journal.

use std::sync::Arc;

use bitrouter_gateway::{
    InferenceError,
    http::Caller,
    ports::{Admission, AdmissionRequest, Metering, NoRow, ObjectKey, Permit},
};
use bitrouter_proto::{
    account::{FundingSource, MicroUsd, NamespaceId, PersonId, RequestRowId},
    codes::InferenceCode,
};
use prost::Message as _;

use super::{
    Ledger,
    open_rows::OpenRow,
    permit::RowPermit,
    record::{Admitted, Forgotten, Kind, Record},
};
use crate::{clock::Moment, settings::CreditRule};

impl Admission for Ledger {
    fn metering(&self, caller: Caller) -> Metering {
        match caller.namespace() {
            None => Metering::Off,
            Some(namespace) => match self.funding(namespace) {
                FundingSource::CloudCredit => Metering::Exact,
                FundingSource::Local | FundingSource::Byok => Metering::Plain,
            },
        }
    }

    fn admit(&self, request: &AdmissionRequest<'_>) -> Result<Box<dyn Permit>, InferenceError> {
        let Some(namespace) = request.context.caller.namespace() else { return Ok(Box::new(NoRow)) };
        if let Some(trouble) = self.shared.troubles.of_reading() {
            return Err(trouble.into());
        }
        if let Some(trouble) = self.shared.troubles.of_database() {
            return Err(trouble.into());
        }
        if self.shared.is_closing() {
            return Err(InferenceError::new(InferenceCode::Unavailable, "the node is stopping; try again"));
        }
        let (payer, funding) = (self.payer(request.context.caller, namespace)?, self.funding(namespace));
        // Without credit nothing is reserved; a call without a bound reserves what is known, which is nothing.
        let reserved = match funding {
            FundingSource::CloudCredit => request.metered.bound.cost,
            FundingSource::Local | FundingSource::Byok => None,
        };
        if funding == FundingSource::CloudCredit && reserved != Some(MicroUsd::ZERO) {
            self.has_credit(payer)?;
        }
        let (id, created_at) = self.shared.ids.next(self.shared.clock.wall());
        let amount = reserved.unwrap_or_default();
        let pace = u64::from(request.metered.pace.max_output_tps);
        let row = OpenRow::new(id, payer, amount, request.stream, pace, self.shared.clock.monotonic());
        let call = admitted(request, &Facts { id, namespace, payer, funding, reserved, created_at });
        self.shared.rows.open(&row);
        if let Err(trouble) = self.shared.journal.admit(&Record { kind: Some(Kind::Admitted(call)) }.encode_to_vec()) {
            self.shared.rows.close(&row);
            return Err(trouble.into());
        }
        let (shared, price) = (Arc::clone(&self.shared), request.metered.price.clone());
        Ok(Box::new(RowPermit { shared, row, funding, price, is_settled: false }))
    }

    fn forget_object(&self, object: &ObjectKey) {
        let record = Record { kind: Some(Kind::Forgotten(Forgotten { object: object.0.to_vec() })) };
        self.shared.journal.note(&record.encode_to_vec());
    }
}

impl Ledger {
    /// The owner of the namespace, whoever calls in it. One that ended while a call came in has none, and its credentials
    /// ended with it: nobody else is charged.
    fn payer(&self, caller: Caller, namespace: NamespaceId) -> Result<PersonId, InferenceError> {
        match (self.roles.owner(namespace), caller) {
            (Some(owner), _) => Ok(owner),
            (None, Caller::Credential(_)) => {
                let words = "the namespace of this credential is gone, and the credential with it";
                Err(InferenceError::new(InferenceCode::InvalidApiKey, words))
            }
            (None, Caller::Keyless { .. } | Caller::Operator(_) | Caller::Anyone) => Ok(self.owner),
        }
    }

    /// Who pays for calls in a namespace: whoever runs the node, or the credit of the namespace's owner.
    fn funding(&self, namespace: NamespaceId) -> FundingSource {
        match self.settings.load().credit {
            CreditRule::Off => FundingSource::Local,
            CreditRule::RequiredOfOthers if self.roles.owner(namespace) == Some(self.owner) => FundingSource::Local,
            CreditRule::RequiredOfOthers | CreditRule::Required => FundingSource::CloudCredit,
        }
    }

    fn has_credit(&self, payer: PersonId) -> Result<(), InferenceError> {
        if self.shared.credits.balance(payer) > MicroUsd::ZERO {
            return Ok(());
        }
        let message = format!(
            "there is no credit left for this call; run `bitrouter node credit grant {payer} 5` on the node to add some, or set `credit = \"off\"` under `[node]` to use the node's keys without it"
        );
        Err(InferenceError::new(InferenceCode::InsufficientCredit, message))
    }
}

/// What is decided when a call is admitted.
struct Facts {
    id: RequestRowId,
    namespace: NamespaceId,
    payer: PersonId,
    funding: FundingSource,
    reserved: Option<MicroUsd>,
    created_at: Moment,
}

fn admitted(request: &AdmissionRequest<'_>, facts: &Facts) -> Admitted {
    let metered = request.metered;
    let credential = match request.context.caller {
        Caller::Credential(principal) => principal.credential.to_string(),
        Caller::Keyless { .. } | Caller::Operator(_) | Caller::Anyone => "keyless".to_owned(),
    };
    Admitted {
        id: facts.id.ulid().to_bytes().to_vec(),
        namespace: facts.namespace.ulid().to_bytes().to_vec(),
        payer: facts.payer.ulid().to_bytes().to_vec(),
        credential,
        request_id: request.context.id.as_str().to_owned(),
        requested_model: request.requested_model.to_owned(),
        model_id: request.model.to_owned(),
        provider_id: request.provider.to_string(),
        dialect: request.dialect.as_str().to_owned(),
        streamed: request.stream,
        created_at: facts.created_at.millis(),
        funding: facts.funding.as_str().to_owned(),
        bound_input: metered.bound.input,
        bound_output: metered.bound.output,
        reserved: facts.reserved.map(MicroUsd::micros),
        estimated_input: metered.estimated_input,
        thinks_unseen: metered.pace.thinks_unseen,
        max_output_tps: metered.pace.max_output_tps,
        price: metered.price.as_ref().map(|price| price.document().to_owned()).unwrap_or_default(),
    }
}
