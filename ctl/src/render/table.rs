//! Rows of a list: for people a table with a heading, for a pipe one line a row with tabs between its cells. A terminal that is
//! too narrow has long cells shortened and columns left out that matter less; a pipe and `--wide` have everything.

use super::style::{HEADING, styled};

/// What stands where there is nothing to say.
pub(crate) const NOTHING: &str = "—";

/// What stands between two columns.
const GAP: &str = "  ";
/// No cell is made shorter than this, characters.
const SHORTEST: usize = 12;

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    heading: &'static str,
    /// How wide it is where its cells are not known yet.
    usual: usize,
    is_number: bool,
    may_be_shortened: bool,
    /// The higher, the sooner it is left out of a terminal that is too narrow; 0 stays.
    rank: u8,
    only_wide: bool,
}

impl Column {
    /// A column whose cells are never shortened.
    pub(crate) const fn new(heading: &'static str, usual: usize) -> Self {
        Self { heading, usual, is_number: false, may_be_shortened: false, rank: 0, only_wide: false }
    }

    /// Numbers stand below each other by their last digit.
    pub(crate) const fn number(heading: &'static str, usual: usize) -> Self {
        Self { is_number: true, ..Self::new(heading, usual) }
    }

    /// A long cell may lose its end.
    pub(crate) const fn shortened(self) -> Self {
        Self { may_be_shortened: true, ..self }
    }

    /// It may be left out.
    pub(crate) const fn rank(self, rank: u8) -> Self {
        Self { rank, ..self }
    }

    /// It is shown with `--wide` only.
    pub(crate) const fn only_wide(self) -> Self {
        Self { only_wide: true, ..self }
    }
}

/// How a table is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// In a pipe: cells between tabs, no heading.
    Piped {
        /// Every column.
        wide: bool,
    },
    /// On a terminal of so many columns; shortened to them where there are any.
    Terminal {
        /// `None`: nothing is shortened, and every column is there (`--wide`).
        columns: Option<usize>,
    },
}

/// Where the cells of a row go.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// The columns that are shown: which, and how wide.
    places: Vec<(usize, Column, usize)>,
    is_piped: bool,
    is_fixed: bool,
}

impl Layout {
    /// For rows that are not known yet.
    pub(crate) fn usual(columns: &[Column], shown: Shown) -> Self {
        Self::new(columns, shown, |_, column| column.usual)
    }

    /// For these rows.
    pub(crate) fn of(columns: &[Column], rows: &[Vec<String>], shown: Shown) -> Self {
        let longest = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or_default();
        Self::new(columns, shown, |at, _| longest(at))
    }

    fn new(columns: &[Column], shown: Shown, width: impl Fn(usize, &Column) -> usize) -> Self {
        let is_wide = matches!(shown, Shown::Piped { wide: true } | Shown::Terminal { columns: None });
        let meant = columns.iter().enumerate().filter(|(_, column)| is_wide || !column.only_wide);
        let mut places: Vec<_> =
            meant.map(|(at, column)| (at, *column, width(at, column).max(column.heading.chars().count()))).collect();
        let limit = match shown {
            Shown::Terminal { columns: Some(limit) } => limit,
            Shown::Piped { .. } | Shown::Terminal { columns: None } => usize::MAX,
        };
        // What cannot be shown though everything is as short as may be makes room by its rank.
        while needed(places.iter().map(|(_, column, width)| shortest(column, *width))) > limit {
            let Some(rank) = places.iter().map(|(_, column, _)| column.rank).max().filter(|rank| *rank > 0) else {
                break;
            };
            places.retain(|(_, column, _)| column.rank != rank);
        }
        while needed(places.iter().map(|(_, _, width)| *width)) > limit {
            let long = places.iter_mut().filter(|(_, column, width)| *width > shortest(column, *width));
            let Some((_, _, width)) = long.max_by_key(|(_, _, width)| *width) else { break };
            *width -= 1;
        }
        Self { places, is_piped: matches!(shown, Shown::Piped { .. }), is_fixed: limit < usize::MAX }
    }

    /// The heading; `None` in a pipe.
    pub(crate) fn heading(&self) -> Option<String> {
        let cells = self.places.iter().map(|(_, column, width)| padded(column.heading, *width, column.is_number));
        (!self.is_piped).then(|| styled(HEADING, joined(cells)))
    }

    /// A row.
    pub(crate) fn line(&self, row: &[String]) -> String {
        if self.is_piped {
            return self.places.iter().map(|(at, ..)| row[*at].as_str()).collect::<Vec<_>>().join("\t");
        }
        joined(self.places.iter().map(|(at, column, width)| {
            let cell = &row[*at];
            if self.is_fixed && column.may_be_shortened && cell.chars().count() > *width {
                let kept: String = cell.chars().take(width.saturating_sub(1)).collect();
                return format!("{kept}…");
            }
            padded(cell, *width, column.is_number)
        }))
    }
}

fn shortest(column: &Column, width: usize) -> usize {
    if column.may_be_shortened { width.min(SHORTEST.max(column.heading.len())) } else { width }
}

fn needed(widths: impl Iterator<Item = usize>) -> usize {
    let widths: Vec<usize> = widths.collect();
    widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)
}

fn padded(cell: &str, width: usize, is_number: bool) -> String {
    if is_number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
}

fn joined(cells: impl Iterator<Item = String>) -> String {
    cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
}

/// The text of `rows`; empty where there are none.
pub(crate) fn table_text(columns: &[Column], rows: &[Vec<String>], shown: Shown) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let layout = Layout::of(columns, rows, shown);
    layout.heading().into_iter().chain(rows.iter().map(|row| layout.line(row))).collect::<Vec<_>>().join("\n")
}

/// The text of rows that fit everywhere; empty where there are none.
pub(crate) fn rows_text<const N: usize>(heading: [&'static str; N], rows: &[[String; N]], on_terminal: bool) -> String {
    let shown = if on_terminal { Shown::Terminal { columns: None } } else { Shown::Piped { wide: true } };
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.to_vec()).collect();
    table_text(&heading.map(|heading| Column::new(heading, 0)), &rows, shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn people_get_a_table_and_pipes_get_rows() {
        let rows = [["ns_1".to_owned(), "default".to_owned()], ["ns_22".to_owned(), "a b".to_owned()]];
        let table = plain(&rows_text(["ID", "NAME"], &rows, true));
        assert_eq!(table, "ID     NAME\nns_1   default\nns_22  a b");
        assert_eq!(rows_text(["ID", "NAME"], &rows, false), "ns_1\tdefault\nns_22\ta b");
        assert_eq!(rows_text(["ID"], &[], true), "");
    }

    const COLUMNS: [Column; 5] = [
        Column::new("ID", 6),
        Column::new("MODEL", 20).shortened(),
        Column::number("TOKENS", 6).rank(2),
        Column::number("COST", 6).rank(1),
        Column::new("MORE", 4).only_wide(),
    ];

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 5]| cells.map(str::to_owned).to_vec();
        vec![
            row(["req_01", "provider/a-long-model-name", "12", "$0.10", "x"]),
            row(["req_0002", "short", "3456", "—", "y"]),
        ]
    }

    fn at(shown: Shown) -> String {
        plain(&table_text(&COLUMNS, &rows(), shown))
    }

    #[test]
    fn a_narrow_terminal_shortens_what_may_be_and_then_leaves_out_what_matters_less() {
        for (columns, expected) in [
            (
                60,
                "ID        MODEL                       TOKENS   COST\n\
                 req_01    provider/a-long-model-name      12  $0.10\n\
                 req_0002  short                         3456      —",
            ),
            (
                40,
                "ID        MODEL            TOKENS   COST\n\
                 req_01    provider/a-lon…      12  $0.10\n\
                 req_0002  short              3456      —",
            ),
            (
                30,
                "ID        MODEL           COST\n\
                 req_01    provider/a-l…  $0.10\n\
                 req_0002  short              —",
            ),
            // An id stays whole, however narrow it is.
            (
                10,
                "ID        MODEL\n\
                 req_01    provider/a-…\n\
                 req_0002  short",
            ),
        ] {
            assert_eq!(at(Shown::Terminal { columns: Some(columns) }), expected, "{columns}");
        }
    }

    #[test]
    fn pipes_and_wide_tables_have_everything() {
        let expected = "req_01\tprovider/a-long-model-name\t12\t$0.10\nreq_0002\tshort\t3456\t—";
        assert_eq!(at(Shown::Piped { wide: false }), expected);
        assert!(at(Shown::Piped { wide: true }).ends_with("\t—\ty"));
        let wide = at(Shown::Terminal { columns: None });
        assert!(wide.contains("COST  MORE\n") && wide.contains("provider/a-long-model-name "), "{wide}");
        assert_eq!(table_text(&COLUMNS, &[], Shown::Terminal { columns: Some(80) }), "");
    }

    #[test]
    fn rows_that_come_one_by_one_stand_below_each_other() {
        let layout = Layout::usual(&COLUMNS, Shown::Terminal { columns: Some(80) });
        let lines: Vec<String> = rows().iter().map(|row| layout.line(row)).collect();
        assert_eq!(lines[0], "req_01  provider/a-long-mod…      12   $0.10");
        assert_eq!(lines[1], "req_0002  short                   3456       —");
        assert_eq!(plain(&layout.heading().unwrap()), "ID      MODEL                 TOKENS    COST");
        assert_eq!(Layout::usual(&COLUMNS, Shown::Piped { wide: false }).heading(), None);
    }
}
