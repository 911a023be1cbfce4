//! Statements of several rows: a few texts, each prepared once, so that a batch takes few round trips however long it is.

use std::sync::OnceLock;

/// So many rows a statement has, the most first.
const SIZES: [usize; 3] = [32, 8, 1];

/// A statement with a list of rows in it: `(?, ?), (?, ?)`, or `($1, $2), ($3, $4)`.
#[derive(Debug)]
pub(in crate::store) struct Many {
    before: &'static str,
    columns: usize,
    after: &'static str,
    sqlite: Texts,
    postgres: Texts,
}

type Texts = [OnceLock<String>; SIZES.len()];

/// One of its texts.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Statement {
    many: &'static Many,
    size: usize,
}

impl Statement {
    /// As SQLite reads it. With a number a value would be a name to it, which it looks for among all names, and is thereby as
    /// slow as the square of the values.
    pub(in crate::store) fn sqlite(self) -> &'static str {
        self.many.sqlite[self.size].get_or_init(|| self.text(|_| "?".to_owned()))
    }

    /// As PostgreSQL reads it, which knows values by their number alone.
    pub(in crate::store) fn postgres(self) -> &'static str {
        self.many.postgres[self.size].get_or_init(|| self.text(|number| format!("${number}")))
    }

    fn text(self, place: impl Fn(usize) -> String) -> String {
        let Many { before, columns, after, .. } = self.many;
        let row = |row: usize| {
            let places: Vec<String> = (1..=*columns).map(|column| place(row * columns + column)).collect();
            format!("({})", places.join(", "))
        };
        let rows: Vec<String> = (0..SIZES[self.size]).map(row).collect();
        format!("{before}{}{after}", rows.join(", "))
    }
}

impl Many {
    /// What stands before the rows, how many columns each has, and what stands behind them.
    pub(in crate::store) const fn new(before: &'static str, columns: usize, after: &'static str) -> Self {
        Self {
            before,
            columns,
            after,
            sqlite: [const { OnceLock::new() }; SIZES.len()],
            postgres: [const { OnceLock::new() }; SIZES.len()],
        }
    }

    /// `rows` in as few statements as it takes: the text of each, and its rows.
    pub(in crate::store) fn of<'r, T>(&'static self, rows: &'r [T]) -> impl Iterator<Item = (Statement, &'r [T])> {
        let mut left = rows;
        std::iter::from_fn(move || {
            let size = SIZES.iter().position(|size| *size <= left.len())?;
            let (these, others) = left.split_at(SIZES[size]);
            left = others;
            Some((Statement { many: self, size }, these))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static INSERT: Many = Many::new("INSERT INTO t VALUES ", 2, " RETURNING a");

    #[test]
    fn rows_are_split_into_few_statements() {
        let rows: Vec<usize> = (0..43).collect();
        let split: Vec<_> =
            INSERT.of(&rows).map(|(many, these)| (many.sqlite().matches('(').count(), these.to_vec())).collect();
        assert_eq!(split.iter().map(|(places, _)| *places).collect::<Vec<_>>(), [32, 8, 1, 1, 1]);
        assert_eq!(split.into_iter().flat_map(|(_, these)| these).collect::<Vec<_>>(), rows);
        let (eight, _) = INSERT.of(&rows[..8]).next().unwrap();
        assert!(eight.sqlite().starts_with("INSERT INTO t VALUES (?, ?), (?, ?), "), "{}", eight.sqlite());
        assert!(eight.postgres().starts_with("INSERT INTO t VALUES ($1, $2), ($3, $4), "), "{}", eight.postgres());
        assert!(eight.postgres().ends_with(", ($15, $16) RETURNING a"), "{}", eight.postgres());
        assert_eq!(INSERT.of(&rows[..0]).count(), 0);
    }
}
