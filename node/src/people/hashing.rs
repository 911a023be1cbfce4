//! At most two passwords are hashed at once, each with its 19 MiB; a short queue waits for them, and no address fills it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Semaphore;

use crate::http::AddressKey;

const AT_ONCE: usize = 2;
const QUEUE: usize = 32;
const QUEUE_OF_ONE: usize = 2;

/// There are too many before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked at this moment; try again in a few seconds")]
pub struct Busy;

/// Who hashes, who waits.
#[derive(Debug)]
pub(crate) struct Hashing {
    permits: Arc<Semaphore>,
    waiting: Mutex<BTreeMap<Option<AddressKey>, usize>>,
}

impl Default for Hashing {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(AT_ONCE)), waiting: Mutex::default() }
    }
}

/// A place in the queue, given up when dropped.
struct Place<'a>(&'a Hashing, Option<AddressKey>);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        if let Some(count) = waiting.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.1);
            }
        }
    }
}

impl Hashing {
    fn waiting(&self) -> MutexGuard<'_, BTreeMap<Option<AddressKey>, usize>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` in its turn; `address` is none where the control socket asks. What runs goes on though nobody waits for
    /// it any more, and its turn ends with it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        address: Option<AddressKey>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let place = self.enter(address)?;
                let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Busy)?;
                drop(place);
                permit
            }
        };
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        done.await.map_err(|_| Busy)
    }

    fn enter(&self, address: Option<AddressKey>) -> Result<Place<'_>, Busy> {
        let mut waiting = self.waiting();
        if waiting.values().sum::<usize>() >= QUEUE {
            return Err(Busy);
        }
        let count = waiting.entry(address).or_default();
        if address.is_some() && *count >= QUEUE_OF_ONE {
            return Err(Busy);
        }
        *count += 1;
        drop(waiting);
        Ok(Place(self, address))
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, sync::mpsc, task};

    use super::*;

    fn poll_once<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> task::Poll<T> {
        future.poll(&mut task::Context::from_waker(task::Waker::noop()))
    }

    #[tokio::test]
    async fn n20_two_at_once_two_waiting_an_address_and_a_turn_lasts_as_long_as_its_work() {
        let hashing = Hashing::default();
        let (go, wait) = mpsc::sync_channel::<()>(0);
        let wait = Arc::new(Mutex::new(wait));
        let held = || {
            let wait = Arc::clone(&wait);
            move || wait.lock().unwrap().recv().unwrap()
        };
        let one = Some(AddressKey::Uid(1));
        let mut running = [Box::pin(hashing.run(one, held())), Box::pin(hashing.run(one, held()))];
        assert!(running.iter_mut().all(|run| poll_once(run.as_mut()).is_pending()));
        let mut queued: Vec<_> = (0..2).map(|_| Box::pin(hashing.run(one, || 7))).collect();
        assert!(queued.iter_mut().all(|run| poll_once(run.as_mut()).is_pending()));
        assert_eq!(hashing.run(one, || 7).await, Err(Busy), "a third one of the same address");
        let mut others: Vec<_> = (2..32).map(|uid| Box::pin(hashing.run(Some(AddressKey::Uid(uid)), || 7))).collect();
        assert!(others.iter_mut().all(|run| poll_once(run.as_mut()).is_pending()));
        assert_eq!(hashing.run(Some(AddressKey::Uid(99)), || 7).await, Err(Busy), "a queue of 32 is full");
        // The callers hang up; what they began still holds its turn.
        drop((running, others));
        let mut late = pin!(hashing.run(Some(AddressKey::Uid(99)), || 8));
        assert!(poll_once(late.as_mut()).is_pending());
        go.send(()).unwrap();
        go.send(()).unwrap();
        for run in queued {
            assert_eq!(run.await, Ok(7));
        }
        assert_eq!(late.await, Ok(8));
        assert!(hashing.waiting().is_empty());
    }
}
