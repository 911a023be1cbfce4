//! What clients have sent of messages that are not answered yet: bounded over all of them, so that many that are begun
//! and never finished cost no memory. A message of the size that any command sends is never refused for it.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tonic::Status;

/// Bytes of a message that are not counted: more than any command of ours sends.
const UNCOUNTED: usize = 16 * 1024;
/// Bytes beyond those that all unfinished messages together may have: four of the longest.
const SHARED: usize = 16 * 1024 * 1024;

/// What all messages together hold beyond what is free. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub(in crate::control) struct InboundBodyBudget(Arc<AtomicUsize>);

impl InboundBodyBudget {
    /// Counts `body` while it arrives and until it is dropped.
    pub(in crate::control) fn count(&self, body: Incoming) -> CountedBody<Incoming> {
        CountedBody { body, all: self.clone(), seen: 0, counted: 0 }
    }

    /// Takes room for `bytes` more; false where there is none.
    fn take(&self, bytes: usize) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |held| held.checked_add(bytes).filter(|held| *held <= SHARED)).is_ok()
    }
}

/// A message on its way in.
#[derive(Debug)]
pub(in crate::control) struct CountedBody<B> {
    body: B,
    all: InboundBodyBudget,
    seen: usize,
    counted: usize,
}

impl<B> CountedBody<B> {
    /// Notes that `bytes` arrived; false where there is no room for them.
    fn arrived(&mut self, bytes: usize) -> bool {
        self.seen = self.seen.saturating_add(bytes);
        let beyond = self.seen.saturating_sub(UNCOUNTED) - self.counted;
        let fits = self.all.take(beyond);
        self.counted += if fits { beyond } else { 0 };
        fits
    }
}

impl<B> Drop for CountedBody<B> {
    fn drop(&mut self) {
        self.all.0.fetch_sub(self.counted, Relaxed);
    }
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> Body for CountedBody<B> {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else { return Poll::Ready(None) };
        let frame = frame?;
        let length = frame.data_ref().map_or(0, Bytes::len);
        Poll::Ready(Some(if self.arrived(length) {
            Ok(frame)
        } else {
            Err(Status::resource_exhausted("too many long messages are being sent at the same time").into())
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_share_a_bound_and_short_ones_always_fit() {
        let all = InboundBodyBudget::default();
        let message = || CountedBody { body: (), all: all.clone(), seen: 0, counted: 0 };
        let mut held = Vec::new();
        loop {
            let mut long = message();
            if !(0..64).all(|_| long.arrived(64 * 1024)) {
                break;
            }
            held.push(long);
        }
        assert_eq!(held.len(), SHARED / (64 * 64 * 1024 - UNCOUNTED));
        let mut short = message();
        assert!(short.arrived(UNCOUNTED - 1) && short.arrived(1) && !short.arrived(SHARED));
        drop(held);
        let mut again = message();
        assert!(again.arrived(SHARED + UNCOUNTED) && !again.arrived(1));
        drop((again, short));
        assert_eq!(all.0.load(Relaxed), 0);
    }
}
