//! Keys and values of one thing, as `systemctl show` and its like write them.

/// One line a row, with the values below each other.
pub(crate) fn block_text(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(key, _)| key.chars().count()).max().unwrap_or_default() + 1;
    let line = |(key, value): &(&str, String)| format!("{:<width$} {value}", format!("{key}:")).trim_end().to_owned();
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
