//! The one timer of a connection, moved only when a deadline comes nearer or it fires.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{task::coop::has_budget_remaining, time::Sleep};

use super::state::{ConnectionState, WaitReason};

/// What the timer was armed for and is over.
pub(super) enum TimerEvent {
    Wait(WaitReason),
    Farewell,
}

/// The one timer of a connection.
pub(super) struct IdleTimer<'a> {
    state: &'a ConnectionState,
    timer: Pin<Box<Sleep>>,
    armed: Option<u64>,
    /// Whether the timer knows whom to wake.
    registered: bool,
}

impl<'a> IdleTimer<'a> {
    pub(super) fn new(state: &'a ConnectionState) -> Self {
        let armed = state.deadline().map_or(0, |(at, _)| at);
        let timer = Box::pin(tokio::time::sleep_until(state.shared().instant(armed)));
        Self { state, timer, armed: Some(armed), registered: false }
    }

    /// Ready when the connection has waited too long; `farewell` is when an idle connection is to be told goodbye.
    pub(super) fn poll_over(mut self: Pin<&mut Self>, cx: &mut Context<'_>, farewell: Option<u64>) -> Poll<TimerEvent> {
        loop {
            let wait = self.state.deadline().map(|(at, wait)| (at, TimerEvent::Wait(wait)));
            let bye = farewell.map(|at| (at, TimerEvent::Farewell));
            let next = match (wait, bye) {
                (Some(wait), Some(bye)) => Some(if bye.0 < wait.0 { bye } else { wait }),
                (wait, bye) => wait.or(bye),
            };
            let fired = self.armed.is_some() && self.has_fired(cx);
            match next {
                Some((at, over)) if fired && at <= self.state.shared().now() => return Poll::Ready(over),
                Some((at, _)) if fired || self.armed.is_none_or(|armed| at < armed) => {
                    let instant = self.state.shared().instant(at);
                    self.timer.as_mut().reset(instant);
                    self.armed = Some(at);
                    self.registered = false;
                }
                Some(_) => return Poll::Pending,
                None => {
                    if fired {
                        self.armed = None;
                    }
                    return Poll::Pending;
                }
            }
        }
    }
    fn has_fired(&mut self, cx: &mut Context<'_>) -> bool {
        if self.registered {
            return self.timer.is_elapsed();
        }
        // One poll is enough: the task keeps its waker. A task that has used up its budget is not registered by it.
        self.registered = has_budget_remaining();
        self.timer.as_mut().poll(cx).is_ready()
    }
}
