//! Who may call the inference endpoint, from where, and what a hostile neighbour or web page gets: nothing.

mod caller;
mod host;
mod http_version;
mod listen;
mod machine;
mod paths;
mod proxies;
mod tokens;
mod web_pages;
