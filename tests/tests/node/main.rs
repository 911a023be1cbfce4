//! The node, as it is used: by its verbs, over its REST interface.

mod namespaces;
mod off;
