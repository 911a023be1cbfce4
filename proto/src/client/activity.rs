//! The calls of `ActivityService`.

use tonic::Streaming;

use super::{
    Client, ClientError,
    calls::{MESSAGE_LIMIT, origin},
    distrust,
};
use crate::{
    activity::{Activity, ProgramActivity},
    wire::{self, activity_service_client::ActivityServiceClient},
};

/// What is shown again and again.
pub struct ActivityFeed {
    stream: Streaming<wire::WatchActivityResponse>,
}

impl Client {
    /// Which programs call which models, each second, or `once`.
    pub async fn activity(&self, once: bool) -> Result<ActivityFeed, ClientError> {
        self.same_protocol()?;
        let service = ActivityServiceClient::with_origin(self.channel.clone(), origin());
        let mut service = service.max_decoding_message_size(MESSAGE_LIMIT);
        let request = wire::WatchActivityRequest { once, interval_ms: None };
        Ok(ActivityFeed { stream: self.bounded(service.watch_activity(request)).await? })
    }
}

impl ActivityFeed {
    /// What there is to show now; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Activity>, ClientError> {
        let message = self.stream.message().await.map_err(|status| match ClientError::from_status(&status) {
            ClientError::Broken(_) => ClientError::Broken("the daemon ended without a word".to_owned()),
            error => error,
        })?;
        Ok(message.map(|message| shown(message.into())))
    }
}

/// The same as a terminal can show it: programs choose where they lie, and repositories what their branches are called.
fn shown(told: Activity) -> Activity {
    let row = |row: ProgramActivity| ProgramActivity {
        executable: row.executable.map(distrust::line),
        directory: row.directory.map(distrust::line),
        git_branch: row.git_branch.map(distrust::line),
        model: distrust::line(row.model),
        ..row
    };
    Activity { window_s: told.window_s, data: told.data.into_iter().map(row).collect() }
}
