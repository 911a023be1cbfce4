//! Acts as somebody else without a process of his own: the kernel keeps the uid per thread, and what a socket's peer
//! is told is the uid of the thread that connected or listened.

use std::{panic::resume_unwind, thread};

use rustix::{
    process::{Gid, Uid},
    thread::{set_thread_gid, set_thread_groups, set_thread_uid},
};

use crate::user::User;

/// Runs `act` on a thread of its own that belongs to `user`. Where the tests cannot be anybody else, it runs as it is.
#[track_caller]
pub fn run<T: Send>(user: User, act: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(move || {
            switch_thread(user);
            act()
        });
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Makes the calling thread belong to `user`, for good.
pub(crate) fn switch_thread(user: User) {
    if user.is_exclusive() {
        set_thread_groups(&[]).expect("setgroups");
        set_thread_gid(Gid::from_raw(user.uid())).expect("setgid");
        set_thread_uid(Uid::from_raw(user.uid())).expect("setuid");
    }
}
