//! OpenAI's dialect: what routing needs of a request, and how a reply is watched on its way back.
//!
//! Nothing is ever parsed into a tree or written anew: a request keeps its bytes but for the model name, a reply
//! keeps all of its bytes.

pub mod complete;
pub mod decode;
pub mod stream;
pub mod usage;
