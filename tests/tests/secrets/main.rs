//! P3: no secret anywhere. Canaries go into every input; then everything that comes out is searched, at trace level,
//! whatever goes wrong: logs, stderr, metrics, errors, `--json`, argument lists, children's environments, core dumps.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod crash;
mod everything;
mod everywhere;
mod inside;
mod memory;
mod outputs;
mod shells;
mod stored_keys;
