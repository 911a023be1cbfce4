//! Whether a call may be made, and the row of it: who pays, what is reserved, one record in the journal.

use std::sync::Arc;

use bitrouter_gateway::{
    InferenceError,
    http::Caller,
    meter::Bound,
    ports::{AdmissionRequest, NoRow, ObjectKey, Permit, Plan},
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
use crate::{
    clock::Moment,
    enforcement::{BoundPlan, OpenCall, Rulebook},
    limits::{Applicable, Hold},
    settings::CreditRule,
};

impl Ledger {
    /// What binds the calls of `caller` now: policies, credit, or nothing but that a row is kept.
    pub fn plan(self: &Arc<Self>, caller: Caller) -> Plan {
        let Some(namespace) = caller.namespace() else { return Plan::Off };
        let enforcement = self.enforcement();
        let generation = enforcement.generation();
        self.plan_by(generation, namespace, enforcement.rulebook(caller, namespace))
    }

    /// What binds calls in `namespace` by `rulebook`, which is of the book of this number.
    pub(crate) fn plan_by(
        self: &Arc<Self>,
        generation: u64,
        namespace: NamespaceId,
        rulebook: Option<Arc<Rulebook>>,
    ) -> Plan {
        let payer = match self.funding(namespace) {
            FundingSource::CloudCredit => Some(self.roles.owner(namespace).unwrap_or(self.owner)),
            FundingSource::Local | FundingSource::Byok => None,
        };
        let applicable = match (&rulebook, payer) {
            (None, None) => return Plan::Plain,
            (Some(rulebook), payer) => rulebook.applicable(payer),
            (None, payer) => Arc::new(Applicable::default().paid_by(payer)),
        };
        let ledger = Arc::clone(self);
        Plan::Bound(Arc::new(BoundPlan { ledger, rulebook, payer, applicable, generation }))
    }

    /// Admits a call that nothing binds; the row of it is there when this returns.
    ///
    /// # Errors
    /// Why the call is not made, as its caller is told.
    pub fn admit(&self, request: &AdmissionRequest<'_>) -> Result<Box<dyn Permit>, InferenceError> {
        let Some(namespace) = request.context.caller.namespace() else { return Ok(Box::new(NoRow)) };
        // Its plan may have been made before what is in force now.
        let generation = self.enforcement().generation_for(request.context.started);
        let payer = self.may_open(request.context.caller, namespace)?;
        let funding = without_credit(request);
        let opened = Opened { namespace, payer, funding, reserved: None, hold: None, generation };
        self.write_row(request, &request.metered.bound, opened)
    }

    /// That somebody pays for the calls of `caller`.
    ///
    /// # Errors
    /// Where the namespace is gone.
    pub(crate) fn check_payer(&self, caller: Caller) -> Result<(), InferenceError> {
        caller.namespace().map_or(Ok(()), |namespace| self.payer(caller, namespace).map(drop))
    }

    /// Opens the row of a call that has taken `hold`, which is given back where that fails.
    pub(crate) fn open_row(
        &self,
        request: &AdmissionRequest<'_>,
        hold: Hold,
        generation: u64,
    ) -> Result<Box<dyn Permit>, InferenceError> {
        let caller = request.context.caller;
        let may_open = match caller.namespace() {
            Some(namespace) => self.may_open(caller, namespace).map(|payer| (namespace, payer)),
            None => {
                hold.undo(&self.enforcement().limits, self.enforcement().now());
                return Ok(Box::new(NoRow));
            }
        };
        let (namespace, payer) = match may_open {
            Ok(found) => found,
            Err(error) => {
                hold.undo(&self.enforcement().limits, self.enforcement().now());
                return Err(error);
            }
        };
        let taken = hold.taken();
        let is_on_credit = hold.applicable().credit().is_some();
        let funding = if is_on_credit { FundingSource::CloudCredit } else { without_credit(request) };
        let bound = match taken.cap {
            Some(cap) => request.metered.bound_at(cap),
            None => request.metered.bound,
        };
        let reserved = hold.applicable().limits_money().then_some(taken.reserved);
        self.write_row(request, &bound, Opened { namespace, payer, funding, reserved, hold: Some(hold), generation })
    }

    /// Whether rows can be opened now.
    ///
    /// # Errors
    /// Why not, as callers are told.
    pub fn is_writable(&self) -> Result<(), InferenceError> {
        if let Some(trouble) = self.shared.troubles.of_reading() {
            return Err(trouble.into());
        }
        if let Some(trouble) = self.shared.troubles.of_database() {
            return Err(trouble.into());
        }
        if self.shared.is_closing() {
            return Err(InferenceError::new(InferenceCode::Unavailable, "the node is stopping; try again"));
        }
        Ok(())
    }

    /// Whether a row can be opened, and who pays for its call.
    fn may_open(&self, caller: Caller, namespace: NamespaceId) -> Result<PersonId, InferenceError> {
        self.is_writable()?;
        self.payer(caller, namespace)
    }

    fn write_row(
        &self,
        request: &AdmissionRequest<'_>,
        bound: &Bound,
        opened: Opened,
    ) -> Result<Box<dyn Permit>, InferenceError> {
        let Opened { namespace, payer, funding, reserved, hold, generation } = opened;
        let (id, created_at) = self.shared.ids.next(self.shared.clock.wall());
        // Of the credit; what budgets have reserved is theirs.
        let of_credit = if funding == FundingSource::CloudCredit { reserved } else { None };
        let amount = of_credit.unwrap_or_default();
        let pace = u64::from(request.metered.pace.max_output_tps);
        let enforcement = self.enforcement();
        let at = hold.as_ref().map_or_else(|| enforcement.now(), Hold::admitted_at);
        // Where nothing bounds its output, what it reads is all that is known.
        let cost = bound.cost.or_else(|| request.metered.terms.input_cost()).unwrap_or_default();
        let most = (cost, bound.output.unwrap_or(0));
        let call = OpenCall::new(id, request.context.caller, generation, at, most).with(hold.as_ref());
        let row = OpenRow::new(call, payer, amount, request.stream, pace, self.shared.clock.monotonic());
        let call = admitted(request, bound, &Facts { id, namespace, payer, funding, reserved, created_at });
        self.shared.rows.open(&row);
        if let Err(trouble) = self.shared.journal.admit(&Record { kind: Some(Kind::Admitted(call)) }.encode_to_vec()) {
            enforcement.not_opened(&row.call, hold);
            self.shared.rows.close(&row);
            return Err(trouble.into());
        }
        enforcement.opened(&row.call);
        let (shared, price) = (Arc::clone(&self.shared), request.metered.price.clone());
        // What nothing was reserved for is not cut.
        let output_limit = reserved.filter(|reserved| *reserved > MicroUsd::ZERO).and(bound.output);
        Ok(Box::new(RowPermit { shared, row, funding, price, hold, is_settled: false, output_limit }))
    }

    /// What a provider had stored under this key is gone.
    pub fn forget_object(&self, object: &ObjectKey) {
        let record = Record { kind: Some(Kind::Forgotten(Forgotten { object: object.0.to_vec() })) };
        self.shared.journal.note(&record.encode_to_vec());
    }

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
}

/// Who pays where no credit does.
fn without_credit(request: &AdmissionRequest<'_>) -> FundingSource {
    if request.uses_byok { FundingSource::Byok } else { FundingSource::Local }
}

/// A row that is about to be opened.
struct Opened {
    namespace: NamespaceId,
    payer: PersonId,
    funding: FundingSource,
    reserved: Option<MicroUsd>,
    hold: Option<Hold>,
    generation: u64,
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

fn admitted(request: &AdmissionRequest<'_>, bound: &Bound, facts: &Facts) -> Admitted {
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
        bound_input: bound.input,
        bound_output: bound.output,
        reserved: facts.reserved.map(MicroUsd::micros),
        estimated_input: metered.estimated_input,
        thinks_unseen: metered.pace.thinks_unseen,
        max_output_tps: metered.pace.max_output_tps,
        price: metered.price.as_ref().map(|price| price.document().to_owned()).unwrap_or_default(),
    }
}
