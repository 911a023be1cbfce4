//! What is shown of the calls: sums by program and model.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bitrouter_gateway::registry::ProviderId;
use bitrouter_proto::{
    account::MicroUsd,
    activity::{Activity, ProgramActivity},
};

use super::{CallingConnection, EndedCall, Running, owner::Owner};

/// More rows than these nobody reads.
const MOST: usize = 500;

/// Sums, by the program that calls and the model that it calls.
#[derive(Debug, Default)]
pub(super) struct Calls(BTreeMap<(Option<Owner>, String), Sum>);

#[derive(Debug, Default)]
struct Sum {
    requests: u64,
    tokens_in: u64,
    tokens_out: u64,
    cost: Option<MicroUsd>,
    /// When calls ran whose tokens are counted.
    ran: Vec<(Instant, Instant)>,
}

impl Calls {
    /// A call that ended.
    pub(super) fn add_ended(&mut self, call: &EndedCall) {
        let sum = self.sum(&call.connection, call.provider.as_ref(), &call.model);
        sum.requests += 1;
        sum.count((call.tokens_in, call.tokens_out), (call.began, call.ended));
        if let Some(cost) = call.cost {
            sum.cost = Some(sum.cost.unwrap_or_default().plus(cost));
        }
    }

    /// A call that runs. What it costs is known when it has ended.
    pub(super) fn add_running(&mut self, connection: &CallingConnection, running: &Running, now: Instant) {
        let told = connection.told();
        let sum = self.sum(connection, Some(&running.provider), &running.model);
        sum.requests += 1;
        if let Some(tokens) = told {
            sum.count(tokens, (running.began, now));
        }
    }

    fn sum(&mut self, connection: &CallingConnection, provider: Option<&ProviderId>, model: &str) -> &mut Sum {
        let model = provider.map_or_else(|| model.to_owned(), |provider| format!("{provider}/{model}"));
        self.0.entry((connection.owner().cloned(), model)).or_default()
    }

    /// What is shown, the busiest first.
    pub(super) fn shown(self, window: Duration) -> Activity {
        let row = |((owner, model), sum): ((Option<Owner>, String), Sum)| {
            let Owner { pid, executable, directory, git_branch } = owner.clone().unwrap_or_default();
            let (cost_micro_usd, tokens) = (sum.cost, (sum.tokens_in, sum.tokens_out));
            ProgramActivity {
                pid: owner.map(|_| pid),
                executable,
                directory,
                git_branch,
                model,
                requests: sum.requests,
                tokens_in: tokens.0,
                tokens_out: tokens.1,
                tokens_per_second: sum.pace(),
                cost_micro_usd,
            }
        };
        let mut data: Vec<ProgramActivity> = self.0.into_iter().map(row).collect();
        data.sort_by_key(|row| std::cmp::Reverse((row.tokens_in.saturating_add(row.tokens_out), row.requests)));
        data.truncate(MOST);
        Activity { window_s: window.as_secs().max(1), data }
    }
}

impl Sum {
    fn count(&mut self, (tokens_in, tokens_out): (u64, u64), ran: (Instant, Instant)) {
        self.tokens_in = self.tokens_in.saturating_add(tokens_in);
        self.tokens_out = self.tokens_out.saturating_add(tokens_out);
        self.ran.push(ran);
    }

    /// Tokens that came out, by the seconds in which any of the calls ran; to a tenth.
    fn pace(mut self) -> f64 {
        self.ran.sort();
        let (mut time, mut until) = (Duration::ZERO, None);
        for (began, ended) in self.ran {
            let from = until.map_or(began, |until: Instant| until.max(began));
            time += ended.saturating_duration_since(from);
            until = Some(until.map_or(ended, |until| until.max(ended)));
        }
        // Nothing is quicker than its time can be told.
        let seconds = time.max(Duration::from_millis(1)).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a pace is told to a tenth")]
        let pace = self.tokens_out as f64 / seconds;
        (pace * 10.0).round() / 10.0
    }
}

#[cfg(test)]
mod tests {
    use bitrouter_proto::clock;

    use super::*;

    #[test]
    fn the_pace_counts_the_time_in_which_anything_ran() {
        let begin = clock::monotonic_now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        for (ran, pace) in [
            (vec![(0, 10)], 10.0),
            (vec![(0, 10), (0, 10)], 10.0),
            (vec![(0, 5), (20, 25)], 10.0),
            (vec![(0, 10), (5, 20)], 5.0),
            (vec![(5, 20), (0, 10), (6, 7)], 5.0),
        ] {
            let ran = ran.into_iter().map(|(from, to)| (at(from), at(to))).collect();
            let sum = Sum { tokens_out: 100, ran, ..Sum::default() };
            assert!((sum.pace() - pace).abs() < 0.05, "{pace}");
        }
        assert!(Sum { tokens_out: 1, ..Sum::default() }.pace().is_finite());
        assert!(Sum::default().pace().abs() < f64::EPSILON);
    }
}
