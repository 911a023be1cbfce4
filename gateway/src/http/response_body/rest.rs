//! What is still read of a reply whose caller left behind its last content: what it used may come next.

use std::{future::poll_fn, time::Duration};

use tokio::{
    runtime::Handle,
    time::{MissedTickBehavior, interval, timeout},
};

use super::upstream::Reply;

/// How long it is read.
const LONGEST: Duration = Duration::from_secs(5);
/// How often it is looked whether the daemon ends what runs: no connection wakes this task.
const LOOK: Duration = Duration::from_millis(100);

/// Reads on, in a task, until it is known what the reply used, other content begins, or it takes too long. The reply is
/// settled then, and its provider's connection ended.
pub(super) fn read(mut reply: Box<Reply>) {
    // Where nothing runs any more, or something has failed badly, it is over at once.
    if std::thread::panicking() || Handle::try_current().is_err() {
        return;
    }
    let tasks = reply.gateway().tasks.clone();
    tasks.spawn("rest of a reply", async move {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let rest = poll_fn(|cx| {
            while look.poll_tick(cx).is_ready() {}
            reply.poll_rest(cx)
        });
        timeout(LONGEST, rest).await.ok();
    });
}
