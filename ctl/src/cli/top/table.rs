//! How activity looks: a row for each program and model.

use std::path::Path;

use bitrouter_proto::{
    account::MicroUsd,
    activity::{Activity, ProgramActivity},
};

use crate::render::{
    Column, Layout, NOTHING, Shown,
    style::{DIM, HEADING, styled},
    table_text,
};

const COLUMNS: [Column; 10] = [
    Column::number("PID", 7),
    Column::new("PROGRAM", 12).shortened(),
    Column::new("DIRECTORY", 24).shortened().rank(4),
    Column::new("BRANCH", 12).shortened().rank(3),
    Column::new("MODEL", 24).shortened(),
    Column::number("CALLS", 5).rank(2),
    Column::number("IN", 7).rank(5),
    Column::number("OUT", 7).rank(1),
    Column::number("TOKENS/S", 8),
    Column::number("COST", 8),
];

/// The rows; empty where there are none.
pub(super) fn text(activity: &Activity, home: Option<&str>, shown: Shown) -> String {
    table_text(&COLUMNS, &rows(activity, home, shown), shown)
}

/// What fits on a terminal of so many columns and rows, a line each.
pub(super) fn page(activity: &Activity, home: Option<&str>, (columns, height): (usize, usize)) -> Vec<String> {
    let shown = Shown::Terminal { columns: Some(columns) };
    let rows = rows(activity, home, shown);
    let mut lines = vec![headline(activity), String::new()];
    if rows.is_empty() {
        lines.push(styled(DIM, "no calls"));
    } else {
        let layout = Layout::of(&COLUMNS, &rows, shown);
        lines.extend(layout.heading());
        lines.extend(rows.iter().map(|row| layout.line(row)));
    }
    if lines.len() > height {
        let hidden = lines.len() + 1 - height.max(1);
        lines.truncate(height.saturating_sub(1));
        lines.push(styled(DIM, format!("and {hidden} more")));
    }
    lines
}

fn headline(activity: &Activity) -> String {
    let sum = |count: fn(&ProgramActivity) -> u64| activity.data.iter().map(count).fold(0, u64::saturating_add);
    let costs = activity.data.iter().filter_map(|row| row.cost_micro_usd).reduce(MicroUsd::plus);
    let cost = costs.map(|cost| format!(", {cost}")).unwrap_or_default();
    let facts = format!(
        "last {} s: {} calls, {} tokens in, {} out{cost}",
        activity.window_s,
        sum(|row| row.requests),
        sum(|row| row.tokens_in),
        sum(|row| row.tokens_out)
    );
    format!("{}  {facts}  {}", styled(HEADING, "bitrouter top"), styled(DIM, "(q ends)"))
}

fn rows(activity: &Activity, home: Option<&str>, shown: Shown) -> Vec<Vec<String>> {
    let is_piped = matches!(shown, Shown::Piped { .. });
    activity.data.iter().map(|row| cells(row, home, is_piped)).collect()
}

/// In a pipe everything is whole.
fn cells(row: &ProgramActivity, home: Option<&str>, is_piped: bool) -> Vec<String> {
    let known = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
    let name = |path: &String| {
        let name = Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned());
        name.filter(|_| !is_piped).unwrap_or_else(|| path.clone())
    };
    let place = |path: &String| {
        let below = home.filter(|home| !is_piped && *home != "/").and_then(|home| path.strip_prefix(home));
        below
            .filter(|rest| rest.is_empty() || rest.starts_with('/'))
            .map_or_else(|| path.clone(), |rest| format!("~{rest}"))
    };
    vec![
        known(row.pid.map(|pid| pid.to_string())),
        known(row.executable.as_ref().map(name)),
        known(row.directory.as_ref().map(place)),
        known(row.git_branch.clone()),
        row.model.clone(),
        row.requests.to_string(),
        row.tokens_in.to_string(),
        row.tokens_out.to_string(),
        format!("{:.1}", row.tokens_per_second),
        known(row.cost_micro_usd.map(|cost| cost.to_string())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity() -> Activity {
        let row = ProgramActivity {
            pid: Some(4711),
            executable: Some("/usr/bin/python3".to_owned()),
            directory: Some("/home/u/agent".to_owned()),
            git_branch: Some("main".to_owned()),
            model: "openai/gpt-5".to_owned(),
            requests: 3,
            tokens_in: 1200,
            tokens_out: 340,
            tokens_per_second: 42.5,
            cost_micro_usd: Some(MicroUsd::new(12_300)),
        };
        let gone = ProgramActivity {
            pid: None,
            executable: None,
            directory: None,
            git_branch: None,
            model: "demo/echo".to_owned(),
            cost_micro_usd: None,
            ..row.clone()
        };
        Activity { window_s: 60, data: vec![row, gone] }
    }

    fn plain(lines: &[String]) -> String {
        anstream::adapter::strip_str(&lines.join("\n")).to_string()
    }

    #[test]
    fn a_terminal_has_a_table_as_wide_as_it_is() {
        let wide = plain(&page(&activity(), Some("/home/u"), (120, 24)));
        let expected = "\
bitrouter top  last 60 s: 6 calls, 2400 tokens in, 680 out, $0.0123  (q ends)

 PID  PROGRAM  DIRECTORY  BRANCH  MODEL         CALLS    IN  OUT  TOKENS/S     COST
4711  python3  ~/agent    main    openai/gpt-5      3  1200  340      42.5  $0.0123
   —  —        —          —       demo/echo         3  1200  340      42.5        —";
        assert_eq!(wide, expected);
        let narrow = plain(&page(&activity(), Some("/home/u"), (50, 24)));
        assert!(
            !narrow.contains("DIRECTORY") && narrow.contains("openai/gpt-5") && narrow.contains("COST"),
            "{narrow}"
        );
        assert!(narrow.lines().skip(2).all(|line| line.chars().count() <= 50), "{narrow}");
        let low = page(&activity(), None, (80, 4));
        assert_eq!((low.len(), plain(&low[3..]).as_str()), (4, "and 2 more"));
        assert_eq!(page(&activity(), None, (80, 1)).len(), 1);
        assert!(plain(&page(&Activity::default(), None, (80, 24))).ends_with("no calls"));
    }

    #[test]
    fn a_pipe_has_everything() {
        let text = text(&activity(), Some("/home/u"), Shown::Piped { wide: false });
        let first = text.lines().next().unwrap();
        let expected = "4711\t/usr/bin/python3\t/home/u/agent\tmain\topenai/gpt-5\t3\t1200\t340\t42.5\t$0.0123";
        assert_eq!(first, expected);
    }
}
