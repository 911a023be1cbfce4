//! Buying credit in process, from a Stripe that is scripted.

mod events;
mod sessions;
mod world;
