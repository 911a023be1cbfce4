//! `console`: a link that signs the node's owner in, and the browser that follows it.

use std::io::{IsTerminal as _, stderr};

use bitrouter_proto::codes::exit;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::{
    browser,
    context::Context,
    exit::{Failure, Status},
};

pub(super) fn run(context: &Context, no_open: bool) -> Result<Status, Failure> {
    let printer = context.printer;
    let (link, is_foreign) = context.block_on(async {
        let client = context.connect().await?;
        Ok((client.open_console().await?, client.is_foreign()))
    })?;
    let (url, seconds) = (link.url.expose_secret(), link.expires_in.as_secs());
    printer.json(&json!({ "url": url, "expires_in": seconds }))?;
    if printer.json {
        return Ok(Status(exit::OK));
    }
    let is_watched = printer.on_terminal && stderr().is_terminal();
    let was_opened = is_watched && !no_open && !is_foreign && link.is_bound && browser::open(&context.environment, url);
    let what = if was_opened { "opening the console in your browser; else this link" } else { "this link" };
    let whose = if link.is_bound { ", in a browser of yours" } else { "" };
    printer.stderr(&format!("{what} signs you in once, within {seconds} s{whose}:\n  {url}"));
    if !printer.on_terminal {
        printer.stdout(url)?;
    }
    Ok(Status(exit::OK))
}
