//! The node, as it is used: by its verbs, over its REST interface.

mod console;
mod namespaces;
mod off;
mod people;
mod rest;
mod tokens;
