//! The calls of `UsageService`.

use tonic::Streaming;

use super::{
    Client, ClientError,
    account::REMOTE,
    asked::{Asked, Told},
    calls::{MESSAGE_LIMIT, origin, refused},
    channel::Channel,
    distrust,
};
use crate::{
    account::ledger::{Page, ToldRequestRow, Usage},
    wire::{self, follow_calls_response::Event, usage_service_client::UsageServiceClient},
};

/// A window; what is `None` is as the server likes: the last 30 days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// RFC 3339, inclusive.
    pub from: Option<String>,
    /// RFC 3339, exclusive.
    pub to: Option<String>,
}

/// Which rows of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// The most of them.
    pub limit: Option<u64>,
    /// So many of the newest are left out.
    pub offset: Option<u64>,
}

/// Where following calls begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// With so many of the newest; `None`: a few.
    Newest(Option<u32>),
    /// Behind this place in the order of changes.
    After(i64),
}

/// What happens while calls are followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEvent {
    /// A call came or changed. Its JSON is on one line.
    Row(Box<Told<ToldRequestRow>>),
    /// The server does not answer; it is asked again, and nothing is missed.
    Trouble(String),
    /// It answers again.
    Resumed,
}

/// Calls as they come. Dropping it ends it.
pub struct CallEvents {
    stream: Streaming<wire::FollowCallsResponse>,
    is_foreign: bool,
}

impl Client {
    /// Sums of a window.
    pub async fn usage(&self, asked: &Asked, window: &Window) -> Result<Told<Usage>, ClientError> {
        self.same_protocol()?;
        let Window { from, to } = window.clone();
        let (from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
        let request = wire::GetUsageRequest { asked: Some(asked.into()), from, to };
        let told = self.bounded_by(REMOTE, self.usage_service().get_usage(request)).await?;
        let read = distrust::usage(told.usage.unwrap_or_default());
        Ok(Told { read, json: distrust::document(&told.json)? })
    }

    /// A page of calls, the newest first.
    pub async fn list_calls(&self, asked: &Asked, rows: Rows) -> Result<Told<Page<ToldRequestRow>>, ClientError> {
        self.same_protocol()?;
        let request = wire::ListCallsRequest { asked: Some(asked.into()), limit: rows.limit, offset: rows.offset };
        let told = self.bounded_by(REMOTE, self.usage_service().list_calls(request)).await?;
        let read = Page {
            data: told.calls.into_iter().map(distrust::call).collect(),
            limit: told.limit,
            offset: told.offset,
            next_cursor: (!told.next_cursor.is_empty()).then(|| distrust::line(told.next_cursor)),
        };
        Ok(Told { read, json: distrust::document(&told.json)? })
    }

    /// One call, by the id of its row.
    pub async fn call(&self, asked: &Asked, id: &str) -> Result<Told<ToldRequestRow>, ClientError> {
        self.same_protocol()?;
        let request = wire::GetCallRequest { asked: Some(asked.into()), id: id.to_owned() };
        let told = self.bounded_by(REMOTE, self.usage_service().get_call(request)).await?;
        let read = distrust::call(told.call.unwrap_or_default());
        Ok(Told { read, json: distrust::document(&told.json)? })
    }

    /// Begins to follow calls.
    pub async fn follow_calls(&self, asked: &Asked, begin: Begin) -> Result<CallEvents, ClientError> {
        self.same_protocol()?;
        let (newest, after) = match begin {
            Begin::Newest(newest) => (newest, None),
            Begin::After(seq) => (None, Some(seq)),
        };
        let request = wire::FollowCallsRequest { asked: Some(asked.into()), newest, after };
        let stream = self.bounded_by(REMOTE, self.usage_service().follow_calls(request)).await?;
        Ok(CallEvents { stream, is_foreign: self.is_foreign() })
    }

    fn usage_service(&self) -> UsageServiceClient<Channel> {
        UsageServiceClient::with_origin(self.channel.clone(), origin()).max_decoding_message_size(MESSAGE_LIMIT)
    }
}

impl CallEvents {
    /// The next one; `None` where the daemon ended.
    ///
    /// # Errors
    /// Why there are no more.
    pub async fn next(&mut self) -> Result<Option<CallEvent>, ClientError> {
        loop {
            let message = self.stream.message().await.map_err(|status| refused(&status, self.is_foreign))?;
            let Some(message) = message else { return Ok(None) };
            // What a newer daemon tells besides is passed over.
            if let Some(event) = message.event {
                return CallEvent::of(event).map(Some);
            }
        }
    }
}

impl CallEvent {
    fn of(event: Event) -> Result<Self, ClientError> {
        Ok(match event {
            Event::Followed(followed) => Self::Row(Box::new(Told {
                read: distrust::call(followed.call.unwrap_or_default()),
                json: distrust::document(&followed.json)?.replace('\n', " "),
            })),
            Event::Trouble(trouble) => Self::Trouble(distrust::line(trouble.reason)),
            Event::Resumed(_) => Self::Resumed,
        })
    }
}
