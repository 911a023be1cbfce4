//! Any bytes for the cutter of streams; what must hold stands in the gateway.
#![no_main]

use bitrouter_gateway::protocol::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzzing::sse(data));
