//! Whether a call may be made, and who keeps the row of it.

use std::{fmt, time::Duration};

use bitrouter_proto::account::{CallStatus, MicroUsd, NamespaceId, UsageOrigin};

use super::BoxFuture;
use crate::{
    InferenceError,
    http::{Caller, RequestContext},
    meter::Metered,
    protocol::{Dialect, Verb, usage::TokenUsage},
    registry::ProviderId,
};

/// How the calls of a caller are metered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metering {
    /// They are not.
    Off,
    /// A row is kept, and nothing limits what they cost: the plain bound is enough.
    Plain,
    /// Credit, or another limit, applies: the bound holds whatever stands in the body.
    Exact,
}

/// Which calls are made, and what they used. The node implements it.
pub trait Admission: fmt::Debug + Send + Sync + 'static {
    /// How the calls of `caller` are metered now. From memory.
    fn metering(&self, caller: Caller) -> Metering;

    /// Admits a call, before it goes to its provider; the row of it is there when this returns. Whoever gets a permit settles
    /// it, however the call ends.
    ///
    /// # Errors
    /// Why the call is not made, as its caller is told.
    fn admit(&self, request: &AdmissionRequest<'_>) -> Result<Box<dyn Permit>, InferenceError>;

    /// Ends once what the calls of an earlier process had left open is settled, or nobody waits for that any longer: the
    /// process is not healthy before.
    fn settled(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// What a provider had stored under this key is gone.
    fn forget_object(&self, _object: &ObjectKey) {}
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
}

/// A call that was admitted.
pub trait Permit: fmt::Debug + Send {
    /// What the call has used until now, as it would be charged if it ended here: what is left of it where the process dies.
    /// Told by a stream some times a second, and when its first byte came.
    fn progress(&mut self, so_far: &SoFar);

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
}

impl Flags {
    /// Those that are set, as rows show them.
    pub fn words(self) -> Vec<&'static str> {
        [(self.above_bound, "above_bound"), (self.price_substituted, "price_substituted")]
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
    /// For whom.
    pub namespace: NamespaceId,
    /// The tokens that went into it and came out: what a call that goes on from it reads at least.
    pub tokens: u64,
    /// The response that left it behind; `None` for a response.
    pub left_by: Option<ObjectKey>,
}

/// Nobody keeps rows (tests, and what needs none).
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLedger;

impl Admission for NoLedger {
    fn metering(&self, _caller: Caller) -> Metering {
        Metering::Off
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
