//! The prices of one model over time: made once when its manifest is read, asked at each call.

use std::{sync::Arc, time::UNIX_EPOCH};

use bitrouter_proto::clock;

use super::ModelPrice;
use crate::registry::Pricing;

/// The prices of one model, each from an instant on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceSchedule {
    /// What holds before the first of the changes.
    first: Option<Arc<ModelPrice>>,
    /// From which second of the wall clock each later price holds, in rising order.
    changes: Box<[(i64, Option<Arc<ModelPrice>>)]>,
}

impl PriceSchedule {
    /// The prices that `pricing` states for now and for later.
    pub(crate) fn of(pricing: &Pricing) -> Self {
        let price = |pricing: &Pricing| ModelPrice::of(pricing).map(Arc::new);
        let changes = pricing.changes.iter().map(|change| (change.from.unix_seconds(), price(&change.pricing())));
        Self { first: price(pricing), changes: changes.collect() }
    }

    /// What costs nothing at any time.
    pub(crate) fn free() -> Self {
        Self { first: Some(Arc::new(ModelPrice::free())), changes: Box::default() }
    }

    /// The price that holds now; `None` where the model is unpriced.
    pub fn now(&self) -> Option<&Arc<ModelPrice>> {
        if self.changes.is_empty() {
            return self.first.as_ref();
        }
        self.at(unix_seconds())
    }

    fn at(&self, unix_seconds: i64) -> Option<&Arc<ModelPrice>> {
        let change = self.changes.iter().rev().find(|(from, _)| *from <= unix_seconds);
        change.map_or(self.first.as_ref(), |(_, price)| price.as_ref())
    }
}

/// The wall clock, in seconds since 1970.
pub(crate) fn unix_seconds() -> i64 {
    let since = clock::wall_now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Pricing;

    #[test]
    fn a_later_price_holds_from_its_instant_on() {
        let text = "
            input_tokens = { no_cache = 1.0 }
            output_tokens = { text = 2.0 }
            [[changes]]
            from = 2027-01-01
            input_tokens = { no_cache = 2.0 }
            output_tokens = { text = 4.0 }
            [[changes]]
            from = 2027-01-01T12:00:00+01:00
        ";
        let schedule = PriceSchedule::of(&toml::from_str::<Pricing>(text).unwrap());
        let document = |at| schedule.at(at).map(|price| price.document().to_owned());
        let new_year = 1_798_761_600;
        let first = r#"{"input_tokens":{"no_cache":1000000},"output_tokens":{"text":2000000}}"#;
        let second = r#"{"input_tokens":{"no_cache":2000000},"output_tokens":{"text":4000000}}"#;
        assert_eq!(document(i64::MIN).as_deref(), Some(first));
        assert_eq!(document(new_year - 1).as_deref(), Some(first));
        assert_eq!(document(new_year).as_deref(), Some(second));
        assert_eq!(document(new_year + 11 * 3600 - 1).as_deref(), Some(second));
        // A change that states nothing takes the price away.
        assert_eq!(document(new_year + 11 * 3600), None);
        // One value for all calls.
        assert!(Arc::ptr_eq(schedule.at(0).unwrap(), schedule.at(1).unwrap()));
        assert_eq!(PriceSchedule::default().now(), None);
        assert!(PriceSchedule::free().now().unwrap().is_free());
    }
}
