//! What the calls of the last days came to that succeeded, where the server has no such sum: its list of calls is read, the
//! newest first, to the end of the days.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use bitrouter_proto::{
    account::{
        CallStatus, Dollars, MicroUsd,
        everyday::UsageOfDays,
        ledger::{Page, ToldRequestRow},
    },
    clock,
    codes::Reason,
};
use tonic::Status;

use super::super::{asking::Source, error};
use crate::credentials::RestPath;

/// The most rows of a page: what every server takes.
const PAGE: u64 = 100;
/// How long the list may be read: the client waits for a minute.
const READING: Duration = Duration::from_secs(50);
const DAY: Duration = Duration::from_hours(24);

/// Sums calls that succeeded, each once.
struct Summed {
    since: SystemTime,
    usage: UsageOfDays,
    /// A call that comes moves the others to the next page of a list that is read by number.
    seen: HashSet<String>,
}

impl Summed {
    fn new(days: u32, now: SystemTime) -> Self {
        let span = DAY.saturating_mul(days);
        Self {
            since: now.checked_sub(span).unwrap_or(SystemTime::UNIX_EPOCH),
            usage: UsageOfDays {
                range_days: days,
                total_requests: 0,
                total_tokens_in: 0,
                total_tokens_out: 0,
                total_cost_usd: Dollars::default(),
            },
            seen: HashSet::new(),
        }
    }

    /// Takes a page; false where what follows is older than the days.
    fn take(&mut self, rows: Vec<ToldRequestRow>) -> bool {
        let usage = &mut self.usage;
        let before = std::mem::take(&mut self.seen);
        for row in rows {
            if clock::parse_rfc3339(&row.created_at).is_some_and(|at| at < self.since) {
                return false;
            }
            if row.status == CallStatus::Succeeded.as_str() && !before.contains(&row.id) {
                usage.total_requests = usage.total_requests.saturating_add(1);
                usage.total_tokens_in = usage.total_tokens_in.saturating_add(row.prompt_tokens);
                usage.total_tokens_out = usage.total_tokens_out.saturating_add(row.completion_tokens);
                let cost = row.cost_micro_usd.or(row.final_charge_micro_usd).unwrap_or(MicroUsd::ZERO);
                usage.total_cost_usd = Dollars(usage.total_cost_usd.0.plus(cost));
            }
            self.seen.insert(row.id);
        }
        true
    }
}

pub(super) async fn usage(source: &Source, days: u32) -> Result<UsageOfDays, Status> {
    let mut summed = Summed::new(days, clock::wall_now());
    let (mut offset, mut cursor) = (0, None::<String>);
    let until = clock::after(READING);
    loop {
        let by_number = (offset > 0 && cursor.is_none()).then_some(offset);
        let path = RestPath::in_namespace("/requests").with("limit", Some(PAGE));
        let path = path.with("offset", by_number).with("cursor", cursor.take());
        let (page, _) = source.read::<Page<ToldRequestRow>>(&path, "list of calls").await?;
        let count = u64::try_from(page.data.len()).unwrap_or(PAGE);
        let goes_on = summed.take(page.data);
        if !goes_on || count == 0 || (count < PAGE && page.next_cursor.is_none()) {
            return Ok(summed.usage);
        }
        if clock::monotonic_now() >= until {
            let message = format!("there are more calls in {days} days than can be summed in time; ask for fewer days");
            return Err(error::status(Reason::LimitReached, message, None));
        }
        (offset, cursor) = (offset + count, page.next_cursor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, status: &str, at: &str, more: &str) -> ToldRequestRow {
        serde_json::from_str(&format!(
            r#"{{"id":"{id}","status":"{status}","created_at":"{at}","prompt_tokens":10,"completion_tokens":2{more}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn only_successes_of_the_days_count_and_each_once() {
        let now = clock::parse_rfc3339("2026-06-10T00:00:00Z").unwrap();
        let mut summed = Summed::new(2, now);
        let day = "2026-06-09T12:00:00Z";
        assert!(summed.take(vec![
            row("1", "succeeded", day, r#","cost_micro_usd":1500,"final_charge_micro_usd":0"#),
            row("2", "failed", day, r#","cost_micro_usd":7"#),
            row("3", "cancelled", day, ""),
            row("4", "succeeded", day, r#","final_charge_micro_usd":250"#),
        ]));
        assert!(!summed.take(vec![
            row("4", "succeeded", day, r#","final_charge_micro_usd":250"#),
            row("5", "succeeded", "2026-06-08T00:00:00Z", ""),
            row("6", "succeeded", "2026-06-07T23:59:59Z", r#","cost_micro_usd":9"#),
            row("7", "succeeded", "2026-06-01T00:00:00Z", r#","cost_micro_usd":9"#),
        ]));
        let usage = serde_json::to_value(&summed.usage).unwrap();
        assert_eq!(
            usage,
            serde_json::json!({
                "range_days": 2, "total_requests": 3, "total_tokens_in": 30, "total_tokens_out": 6,
                "total_cost_usd": "0.00175",
            })
        );
    }
}
