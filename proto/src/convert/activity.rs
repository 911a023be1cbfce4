//! `activity.proto`: who calls what.

use crate::{
    account::MicroUsd,
    activity::{Activity, ProgramActivity},
    wire,
};

impl From<Activity> for wire::WatchActivityResponse {
    fn from(activity: Activity) -> Self {
        Self { window_s: activity.window_s, data: activity.data.into_iter().map(Into::into).collect() }
    }
}

impl From<wire::WatchActivityResponse> for Activity {
    fn from(message: wire::WatchActivityResponse) -> Self {
        Self { window_s: message.window_s, data: message.data.into_iter().map(Into::into).collect() }
    }
}

impl From<ProgramActivity> for wire::ProgramActivity {
    fn from(row: ProgramActivity) -> Self {
        Self {
            pid: row.pid,
            executable: row.executable,
            directory: row.directory,
            git_branch: row.git_branch,
            model: row.model,
            requests: row.requests,
            tokens_in: row.tokens_in,
            tokens_out: row.tokens_out,
            tokens_per_second: row.tokens_per_second,
            cost_micro_usd: row.cost_micro_usd.map(MicroUsd::micros),
        }
    }
}

impl From<wire::ProgramActivity> for ProgramActivity {
    fn from(message: wire::ProgramActivity) -> Self {
        Self {
            pid: message.pid,
            executable: message.executable,
            directory: message.directory,
            git_branch: message.git_branch,
            model: message.model,
            requests: message.requests,
            tokens_in: message.tokens_in,
            tokens_out: message.tokens_out,
            tokens_per_second: message.tokens_per_second,
            cost_micro_usd: message.cost_micro_usd.map(MicroUsd::new),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_survives_the_wire() {
        let row = ProgramActivity {
            pid: Some(7),
            executable: Some("/usr/bin/python3".to_owned()),
            directory: Some("/d".to_owned()),
            git_branch: None,
            model: "demo/echo".to_owned(),
            requests: 2,
            tokens_in: 3,
            tokens_out: 5,
            tokens_per_second: 1.5,
            cost_micro_usd: Some(MicroUsd::new(11)),
        };
        let activity = Activity { window_s: 60, data: vec![row] };
        let there: wire::WatchActivityResponse = activity.clone().into();
        assert_eq!(Activity::from(there), activity);
        let json = serde_json::to_string(&activity).unwrap();
        let expected = concat!(
            r#"{"window_s":60,"data":[{"pid":7,"executable":"/usr/bin/python3","directory":"/d","git_branch":null,"#,
            r#""model":"demo/echo","requests":2,"tokens_in":3,"tokens_out":5,"tokens_per_second":1.5,"cost_micro_usd":11}]}"#
        );
        assert_eq!(json, expected);
    }
}
