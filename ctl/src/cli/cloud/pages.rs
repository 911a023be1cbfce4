//! `--limit`, `--offset` and `--wide`: which rows of a long list, and how they are shown.

use bitrouter_proto::{account::ledger::Page, client::Rows};
use clap::Args;

use crate::render::Printer;

#[derive(Args, Debug)]
pub(in crate::cli) struct PageFlags {
    /// The most rows; a page has at most 100 [default: 25]
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

impl PageFlags {
    /// The rows that are asked for; a page has at least one, as with the server.
    pub(super) fn rows(&self) -> Rows {
        Rows { limit: self.limit.map(|limit| limit.max(1)), offset: self.offset }
    }

    /// How many rows come first where they are followed; none is a number too.
    pub(super) fn newest(&self) -> Option<u32> {
        self.limit.map(|limit| limit.try_into().unwrap_or(u32::MAX))
    }

    /// Says where the page is shorter than it was to be, and tells whoever watches how to see what stands behind it.
    pub(super) fn note_more<T>(&self, printer: Printer, verb: &str, asked: &str, page: &Page<T>) {
        let rows: u64 = page.data.len().try_into().unwrap_or(u64::MAX);
        if page.next_cursor.is_none() {
            return;
        }
        let is_cut = self.limit.is_some_and(|limit| limit > rows);
        if is_cut || printer.is_watched {
            let limit = if self.limit.is_some() { format!(" --limit {rows}") } else { String::new() };
            let next = page.offset.saturating_add(rows);
            let wide = if self.wide { " --wide" } else { "" };
            printer.stderr(&format!("more: bitrouter {verb}{asked}{wide}{limit} --offset {next}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_rows_and_a_follower_may_begin_with_none() {
        let flags = |limit| PageFlags { limit, offset: Some(3), wide: false };
        for (limit, sent) in [(None, None), (Some(1_000), Some(1_000)), (Some(0), Some(1))] {
            assert_eq!(flags(limit).rows(), Rows { limit: sent, offset: Some(3) });
        }
        assert_eq!(flags(Some(0)).newest(), Some(0));
        assert_eq!((flags(None).newest(), flags(Some(u64::MAX)).newest()), (None, Some(u32::MAX)));
    }
}
