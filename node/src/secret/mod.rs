//! What must not be known: the node's key and what is derived from it, tokens, random numbers.

mod key;
mod random;
mod token;

pub use self::{
    key::{KeyError, NodeKey},
    random::{random_bytes, random_ulid},
    token::{PresentedToken, Seed, Token, TokenHash, TokenKind},
};
