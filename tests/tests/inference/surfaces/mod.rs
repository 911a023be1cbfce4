//! The surfaces in the four dialects: what may reach a provider and nothing else, which bytes and headers arrive and come
//! back, where a name leads, and how every refusal reads.

mod bytes;
mod cast;
mod connections;
mod crawl;
mod endpoints;
mod errors;
mod headers;
mod listed;
mod names;
mod order;
mod query;
mod replies;
mod response_ids;
mod routes;
mod stored;
mod stream_usage;
mod table;
mod upstream_errors;
mod voice;
