//! The few looks that output has. Text is always written with them; the printer takes them out again where nobody
//! would see a colour.

use anstyle::{AnsiColor, Style};

/// Headings of tables.
pub(crate) const HEADING: Style = Style::new().bold();
/// What matters less than what stands beside it.
pub(crate) const DIM: Style = Style::new().dimmed();
/// It works.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// It needs a look.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default();
/// It does not work.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What can be typed.
pub(crate) const TYPED: Style = AnsiColor::Cyan.on_default();

/// The looks of `--help`.
pub(crate) const HELP: clap::builder::Styles =
    clap::builder::Styles::styled().header(HEADING).usage(HEADING).literal(TYPED).placeholder(Style::new());

/// `text` in `style`.
pub(crate) fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}
