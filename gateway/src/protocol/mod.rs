//! Dialects of inference APIs, one folder each. Pure functions over bytes: no network, no keys, no clock.

pub mod openai;
