//! `cloud requests`: a page of calls, one of them in full, or all as they come.

use std::ops::ControlFlow;

use bitrouter_proto::{
    client::{Asked, Client, Rows},
    codes::exit,
};
use clap::Args;

use super::{
    call_text::{COLUMNS, cells, full_text},
    follow,
    pages::PageFlags,
    target::Target,
};
use crate::{
    context::Context,
    exit::{Failure, Status},
    render::table_text,
};

/// What the command is called where a daemon is started for it.
pub(super) const VERB: &str = "cloud requests";

#[derive(Args, Debug)]
pub(in crate::cli) struct RequestsArgs {
    /// Show this one in full
    #[arg(value_name = "ID", conflicts_with_all = ["limit", "offset", "follow", "wide"])]
    id: Option<String>,

    #[command(flatten)]
    page: PageFlags,

    /// Go on with calls as they come and as they change; `--limit` says how many come first [default: 10]
    #[arg(short, long, conflicts_with = "offset")]
    follow: bool,

    #[command(flatten)]
    target: Target,
}

pub(super) fn run(context: &Context, args: &RequestsArgs) -> Result<Status, Failure> {
    match &args.id {
        Some(id) => one(context, args, id),
        None if args.follow => follow::run(context, &args.target, args.page.newest(), args.page.wide),
        None => page(context, args),
    }
}

fn one(context: &Context, args: &RequestsArgs, id: &str) -> Result<Status, Failure> {
    let call = async |client: &Client, asked: &Asked| client.call(asked, id).await;
    args.target.show(context, VERB, call, |row| full_text(row, context.local_time().as_ref()))
}

fn page(context: &Context, args: &RequestsArgs) -> Result<Status, Failure> {
    let rows: Rows = args.page.rows();
    let asked = args.target.ask(context, VERB, async |client, asked| client.list_calls(asked, rows).await)?;
    let told = match asked {
        ControlFlow::Continue(told) => told,
        ControlFlow::Break(ended) => return Ok(ended),
    };
    let printer = context.printer;
    printer.document(&told.json)?;
    let shown = printer.table(args.page.wide);
    let rows: Vec<_> = told.read.data.iter().map(|row| cells(row, shown)).collect();
    printer.rows(&table_text(&COLUMNS, &rows, shown), "no requests")?;
    args.page.note_more(printer, VERB, &args.target.local.words(), &told.read);
    Ok(Status(exit::OK))
}
