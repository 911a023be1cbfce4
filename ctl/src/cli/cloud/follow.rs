//! `cloud requests --follow`: calls as they come and as they change, through servers and daemons that go away and come back.

use std::time::Duration;

use bitrouter_proto::{
    client::{Begin, CallEvent, CallEvents, ClientError, Rows},
    clock,
    codes::{Reason, exit},
};
use tokio::sync::oneshot;

use super::{
    call_text::{COLUMNS, cells},
    requests::VERB,
    target::Target,
};
use crate::{
    cli::reader::{ignore_hangups, reader_left},
    context::Context,
    exit::{Failure, Status},
    render::{Layout, Shown},
};

/// How long a daemon that ended is waited for: one that is restarted is there again in a moment.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is looked for.
const AGAIN: Duration = Duration::from_millis(300);

pub(super) fn run(context: &Context, target: &Target, newest: Option<u32>, wide: bool) -> Result<Status, Failure> {
    if let Some(ended) = target.start(context, VERB)? {
        return Ok(ended);
    }
    ignore_hangups()?;
    context.block_on(async {
        let mut left = reader_left()?;
        let mut reader = Reader::new(context, wide);
        let mut begin = first(context, target, newest).await?;
        let mut events = follow(context, target, begin).await?;
        loop {
            let ended = tokio::select! {
                ended = reader.read(&mut events) => ended?,
                // A sender that is gone says the same.
                _ = &mut left => return Ok(Status(exit::OK)),
            };
            if let Some(seq) = reader.seq {
                begin = Begin::After(seq);
            }
            reader.note(&format!("{ended}; trying again"));
            events = match again(context, target, begin, &mut left).await? {
                Some(events) => events,
                None => return Ok(Status(exit::OK)),
            };
            reader.note("it answers again");
        }
    })
}

/// Where to begin. Whoever wants none of those that are there begins behind them by their place, which is known then, whatever
/// comes and goes before the first one is shown.
async fn first(context: &Context, target: &Target, newest: Option<u32>) -> Result<Begin, Failure> {
    if newest != Some(0) {
        return Ok(Begin::Newest(newest));
    }
    let (client, asked) = target.connect(context).await?;
    let rows = client.list_calls(&asked, Rows { limit: Some(1), offset: None }).await?;
    Ok(Begin::After(rows.read.data.iter().map(|row| row.seq).max().unwrap_or(0)))
}

async fn follow(context: &Context, target: &Target, begin: Begin) -> Result<CallEvents, Failure> {
    let (client, asked) = target.connect(context).await?;
    Ok(client.follow_calls(&asked, begin).await?)
}

/// Follows on at a daemon that is there again; `None` where the reader left meanwhile.
async fn again(
    context: &Context,
    target: &Target,
    begin: Begin,
    left: &mut oneshot::Receiver<()>,
) -> Result<Option<CallEvents>, Failure> {
    let until = clock::after(PATIENCE);
    loop {
        let why = match follow(context, target, begin).await {
            Ok(events) => return Ok(Some(events)),
            Err(why) => why,
        };
        // What the caller has to mend is not waited for.
        if why.exit == exit::CALLER || clock::monotonic_now() >= until {
            return Err(why);
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            _ = &mut *left => return Ok(None),
        }
    }
}

/// What was shown so far.
struct Reader<'c> {
    context: &'c Context,
    shown: Shown,
    layout: Layout,
    has_heading: bool,
    /// The place of the last call that was shown.
    seq: Option<i64>,
}

impl<'c> Reader<'c> {
    fn new(context: &'c Context, wide: bool) -> Self {
        let shown = context.printer.table(wide);
        Self { context, shown, layout: Layout::usual(&COLUMNS, shown), has_heading: false, seq: None }
    }

    /// Shows what comes until the daemon ends. Answers how it ended.
    async fn read(&mut self, events: &mut CallEvents) -> Result<String, Failure> {
        loop {
            match events.next().await {
                Ok(Some(event)) => self.show(event)?,
                Ok(None) => return Ok("the daemon ended".to_owned()),
                Err(error @ ClientError::Broken(_)) => return Ok(error.to_string()),
                Err(ClientError::Refused(refusal)) if refusal.reason == Reason::Draining => return Ok(refusal.message),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn show(&mut self, event: CallEvent) -> Result<(), Failure> {
        let printer = self.context.printer;
        match event {
            CallEvent::Row(told) => {
                self.seq = Some(self.seq.map_or(told.read.seq, |seq| seq.max(told.read.seq)));
                printer.document(&told.json)?;
                if !std::mem::replace(&mut self.has_heading, true)
                    && let Some(heading) = self.layout.heading()
                {
                    printer.stdout(&heading)?;
                }
                printer.stdout(&self.layout.line(&cells(&told.read, self.shown)))?;
            }
            CallEvent::Trouble(reason) => self.note(&format!("{reason}; trying again")),
            CallEvent::Resumed => self.note("it answers again"),
        }
        Ok(())
    }

    fn note(&self, text: &str) {
        self.context.printer.stderr(&format!("note: {text}"));
    }
}
