//! Who may call the inference endpoint, from where, and what a hostile neighbour or web page gets: nothing.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod caller;
mod host;
mod http_version;
mod keys;
mod listen;
mod machine;
mod networks;
mod paths;
mod proxies;
mod team;
mod tokens;
mod web_pages;
