//! For tests: servers of PostgreSQL and poolers in private directories, reached by Unix sockets alone.
//!
//! [`database`] gives a test a database of its own on one server that all tests of a run share; [`Server`] is one of a
//! test's own, to be stopped, killed and started again. [`Bouncer`] is pgbouncer in front of it.
//!
//! As root, the servers run as an unprivileged user: PostgreSQL refuses to be root's. It knows nothing of what is tested.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::allow_attributes,
    reason = "tests panic where what they stand on does not hold"
)]

mod bouncer;
mod cluster;
mod server;
mod shared;

pub use self::{
    bouncer::{Bouncer, Mode},
    server::Server,
    shared::{Database, database},
};

std::thread_local! {
    static ON_POSTGRES: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Runs a test whose nodes are on PostgreSQL: [`wanted`] says so on its thread.
pub fn on_postgres(test: impl FnOnce()) {
    ON_POSTGRES.set(true);
    test();
}

/// A database for the test that runs on this thread, where it is to be on PostgreSQL.
pub fn wanted() -> Option<Database> {
    ON_POSTGRES.get().then(database)
}

/// Tests of the module around, once more on PostgreSQL.
#[macro_export]
macro_rules! once_more_on_postgres {
    ($($test:ident),+ $(,)?) => {
        mod on_postgres {
            $(
                #[test]
                fn $test() {
                    $crate::on_postgres(super::$test);
                }
            )+
        }
    };
}
