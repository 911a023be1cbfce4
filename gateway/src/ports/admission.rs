//! Whether a call may be made, and who keeps the row of it.

use std::{fmt, sync::Arc, time::Duration};

use bitrouter_proto::account::{CallStatus, MicroUsd, NamespaceId, PolicyId, UsageOrigin};

use tokio_util::sync::CancellationToken;

use super::BoxFuture;
use crate::{
    InferenceError,
    content_rules::ContentRules,
    http::{Caller, RequestContext},
    meter::Metered,
    protocol::{Dialect, Verb, usage::TokenUsage},
    registry::ProviderId,
};

/// What binds the calls of one caller, as it was when its call came.
#[derive(Clone, Debug)]
pub enum Plan {
    /// They are not metered.
    Off,
    /// A row is kept, and nothing limits what they are or cost.
    Plain,
    /// Policies, or credit, apply: the body is judged, and the bound holds whatever stands in it.
    Bound(Arc<dyn CallPlan>),
}

impl Plan {
    /// What binds them.
    pub fn bound(&self) -> Option<&dyn CallPlan> {
        match self {
            Self::Bound(plan) => Some(&**plan),
            Self::Off | Self::Plain => None,
        }
    }
}

/// Which calls are made, and what they used. The node implements it.
pub trait Admission: fmt::Debug + Send + Sync + 'static {
    /// What binds the calls of `caller` now. From memory.
    fn plan(&self, caller: Caller) -> Plan;

    /// Admits a call that nothing binds ([`Plan::Plain`]), before it goes to its provider; the row of it is there when this
    /// returns. Whoever gets a permit settles it, however the call ends.
    ///
    /// # Errors
    /// Why the call is not made, as its caller is told.
    fn admit(&self, request: &AdmissionRequest<'_>) -> Result<Box<dyn Permit>, InferenceError>;

    /// The run that calls of `caller` belong to, where they belong to one. From memory, once for each call.
    fn run_of(&self, _caller: Caller) -> Option<Arc<dyn Run>> {
        None
    }

    /// Ends once what the calls of an earlier process had left open is settled, or nobody waits for that any longer: the
    /// process is not healthy before.
    fn settled(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// What a provider had stored under this key is gone.
    fn forget_object(&self, _object: &ObjectKey) {}
}

/// A run of some program, which has a credential of its own: with the run all its calls end, open ones too.
pub trait Run: fmt::Debug + Send + Sync {
    /// Cancelled once it has ended.
    fn ended(&self) -> &CancellationToken;

    /// A call of it was refused with this code.
    fn refused(&self, code: &'static str);
}

/// The rules that bind the calls of one caller: guardrails, rates, budgets, credit. One value never changes.
pub trait CallPlan: fmt::Debug + Send + Sync {
    /// True where a budget or credit applies: what a call may cost must be known then.
    fn limits_money(&self) -> bool;

    /// True where what a call asks for is limited in tokens.
    fn limits_tokens(&self) -> bool;

    /// The policy that keeps `model` of `provider` from being called.
    fn denies_model(&self, provider: &str, model: &str) -> Option<PolicyId>;

    /// A policy that has rules for models.
    fn judges_models(&self) -> Option<PolicyId>;

    /// The refusal of a model that `policy` denies.
    fn model_denied(&self, policy: PolicyId) -> InferenceError;

    /// Judges whose key pays: the namespace owner's own one for the provider, or another.
    ///
    /// # Errors
    /// Why it may not.
    fn judge_payer(&self, uses_byok: bool) -> Result<(), InferenceError>;

    /// What binds the same calls where the namespace owner's own key for the provider pays: no credit.
    fn paid_by_owners_key(&self) -> Plan;

    /// Judges how the call is made; models and content are judged by themselves.
    ///
    /// # Errors
    /// Why it may not be made.
    fn judge(&self, manner: Manner) -> Result<(), InferenceError>;

    /// The rules for what requests and replies say.
    fn content_rules(&self) -> Option<&Arc<ContentRules>>;

    /// True where budgets and credit have room for the input of the call now, with nothing for its output.
    fn has_room_for_input(&self, metered: &Metered) -> bool;

    /// What would become of a call that costs and came now, and whose reply is no stream: the cap that its replies would get, where
    /// they would get one. Nothing is taken, and one that would wait for others counts as admitted.
    ///
    /// # Errors
    /// Why it would not be made, as its caller would be told.
    fn would_admit(&self, metered: &Metered) -> Result<Option<u64>, InferenceError>;

    /// Admits a call: takes its place in every rate, reserves what it can cost, and waits for that where open calls may
    /// soon leave enough. Dropped before it is done, it leaves nothing.
    ///
    /// # Errors
    /// Why the call is not made, as its caller is told.
    fn admit<'a>(&'a self, request: AdmissionRequest<'a>) -> BoxFuture<'a, Result<Admitted, InferenceError>>;
}

/// How a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// Its reply is to be a stream.
    pub is_streamed: bool,
    /// The tokens that each reply may have as its caller says.
    pub asked: Option<u64>,
    /// The namespace owner's own key for the provider pays.
    pub uses_byok: bool,
}

/// A call that rules bind, and that was admitted.
#[derive(Debug)]
pub struct Admitted {
    /// Its row; `None` for a call that costs nothing by its kind.
    pub permit: Option<Box<dyn Permit>>,
    /// The cap that each of its replies gets, where it asked for more or said nothing.
    pub cap: Option<u64>,
}

/// What is known of a call once its route is.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionRequest<'a> {
    /// Its id, who calls, when it came.
    pub context: &'a RequestContext,
    /// Where it goes.
    pub provider: &'a ProviderId,
    /// The resolved model, without the provider.
    pub model: &'a str,
    /// The model as the caller named it.
    pub requested_model: &'a str,
    /// The caller's dialect.
    pub dialect: Dialect,
    /// What is asked.
    pub verb: Verb,
    /// Whether the reply is asked for as a stream.
    pub stream: bool,
    /// Price, bound, estimate.
    pub metered: &'a Metered,
    /// Whether a provider takes money for it, so that there is a row of it.
    pub costs: bool,
    /// The bytes of its body, which are kept while it waits.
    pub body: u64,
    /// The namespace owner's own key for the provider pays.
    pub uses_byok: bool,
    /// Why nobody can say what it may cost: its refusal, where a budget or credit applies.
    pub price_unknown: Option<&'a InferenceError>,
}

/// A call that was admitted.
pub trait Permit: fmt::Debug + Send {
    /// What the call has used until now, as it would be charged if it ended here: what is left of it where the process dies.
    /// Told by a stream some times a second, and when its first byte came.
    fn progress(&mut self, so_far: &SoFar);

    /// A stream is cut once the lower count of its output passes so many tokens; `None`: it never is. Asked once, when the
    /// reply begins.
    fn output_limit(&self) -> Option<u64> {
        None
    }

    /// The call has ended. Told exactly once, and before the last byte of the reply goes out.
    fn settle(&mut self, settlement: Settlement);
}

/// What a call has used until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SoFar {
    /// Tokens by class, as they would be charged.
    pub usage: TokenUsage,
    /// From the head of the request to the first body byte of the reply.
    pub first_byte: Option<Duration>,
}

/// How a call ended, and what it used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// How it ended.
    pub status: CallStatus,
    /// Tokens by class, as they are charged.
    pub usage: TokenUsage,
    /// Who counted them.
    pub origin: UsageOrigin,
    /// What they cost, whoever pays; `None` where the model has no price.
    pub cost: Option<MicroUsd>,
    /// What is odd about the sum.
    pub flags: Flags,
    /// From the head of the request to the first body byte of the reply.
    pub first_byte: Option<Duration>,
    /// The error code that the caller saw.
    pub error_code: Option<&'static str>,
    /// What the provider has stored: the response itself first, then what else it made that later calls can name.
    pub objects: Vec<ObjectKey>,
}

/// What is odd about the sum of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The provider counted more than four times the bound: it is charged at the bound.
    pub above_bound: bool,
    /// A class without a price was reckoned at the dearest one of its side.
    pub price_substituted: bool,
    /// Another model than the one that was judged has made the reply.
    pub other_model: bool,
}

impl Flags {
    /// Those that are set, as rows show them.
    pub fn words(self) -> Vec<&'static str> {
        [
            (self.above_bound, "above_bound"),
            (self.price_substituted, "price_substituted"),
            (self.other_model, "other_model"),
        ]
        .into_iter()
        .filter_map(|(is_set, word)| is_set.then_some(word))
        .collect()
    }
}

/// An id by which a provider has stored something, as a part of its hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(pub [u8; 16]);

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectKey({:032x})", u128::from_be_bytes(self.0))
    }
}

/// Something that a provider has stored for a namespace. A response comes before what it has left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// Which.
    pub key: ObjectKey,
    /// Who has it.
    pub provider: ProviderId,
    /// The model that made it, as the row of the call names it, where that is known of a response.
    pub model: Option<String>,
    /// For whom.
    pub namespace: NamespaceId,
    /// The tokens that went into it and came out: what a call that goes on from it reads at least.
    pub tokens: u64,
    /// It was made with the namespace owner's own key.
    pub on_owners_key: bool,
    /// The response that left it behind; `None` for a response.
    pub left_by: Option<ObjectKey>,
}

/// Nobody keeps rows (tests, and what needs none).
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLedger;

impl Admission for NoLedger {
    fn plan(&self, _caller: Caller) -> Plan {
        Plan::Off
    }

    fn admit(&self, _request: &AdmissionRequest<'_>) -> Result<Box<dyn Permit>, InferenceError> {
        Ok(Box::new(NoRow))
    }
}

/// The permit of a call that nobody keeps a row of.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRow;

impl Permit for NoRow {
    fn progress(&mut self, _so_far: &SoFar) {}

    fn settle(&mut self, _settlement: Settlement) {}
}
