//! Calls as they come and change: `requests?after=<seq>`, asked again each second of a far server, and of the own node
//! whenever its ledger has something new.

use std::{collections::VecDeque, time::Duration};

use bitrouter_proto::{
    account::ledger::{Page, ToldRequestRow},
    codes::Reason,
    wire::{FollowCallsResponse, FollowResumed, FollowTrouble, FollowedCall, follow_calls_response::Event},
};
use futures_util::{Stream, stream};
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic_types::StatusExt as _;

use super::{asking::Source, error, node_call::node};
use crate::credentials::RestPath;

/// How many of the newest calls come first where nobody says.
const NEWEST: u32 = 10;
/// The most rows of a page: what every server takes.
const PAGE: u32 = 100;
/// How often a far server is asked.
const PAUSE: Duration = Duration::from_secs(1);
/// How long after a failure a server is asked again; it doubles up to the longest.
const SHORTEST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// Somebody who follows.
pub(super) struct Following {
    source: Source,
    /// The place up to which everything was told.
    after: i64,
    /// What waits for the reader.
    ready: VecDeque<Event>,
    /// The last page was full: there is more at once.
    has_more: bool,
    /// How long the server is left alone, since it does not answer.
    backoff: Option<Duration>,
    /// Told of what is new in the own node, where that is followed.
    applied: Option<watch::Receiver<i64>>,
}

impl Following {
    /// Asks for the first rows: what stands behind `after`, else the `newest`.
    ///
    /// # Errors
    /// Where the server says no, or cannot be asked.
    pub(super) async fn begin(source: Source, newest: Option<u32>, after: Option<i64>) -> Result<Self, Status> {
        let mut following = Self {
            source,
            after: after.unwrap_or_default(),
            ready: VecDeque::new(),
            has_more: true,
            backoff: None,
            applied: None,
        };
        following.watch_node().await?;
        if after.is_some() {
            following.ask().await?;
        } else {
            following.first(newest.unwrap_or(NEWEST).min(PAGE)).await?;
        }
        Ok(following)
    }

    /// The newest rows, the oldest of them first.
    async fn first(&mut self, newest: u32) -> Result<(), Status> {
        // One row at least, so that the place is known from which it goes on.
        let path = RestPath::in_namespace("/requests").with("limit", Some(newest.max(1)));
        let mut rows = rows_of(&self.source, &path).await?;
        rows.truncate(newest.max(1) as usize);
        self.after = rows.iter().map(|(row, _)| row.seq).max().unwrap_or_default();
        if newest > 0 {
            // By admission, as the list shows them.
            self.ready.extend(rows.into_iter().rev().map(followed));
        }
        self.has_more = false;
        Ok(())
    }

    /// What stands behind the place up to which everything was told.
    async fn ask(&mut self) -> Result<(), Status> {
        let path = RestPath::in_namespace("/requests").with("after", Some(self.after)).with("limit", Some(PAGE));
        let mut rows = rows_of(&self.source, &path).await?;
        // A server that does not know the parameter answers the newest rows again.
        rows.retain(|(row, _)| row.seq > self.after);
        rows.sort_by_key(|(row, _)| row.seq);
        self.has_more = rows.len() >= PAGE as usize;
        if let Some((last, _)) = rows.last() {
            self.after = last.seq;
        }
        if self.backoff.take().is_some() {
            self.ready.push_back(Event::Resumed(FollowResumed {}));
        }
        self.ready.extend(rows.into_iter().map(followed));
        Ok(())
    }

    /// The next event.
    ///
    /// # Errors
    /// Where there will be no more.
    async fn next(&mut self) -> Result<Event, Status> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            if let Some(backoff) = self.backoff {
                tokio::time::sleep(backoff).await;
            } else if !self.has_more {
                self.something_new().await;
            }
            let asked = match self.watch_node().await {
                Ok(()) => self.ask().await,
                Err(status) => Err(status),
            };
            match asked {
                Ok(()) => {}
                Err(status) if may_pass(&status) => {
                    let is_first = self.backoff.is_none();
                    let longer = self.backoff.map_or(SHORTEST_BACKOFF, |backoff| backoff * 2);
                    self.backoff = Some(longer.min(LONGEST_BACKOFF));
                    if is_first {
                        let reason = status.message().to_owned();
                        self.ready.push_back(Event::Trouble(FollowTrouble { reason }));
                    }
                }
                Err(status) => return Err(status),
            }
        }
    }

    /// Waits until there may be something new.
    async fn something_new(&mut self) {
        match &mut self.applied {
            // The node ended: the next question says so.
            Some(applied) => drop(applied.changed().await),
            None => tokio::time::sleep(PAUSE).await,
        }
    }

    /// Marks what the own node has by now as seen, before it is asked: nothing that comes later is slept over.
    async fn watch_node(&mut self) -> Result<(), Status> {
        if let Some(host) = self.source.own_node() {
            let applied = node(host).await?.ledger().applied();
            self.applied = Some(applied);
        }
        Ok(())
    }
}

/// A row, and how the server wrote it, on one line.
type Row = (ToldRequestRow, String);

async fn rows_of(source: &Source, path: &RestPath) -> Result<Vec<Row>, Status> {
    let (page, _) = source.read::<Page<Box<RawValue>>>(path, "list of calls").await?;
    let rows: Result<Vec<Row>, _> = page.data.into_iter().map(row).collect();
    let rows = rows.map_err(|_| source.unreadable("list of calls"))?;
    if rows.iter().any(|(row, _)| row.seq <= 0) {
        let message = "the server does not number the changes of its calls (`seq`), so that they cannot be followed";
        return Err(error::status(Reason::ServerRefused, message, Some("bitrouter cloud requests")));
    }
    Ok(rows)
}

fn row(raw: Box<RawValue>) -> serde_json::Result<Row> {
    let text = String::from(Box::<str>::from(raw));
    // Between values only: no string of JSON holds one of them as it is.
    let line = if text.contains(['\n', '\r', '\t']) { text.replace(['\n', '\r', '\t'], " ") } else { text };
    Ok((serde_json::from_str(&line)?, line))
}

fn followed((row, json): Row) -> Event {
    Event::Followed(FollowedCall { call: Some(row.into()), json })
}

/// True for what ends by itself: a server that fails, is away, or has enough for now.
fn may_pass(status: &Status) -> bool {
    let Some(info) = status.get_details_error_info() else { return false };
    let is_busy = info.metadata.get("status").is_some_and(|status| status == "429");
    let reason = Reason::parse(&info.reason);
    is_busy || matches!(reason, Some(Reason::ServerUnreachable | Reason::ServerFailed | Reason::NodeOff))
}

/// The events as the client takes them, until the daemon closes or they cannot go on.
pub(super) fn events(
    following: Following,
    closing: CancellationToken,
) -> impl Stream<Item = Result<FollowCallsResponse, Status>> {
    stream::unfold(Some((following, closing)), async |state| {
        let (mut following, closing) = state?;
        let next = tokio::select! {
            biased;
            () = closing.cancelled() => return None,
            next = following.next() => next,
        };
        let goes_on = next.is_ok();
        let message = next.map(|event| FollowCallsResponse { event: Some(event) });
        Some((message, goes_on.then_some((following, closing))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_stays_what_the_server_wrote_on_one_line() {
        let json = "{\n\t\"id\": \"x\", \"seq\": 7, \"cost\": 1.50, \"a\\tb\": [1]\r\n}";
        let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
        let (read, line) = row(raw).unwrap();
        assert_eq!((read.id.as_str(), read.seq), ("x", 7));
        assert_eq!(line, "{  \"id\": \"x\", \"seq\": 7, \"cost\": 1.50, \"a\\tb\": [1]  }");
    }

    #[test]
    fn what_ends_by_itself_is_waited_for_and_nothing_else() {
        let said = |reason, status: &str| error::status_with(reason, "x", [("status", status.to_owned())]);
        for (status, expected) in [
            (said(Reason::ServerFailed, "503"), true),
            (said(Reason::ServerUnreachable, ""), true),
            (said(Reason::NodeOff, ""), true),
            (said(Reason::ServerRefused, "429"), true),
            (said(Reason::ServerRefused, "403"), false),
            (said(Reason::SessionEnded, "401"), false),
            (said(Reason::NotSignedIn, ""), false),
            (Status::internal("x"), false),
        ] {
            assert_eq!(may_pass(&status), expected, "{status:?}");
        }
    }
}
