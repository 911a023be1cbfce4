//! Reads what a caller is still sending after it was refused, for a moment: a connection that is closed on unread
//! bytes is reset, and the caller would never see why.

use std::time::Duration;

use bitrouter_proto::tasks::Tasks;
use http_body_util::BodyExt as _;

use super::caller_body::CallerBody;

/// How long a refused body is read.
const LONGEST: Duration = Duration::from_secs(1);

/// Drops the rest of `body` as it arrives.
pub(super) fn drain(tasks: &Tasks, mut body: CallerBody) {
    tasks.spawn("drain a refused body", async move {
        let all = async { while let Some(Ok(_)) = body.frame().await {} };
        // After the bound the connection is closed under the caller.
        let _ = tokio::time::timeout(LONGEST, all).await;
    });
}
