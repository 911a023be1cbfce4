//! Breaks long lines between words, as wide as the terminal is, with what follows set under the column it belongs to.

/// Nothing is set narrower than this: a column of a few words helps nobody.
const NARROWEST: usize = 40;

/// `text`, whose lines may hold styles, in lines of at most `width` characters where words allow it.
pub(super) fn wrap(text: &str, width: usize) -> String {
    let width = width.max(NARROWEST);
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        if shown(line) <= width {
            out.push_str(line);
        } else {
            broken(line, width, &mut out);
        }
        out.push_str(end);
    }
    out
}

fn broken(line: &str, width: usize, out: &mut String) {
    let indent = column(line).filter(|column| *column + 20 <= width).unwrap_or_else(|| leading(line));
    let mut used = 0;
    for word in line.split_inclusive(' ') {
        let length = shown(word.trim_end_matches(' '));
        if used > indent && used + length > width {
            let kept = out.trim_end_matches(' ').len();
            out.truncate(kept);
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            used = indent;
        }
        out.push_str(word);
        used += shown(word);
    }
}

fn leading(line: &str) -> usize {
    let plain = anstream::adapter::strip_str(line).to_string();
    plain.len() - plain.trim_start_matches(' ').len()
}

/// Where the text of a table's last column begins: after the last two blanks that stand inside the line.
fn column(line: &str) -> Option<usize> {
    let plain = anstream::adapter::strip_str(line).to_string();
    let body = plain.trim_start_matches(' ');
    let at = body.find("  ")?;
    let text = body[at..].trim_start_matches(' ');
    plain.strip_suffix(text).map(|before| before.chars().count())
}

/// How many characters a terminal shows of it.
fn shown(text: &str) -> usize {
    anstream::adapter::strip_str(text).map(|piece| piece.chars().count()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_set_under_their_column() {
        let text = "short\n  serve    Runs the daemon in the foreground until it is told to end by somebody\n";
        let expected = "\
short
  serve    Runs the daemon in the
           foreground until it is told
           to end by somebody
";
        assert_eq!(wrap(text, 40), expected);
        assert_eq!(wrap(text, 200), text);
    }

    #[test]
    fn styles_take_no_room() {
        let text = "\u{1b}[1mthis line\u{1b}[0m is as long as forty chars, ok\n";
        assert_eq!(wrap(text, 40), text);
    }

    #[test]
    fn a_word_longer_than_the_line_is_left_whole() {
        let word = "x".repeat(60);
        assert_eq!(wrap(&word, 40), word);
    }
}
