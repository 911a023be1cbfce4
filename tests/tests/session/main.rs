//! P1, P2, P4: the account's session. The daemon owns the credential and never loses it, whatever its server, its disk, its
//! clock or another program does.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod adopted;
mod clock;
mod crash;
mod discovered;
mod disk;
mod exchange;
mod far;
mod load;
mod local;
mod model;
mod offline;
mod race;
mod sign_in;
mod uid;
mod window;

/// `make soak` does the same for ten minutes.
#[test]
fn p02_no_call_fails_while_tokens_of_5_s_come_and_go() {
    load::run(std::time::Duration::from_mins(1));
}
