//! `--limit`, `--offset` and `--wide`: which rows of a long list, and how they are shown.

use bitrouter_proto::{account::ledger::Page, client::Rows};
use clap::Args;

use crate::{cli::misuse::misused, exit::Failure, render::Printer};

#[derive(Args, Debug)]
pub(in crate::cli) struct PageFlags {
    /// The most rows, 1 to 100 [default: 25]
    #[arg(long, value_name = "ROWS", value_parser = number)]
    limit: Option<u64>,

    /// Leave out so many of the newest
    #[arg(long, value_name = "ROWS", value_parser = number)]
    offset: Option<u64>,

    /// Show every column, and shorten nothing
    #[arg(long)]
    pub(super) wide: bool,
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is no number of rows"))
}

/// The most rows of a page.
const MOST: u64 = 100;

impl PageFlags {
    /// The rows that are asked for by the command `verb`.
    ///
    /// # Errors
    /// Where no page has so many.
    pub(super) fn rows(&self, verb: &str) -> Result<Rows, Failure> {
        match self.limit {
            Some(limit) if limit == 0 || limit > MOST => refused(verb, limit, 1),
            limit => Ok(Rows { limit, offset: self.offset }),
        }
    }

    /// How many rows come first where they are followed.
    ///
    /// # Errors
    /// Where that is more than a page.
    pub(super) fn newest(&self, verb: &str) -> Result<Option<u32>, Failure> {
        match self.limit.map(u32::try_from) {
            None => Ok(None),
            Some(Ok(limit)) if u64::from(limit) <= MOST => Ok(Some(limit)),
            Some(_) => refused(verb, self.limit.unwrap_or_default(), 0),
        }
    }
}

fn refused<T>(verb: &str, limit: u64, least: u64) -> Result<T, Failure> {
    Err(misused(verb, format!("`--limit` cannot be {limit}: {least} to {MOST}")))
}

/// Tells whoever watches how to see the rows behind a page.
pub(super) fn note_more<T>(printer: Printer, verb: &str, page: &Page<T>) {
    let next = page.offset.saturating_add(page.data.len().try_into().unwrap_or(u64::MAX));
    if printer.is_watched && page.next_cursor.is_some() {
        printer.stderr(&format!("more: bitrouter {verb} --offset {next}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_1_to_100_rows_and_a_follower_may_begin_with_none() {
        let flags = |limit| PageFlags { limit, offset: Some(3), wide: false };
        assert_eq!(flags(None).rows("x"), Ok(Rows { limit: None, offset: Some(3) }));
        assert!(flags(Some(100)).rows("x").is_ok() && flags(Some(0)).newest("x") == Ok(Some(0)));
        for (limit, said) in [(0, "1 to 100"), (101, "1 to 100"), (u64::MAX, "1 to 100")] {
            let message = flags(Some(limit)).rows("x").unwrap_err().message;
            assert!(message.contains(said) && message.contains("`--limit`"), "{message}");
        }
        assert!(flags(Some(u64::MAX)).newest("x").is_err() && flags(Some(101)).newest("x").is_err());
    }
}
