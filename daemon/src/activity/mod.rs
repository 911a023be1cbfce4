//! Which programs call which models: the calls of the last minute and those that run, put together when somebody looks.
//!
//! A call costs a place in a ring that is there already, and a clone of its model's name; nothing is looked up for it.
//! Whose a connection is, [`owner`] finds by the inode of its socket, once for each connection and only while somebody
//! watches; [`branch`] reads which branch a directory is on. [`connection`] is what is known of a connection, [`view`] what is
//! shown.

mod branch;
mod connection;
mod owner;
mod view;

use std::{
    collections::VecDeque,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use bitrouter_gateway::{
    ports::{Charged, RequestRecord},
    registry::ProviderId,
};
use bitrouter_proto::{
    account::MicroUsd,
    activity::{Activity as Shown, WINDOW},
    clock,
};

pub(crate) use connection::CallingConnection;
use connection::Running;
use view::Calls;

/// So many calls that ended are remembered; under more of them the window is shorter.
const MOST: usize = 4096;

/// How long whoever looks waits for others who are looking owners up.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who calls what. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Activity(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    began: Instant,
    ended: Mutex<Ring>,
    connections: Mutex<Vec<Weak<CallingConnection>>>,
    looking: tokio::sync::Mutex<()>,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            began: clock::monotonic_now(),
            ended: Mutex::default(),
            connections: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
        }
    }
}

/// The calls that ended, in that order.
#[derive(Debug)]
struct Ring {
    calls: VecDeque<EndedCall>,
    /// When the last one ended that had to make room within the window.
    lost: Option<Instant>,
}

impl Default for Ring {
    fn default() -> Self {
        // The pages of it are taken as they are used.
        Self { calls: VecDeque::with_capacity(MOST), lost: None }
    }
}

/// A call that ended.
#[derive(Clone, Debug)]
struct EndedCall {
    connection: Arc<CallingConnection>,
    provider: Option<ProviderId>,
    model: Arc<str>,
    began: Instant,
    ended: Instant,
    tokens_in: u64,
    tokens_out: u64,
    cost: Option<MicroUsd>,
}

impl Activity {
    /// A connection came; `socket` is the inode of the other end where that is a program of the daemon's own user.
    pub(crate) fn connect(&self, socket: Option<NonZeroU32>) -> Arc<CallingConnection> {
        let connection = Arc::new(CallingConnection::new(socket));
        let mut all = self.0.connections.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that are gone make room before any is made.
        if all.len() == all.capacity() {
            all.retain(|one| one.strong_count() > 0);
        }
        all.push(Arc::downgrade(&connection));
        connection
    }

    /// A call on `connection` ended.
    pub(crate) fn on_ended(&self, connection: &Arc<CallingConnection>, record: &RequestRecord) {
        connection.on_ended();
        let Charged { usage, cost } = record.charged.unwrap_or(Charged { usage: record.usage, cost: None });
        let (tokens_in, tokens_out) = connection::counted(&usage);
        let call = EndedCall {
            connection: Arc::clone(connection),
            provider: record.provider.clone(),
            model: Arc::clone(&record.model),
            began: record.started,
            ended: record.started + record.total,
            tokens_in,
            tokens_out,
            cost,
        };
        self.0.ended.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }

    /// Looks up whose connections there are, of those that had calls and were not looked up yet.
    pub(crate) async fn look_up(&self) {
        // Whoever looks already finds what we would.
        let Ok(_looking) = tokio::time::timeout(PATIENCE, self.0.looking.lock()).await else { return };
        let unknown = self.unknown();
        if unknown.is_empty() {
            return;
        }
        let wanted = unknown.iter().filter_map(|one| one.socket()).collect();
        // Reading a directory of somebody's may take its time.
        let found = tokio::task::spawn_blocking(move || owner::find(&wanted)).await.unwrap_or_default();
        for connection in unknown {
            connection.set_owner(connection.socket().and_then(|socket| found.get(&socket)).cloned());
        }
    }

    /// What there is to show now.
    pub(crate) fn now(&self) -> Shown {
        let now = clock::monotonic_now();
        let mut calls = Calls::default();
        let begin = {
            let ended = self.0.ended.lock().unwrap_or_else(PoisonError::into_inner);
            let begin = ended.begin(now);
            for call in ended.calls.iter().filter(|call| call.ended >= begin) {
                calls.add_ended(call);
            }
            begin
        };
        for connection in self.live() {
            if let Some(running) = connection.running() {
                calls.add_running(&connection, &running, now);
            }
        }
        let since = begin.max(self.0.began);
        calls.shown(now.saturating_duration_since(since))
    }

    /// The connections that are open.
    fn live(&self) -> Vec<Arc<CallingConnection>> {
        let all = self.0.connections.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter_map(Weak::upgrade).collect()
    }

    /// Those with calls to show that nobody has looked up.
    fn unknown(&self) -> Vec<Arc<CallingConnection>> {
        let begin = clock::monotonic_now().checked_sub(WINDOW);
        let mut unknown: Vec<_> =
            self.live().into_iter().filter(|one| one.is_unknown() && one.running().is_some()).collect();
        let ended = self.0.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = ended.calls.iter().rev().take_while(|call| begin.is_none_or(|begin| call.ended >= begin));
        unknown.extend(recent.filter(|call| call.connection.is_unknown()).map(|call| Arc::clone(&call.connection)));
        unknown
    }
}

impl Ring {
    fn push(&mut self, call: EndedCall) {
        let is_over = |old: &EndedCall| call.ended.saturating_duration_since(old.ended) > WINDOW;
        // One or two go for each that comes, so that no call pays for many.
        for _ in 0..2 {
            if self.calls.front().is_some_and(is_over) {
                self.calls.pop_front();
            }
        }
        if self.calls.len() == MOST {
            self.lost = self.calls.pop_front().map(|old| old.ended);
        }
        self.calls.push_back(call);
    }

    /// From when on every call is there.
    fn begin(&self, now: Instant) -> Instant {
        let window = now.checked_sub(WINDOW).unwrap_or(now);
        self.lost.map_or(window, |lost| lost.max(window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(connection: &Arc<CallingConnection>, began: Instant, seconds: u64) -> EndedCall {
        EndedCall {
            connection: Arc::clone(connection),
            provider: ProviderId::parse("demo").ok(),
            model: "echo".into(),
            began,
            ended: began + Duration::from_secs(seconds),
            tokens_in: 3,
            tokens_out: 10,
            cost: Some(MicroUsd::new(7)),
        }
    }

    #[test]
    fn what_has_no_room_makes_the_window_shorter() {
        let connection = Activity::default().connect(None);
        let began = clock::monotonic_now();
        let mut ring = Ring::default();
        for _ in 0..MOST {
            ring.push(call(&connection, began, 1));
        }
        let now = began + Duration::from_secs(5);
        assert_eq!((ring.calls.len(), ring.lost), (MOST, None));
        ring.push(call(&connection, began, 2));
        assert_eq!(ring.calls.len(), MOST);
        assert_eq!(ring.begin(now), began + Duration::from_secs(1));
        // What is too old for the window goes without a word.
        let mut ring = Ring::default();
        ring.push(call(&connection, began, 1));
        ring.push(call(&connection, began, 62));
        assert_eq!((ring.calls.len(), ring.lost), (1, None));
    }

    #[test]
    fn connections_that_are_gone_make_room() {
        let activity = Activity::default();
        let kept: Vec<_> = (0..3).map(|_| activity.connect(None)).collect();
        for _ in 0..1_000 {
            drop(activity.connect(NonZeroU32::new(7)));
        }
        assert_eq!(activity.live().len(), kept.len());
        assert!(activity.0.connections.lock().unwrap().capacity() <= 16);
    }

    #[test]
    fn a_running_call_is_shown_until_it_ends() {
        let activity = Activity::default();
        let connection = activity.connect(None);
        connection.on_routed(&ProviderId::parse("demo").unwrap(), &"echo".into());
        let now = activity.now();
        assert_eq!((now.data.len(), now.data[0].requests, now.data[0].model.as_str()), (1, 1, "demo/echo"));
        assert_eq!(now.data[0].pid, None);
        connection.on_ended();
        assert!(activity.now().data.is_empty());
    }
}
