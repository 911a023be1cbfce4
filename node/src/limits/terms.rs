//! What a call asks for, and what that costs: all arithmetic of prices is whoever's implements it.

use std::fmt;

use bitrouter_proto::account::MicroUsd;

/// A call as its limits see it. Numbers of tokens are those of one reply unless they say otherwise; costs are those of all of them.
pub trait Terms: fmt::Debug + Send + Sync {
    /// False for a verb without output: it gets no cap.
    fn has_output(&self) -> bool;
    /// The cap that the body has.
    fn asked_cap(&self) -> Option<u64>;
    /// The model's maximum, where it is stated.
    fn model_max(&self) -> Option<u64>;
    /// How many replies there are to be: choices × prompts, at least 1.
    fn replies(&self) -> u64;
    /// The thinking budget that the body states: a cap has to be above it.
    fn thinking(&self) -> Option<u64>;
    /// True where the reply is to be a stream.
    fn is_stream(&self) -> bool;
    /// True where every class costs nothing, or the provider is local and unpriced.
    fn is_free(&self) -> bool;
    /// What the call costs at most where each reply has that many tokens; `None` where nothing bounds it.
    fn cost(&self, cap: u64) -> Option<MicroUsd>;
    /// What its input costs at most; `None` where that has no price or no bound.
    fn input_cost(&self) -> Option<MicroUsd>;
    /// The most tokens a reply whose [`cost`](Self::cost) is at most that; `None` where the input alone costs more.
    fn affordable(&self, left: MicroUsd) -> Option<u64>;
    /// Bytes of the body: it is in memory while the call waits.
    fn body_len(&self) -> u64;
}
