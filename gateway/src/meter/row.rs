//! The row of a call that was admitted, until it is settled.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bitrouter_proto::{account::CallStatus, clock};

use super::{
    Metered, ModelPrice,
    charge::{OwnCount, Reached, charge},
    output::{OutputMeter, PUT_OFF},
};
use crate::{
    ports::{Charged, ObjectKey, Permit, Settlement, SoFar},
    protocol::{Content, ContentCounter, usage::TokenUsage},
};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallEnd {
    /// The reply reached its end.
    Whole,
    /// The provider refused it, with a status from 400 on.
    Refused,
    /// It never reached the provider.
    Unsent,
    /// It was sent, and there was no reply, or none to its end.
    Failed,
    /// The reply reached its end, and rules keep it from its caller.
    Withheld,
    /// The daemon ended under it.
    Interrupted,
    /// Its output passed its limit.
    Cut,
    /// Its caller left.
    Left,
    /// Its caller left, and the reply reached its end without it.
    LeftAtEnd,
}

impl CallEnd {
    fn status(self) -> CallStatus {
        match self {
            Self::Whole => CallStatus::Succeeded,
            Self::Refused | Self::Unsent | Self::Failed | Self::Withheld => CallStatus::Failed,
            Self::Interrupted => CallStatus::Interrupted,
            Self::Cut => CallStatus::Cut,
            Self::Left | Self::LeftAtEnd => CallStatus::Cancelled,
        }
    }

    fn reached(self) -> Reached {
        match self {
            Self::Whole | Self::LeftAtEnd | Self::Withheld => Reached::End,
            Self::Refused | Self::Unsent => Reached::Nothing,
            Self::Failed | Self::Interrupted | Self::Cut | Self::Left => Reached::Middle,
        }
    }

    /// True where the caller did not see the end.
    pub(super) fn is_left(self) -> bool {
        matches!(self, Self::Left | Self::LeftAtEnd)
    }
}

/// What is known of the call besides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// What the provider told last.
    pub(super) told: TokenUsage,
    pub(super) first_byte: Option<Duration>,
    pub(super) error_code: Option<&'static str>,
}

/// Models that made the reply and were not asked for.
#[derive(Debug, Default)]
struct OtherModels {
    /// What they cost, as far as somebody says.
    prices: Vec<Arc<ModelPrice>>,
}

/// The row.
#[derive(Debug)]
pub(super) struct OpenRow {
    permit: Box<dyn Permit>,
    metered: Metered,
    /// `None` until it is sent.
    output: Option<OutputMeter>,
    /// When progress was told last.
    told_at: Option<Instant>,
    objects: Vec<ObjectKey>,
    /// Another model has made the reply, which costs that much.
    other: Option<OtherModels>,
}

impl OpenRow {
    pub(super) fn new(permit: Box<dyn Permit>, metered: Metered) -> Self {
        Self { permit, metered, output: None, told_at: None, objects: Vec::new(), other: None }
    }

    /// The call was sent at `sent`; `None`: it was not, for all that was thought before.
    pub(super) fn set_sent(&mut self, sent: Option<Instant>) {
        self.output = sent.map(OutputMeter::new);
    }

    /// So many output tokens of a stream pass at most.
    pub(super) fn output_limit(&self) -> Option<u64> {
        self.permit.output_limit()
    }

    /// The reply begins.
    pub(super) fn begin(&mut self, counter: ContentCounter, most_held: usize) {
        if let Some(output) = &mut self.output {
            output.begin(counter, most_held);
        }
    }

    /// A part of the reply passes. The time, where it had to be looked at.
    pub(super) fn pass(&mut self, part: &[u8]) -> Option<Instant> {
        self.output.as_mut()?.pass(part)
    }

    /// So much more was made, and does not pass.
    pub(super) fn withhold(&mut self, content: Content) {
        if let Some(output) = &mut self.output {
            output.withhold(content);
        }
    }

    /// It is `now`. True where something has moved that is to be told now.
    pub(super) fn at(&mut self, now: Instant) -> bool {
        let has_moved = self.output.as_mut().is_some_and(|output| output.at(now));
        has_moved && self.told_at.is_none_or(|told| now.saturating_duration_since(told) >= PUT_OFF)
    }

    /// Tells what the call would be charged if it ended now, and answers it.
    pub(super) fn tell(&mut self, now: Instant, known: &Known) -> TokenUsage {
        self.told_at = Some(now);
        let (output, pace) = (&mut self.output, self.metered.pace);
        let own = || output.as_mut().map_or_else(OwnCount::default, |output| output.tokens(now, pace));
        let usage = charge(&self.metered, Reached::Middle, known.told, own).usage;
        self.permit.progress(&SoFar { usage, first_byte: known.first_byte });
        usage
    }

    /// Another model than the one that was judged has made the reply.
    pub(super) fn made_by_another(&mut self, price: Option<Arc<ModelPrice>>) {
        self.other.get_or_insert_default().prices.extend(price);
    }

    /// The provider has stored something.
    pub(super) fn add_object(&mut self, object: ObjectKey) {
        self.objects.push(object);
    }

    /// The call has ended; what it is charged for.
    pub(super) fn settle(mut self, end: CallEnd, known: &Known) -> Charged {
        let (output, pace) = (&mut self.output, self.metered.pace);
        let reached = if output.is_some() { end.reached() } else { Reached::Nothing };
        let own =
            || output.as_mut().map_or_else(OwnCount::default, |output| output.tokens(clock::monotonic_now(), pace));
        let mut charge = charge(&self.metered, reached, known.told, own);
        if let Some(OtherModels { prices }) = &self.other {
            charge.flags.other_model = true;
            // Dearer: it is settled truly.
            let prices = prices.iter().filter(|_| reached != Reached::Nothing);
            charge.cost = prices.map(|price| Some(price.cost(&charge.usage).amount)).fold(charge.cost, Option::max);
        }
        if reached != Reached::Nothing {
            // No reply tells how often its tools were used: what they may take is taken.
            charge.cost = charge.cost.map(|cost| cost.plus(self.metered.tools));
        }
        self.permit.settle(Settlement {
            status: end.status(),
            usage: charge.usage,
            origin: charge.origin,
            cost: charge.cost,
            flags: charge.flags,
            first_byte: known.first_byte,
            error_code: known.error_code,
            objects: self.objects,
        });
        Charged { usage: charge.usage, cost: charge.cost }
    }
}
