//! `--limit`, `--offset` and `--wide`: which rows of a long list, and how they are shown.

use bitrouter_proto::{account::ledger::Page, client::Rows};
use clap::Args;

use crate::{cli::misuse::misused, exit::Failure, render::Printer};

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
    /// The rows that are asked for by the command `verb`.
    ///
    /// # Errors
    /// Where they are none.
    pub(super) fn rows(&self, verb: &str) -> Result<Rows, Failure> {
        match self.limit {
            Some(0) => Err(misused(verb, "`--limit` cannot be 0: a page has 1 to 100 rows")),
            limit => Ok(Rows { limit, offset: self.offset }),
        }
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
        assert_eq!(flags(None).rows("x"), Ok(Rows { limit: None, offset: Some(3) }));
        assert!(flags(Some(1_000)).rows("x").is_ok() && flags(Some(0)).newest() == Some(0));
        let refused = flags(Some(0)).rows("cloud requests").unwrap_err();
        assert!(refused.message.contains("`--limit`"), "{refused}");
        assert_eq!(refused.hint.as_deref(), Some("bitrouter cloud requests --help"));
        assert_eq!((flags(None).newest(), flags(Some(u64::MAX)).newest()), (None, Some(u32::MAX)));
    }
}
