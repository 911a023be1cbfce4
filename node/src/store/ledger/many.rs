//! Statements of several rows: a few texts, each prepared once, so that a batch takes few round trips however long it is.

use std::sync::OnceLock;

/// So many rows a statement has, the most first.
const SIZES: [usize; 3] = [32, 8, 1];

/// What stands for a value. With a number it would be a name to SQLite, which looks for it among all names, and is thereby as
/// slow as the square of the values.
const PLACE: &str = "?";

/// A statement with a list of rows in it: `(?, ?), (?, ?)`.
#[derive(Debug)]
pub(in crate::store) struct Many {
    before: &'static str,
    columns: usize,
    after: &'static str,
    texts: [OnceLock<String>; SIZES.len()],
}

impl Many {
    /// What stands before the rows, how many columns each has, and what stands behind them.
    pub(in crate::store) const fn new(before: &'static str, columns: usize, after: &'static str) -> Self {
        Self { before, columns, after, texts: [const { OnceLock::new() }; SIZES.len()] }
    }

    /// `rows` in as few statements as it takes: the text of each, and its rows.
    pub(in crate::store) fn of<'r, T>(&'static self, rows: &'r [T]) -> impl Iterator<Item = (&'static str, &'r [T])> {
        let mut left = rows;
        std::iter::from_fn(move || {
            let place = SIZES.iter().position(|size| *size <= left.len())?;
            let (these, others) = left.split_at(SIZES[place]);
            left = others;
            Some((self.texts[place].get_or_init(|| self.text(SIZES[place])).as_str(), these))
        })
    }

    fn text(&self, rows: usize) -> String {
        let row = format!("({})", vec![PLACE; self.columns].join(", "));
        format!("{}{}{}", self.before, vec![row; rows].join(", "), self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static INSERT: Many = Many::new("INSERT INTO t VALUES ", 2, " RETURNING a");

    #[test]
    fn rows_are_split_into_few_statements() {
        let rows: Vec<usize> = (0..43).collect();
        let split: Vec<_> = INSERT.of(&rows).map(|(text, these)| (text.matches('(').count(), these.to_vec())).collect();
        assert_eq!(split.iter().map(|(places, _)| *places).collect::<Vec<_>>(), [32, 8, 1, 1, 1]);
        assert_eq!(split.into_iter().flat_map(|(_, these)| these).collect::<Vec<_>>(), rows);
        assert_eq!(INSERT.text(2), "INSERT INTO t VALUES (?, ?), (?, ?) RETURNING a");
        assert_eq!(INSERT.of(&rows[..0]).count(), 0);
    }
}
