//! Rows of a list: for people a table with a heading, for a pipe one line a row with tabs between its cells. Nothing is
//! cut in either.

use super::style::{HEADING, styled};

/// The text of `rows`; empty where there are none.
pub(crate) fn rows_text<const N: usize>(heading: [&str; N], rows: &[[String; N]], on_terminal: bool) -> String {
    if rows.is_empty() {
        return String::new();
    }
    if !on_terminal {
        return rows.iter().map(|row| row.join("\t")).collect::<Vec<_>>().join("\n");
    }
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heading[column].chars().count()]).max().unwrap_or_default()
    });
    let line = |cells: [&str; N]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head = styled(HEADING, line(heading));
    let rest = rows.iter().map(|row| line(std::array::from_fn(|column| row[column].as_str())));
    std::iter::once(head).chain(rest).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_get_a_table_and_pipes_get_rows() {
        let rows = [["ns_1".to_owned(), "default".to_owned()], ["ns_22".to_owned(), "a b".to_owned()]];
        let table = anstream::adapter::strip_str(&rows_text(["ID", "NAME"], &rows, true)).to_string();
        assert_eq!(table, "ID     NAME\nns_1   default\nns_22  a b");
        assert_eq!(rows_text(["ID", "NAME"], &rows, false), "ns_1\tdefault\nns_22\ta b");
        assert_eq!(rows_text(["ID"], &[], true), "");
    }
}
