//! `logs`: the daemon's ring, followed on demand; and its level.

use bitrouter_proto::codes::exit;
use serde_json::json;

use super::{
    args::LogsArgs,
    reader::{ignore_hangups, reader_left},
};
use crate::{
    context::Context,
    exit::{Failure, Status},
    render::log_line,
};

pub(super) fn run(context: &Context, args: &LogsArgs) -> Result<Status, Failure> {
    if args.follow {
        ignore_hangups()?;
    }
    context.block_on(async {
        let client = context.connect().await?;
        if let Some(level) = &args.level {
            let previous = client.set_log_level(level).await?;
            context.printer.stderr(&format!("log level is now {level} (was {previous})"));
            if !args.follow {
                context.printer.json(&json!({ "level": level, "previous": previous }))?;
                return Ok(Status(exit::OK));
            }
        }
        let mut logs = client.logs(args.follow, args.tail).await?;
        let mut left = if args.follow { Some(reader_left()?) } else { None };
        loop {
            let (line, missed) = tokio::select! {
                next = logs.next() => match next? {
                    Some(next) => next,
                    None => break,
                },
                () = async {
                    match left.as_mut() {
                        // A sender that is gone says the same.
                        Some(left) => drop(left.await),
                        None => std::future::pending().await,
                    }
                } => break,
            };
            if missed > 0 {
                context.printer.stderr(&format!("({missed} lines were missed: this reader was slow)"));
            }
            context.printer.stdout_important(&shown(context, line))?;
        }
        Ok(Status(exit::OK))
    })
}

/// On a terminal a line is set for reading; elsewhere it is what the daemon wrote. Under `--json` a line that is not an
/// object itself becomes one.
fn shown(context: &Context, line: String) -> String {
    match context.printer {
        printer if printer.json && !line.starts_with('{') => json!({ "line": line }).to_string(),
        printer if !printer.json && printer.on_terminal => log_line(&line),
        _ => line,
    }
}
