//! The ids of rows and when they are said to have been admitted: neither goes back, so that their order is that of admission.

use std::{sync::Mutex, time::Duration};

use bitrouter_proto::account::RequestRowId;
use ulid::Ulid;

use super::locked;
use crate::{clock::Moment, secret::random_bytes};

/// A clock that was set back by more than this is believed.
const HELD_BACK: Duration = Duration::from_mins(5);

/// Makes ids.
#[derive(Debug)]
pub(crate) struct RowIds(Mutex<(Ulid, Moment)>);

impl RowIds {
    /// Goes on behind the newest row that there is.
    pub(crate) fn after(newest: Option<RequestRowId>, created_at: Moment) -> Self {
        Self(Mutex::new((newest.map_or(Ulid::nil(), RequestRowId::ulid), created_at)))
    }

    /// The id and the moment of a call that is admitted at `now`.
    pub(crate) fn next(&self, now: Moment) -> (RequestRowId, Moment) {
        let mut last = locked(&self.0);
        let (id, at) = *last;
        let at = if at.since(now) > HELD_BACK { now } else { now.max(at) };
        let millis = u64::try_from(now.millis()).unwrap_or(0).max(id.timestamp_ms());
        let next = if millis == id.timestamp_ms() { id.increment().ok() } else { None };
        // After 2^80 of one millisecond the next one begins.
        let millis = if millis == id.timestamp_ms() && next.is_none() { millis + 1 } else { millis };
        let id = next.unwrap_or_else(|| Ulid::from_parts(millis, u128::from_be_bytes(random_bytes())));
        *last = (id, at);
        (RequestRowId::new(id), at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Moment = Moment::from_millis(1_800_000_000_000);

    #[test]
    fn ids_go_up_whatever_the_clock_does() {
        let first = RequestRowId::new(Ulid::from_parts(1_800_000_000_000, u128::MAX));
        let ids = RowIds::after(Some(first), START);
        let minute = Duration::from_mins(1);
        let mut last = first;
        for now in [START, START, START.before(60 * minute), START.after(minute), START, START.after(2 * minute)] {
            for _ in 0..10 {
                let (id, _) = ids.next(now);
                assert!(id > last, "{id} after {last}");
                last = id;
            }
        }
    }

    #[test]
    fn admission_is_held_back_for_five_minutes_at_most() {
        let minute = Duration::from_mins(1);
        let ids = RowIds::after(None, START);
        for (now, said) in [
            (START.after(minute), START.after(minute)),
            (START.before(3 * minute), START.after(minute)),
            (START.before(10 * minute), START.before(10 * minute)),
            (START.before(9 * minute), START.before(9 * minute)),
        ] {
            assert_eq!(ids.next(now).1, said);
        }
    }
}
