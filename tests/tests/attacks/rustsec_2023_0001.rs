//! RUSTSEC-2023-0001 (tokio before 1.23.1): named pipes of Windows could be opened from other machines. Nothing here
//! listens on one; the version is past it all the same.

#[test]
fn rustsec_2023_0001_the_locked_version_is_past_it() {
    super::locked_at_least("tokio", [1, 23, 1]);
}
