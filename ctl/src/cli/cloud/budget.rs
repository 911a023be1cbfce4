//! `cloud budget`: policies of that kind, flat.

use bitrouter_proto::{
    account::{
        List, MicroUsd,
        policy::{Funding, Window},
        told::ToldBudget,
    },
    client::{Asked, BudgetChange, Client, IdempotencyKey, NewBudget},
    local_time::LocalTime,
};
use clap::{Args, Subcommand, ValueEnum};

use super::{
    advice,
    policy::{flag_text, state},
    target::Target,
};
use crate::{
    cli::misuse::misused,
    context::Context,
    exit::{Failure, Status},
    render::{Column, Shown, block_text, moment, table_text},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BudgetVerb {
    /// List the budgets of the namespace
    List {
        #[command(flatten)]
        target: Target,
    },
    /// Show a budget
    Get(One),
    /// Make a budget; it acts once it is bound (`cloud policy bind`)
    Create {
        /// What to call it
        #[arg(long)]
        name: String,
        /// In which window
        #[arg(long)]
        window: WindowWord,
        /// The most that may be spent, in millionths of a US dollar: 5000000 is $5
        #[arg(long, value_name = "MICRO_USD", value_parser = limit, allow_negative_numbers = true)]
        limit_micro_usd: MicroUsd,
        /// What counts against it [default: any]
        #[arg(long)]
        funding: Option<FundingWord>,
        #[command(flatten)]
        target: Target,
    },
    /// Change a budget; what is not named stays
    Update(UpdateArgs),
    /// Delete a budget, and unbind it everywhere
    Delete(One),
}

/// One budget.
#[derive(Args, Debug)]
pub(in crate::cli) struct One {
    /// Which: `pol_…`
    #[arg(value_name = "BUDGET")]
    budget: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct UpdateArgs {
    /// Which: `pol_…`
    #[arg(value_name = "BUDGET")]
    budget: String,

    /// Call it this
    #[arg(long)]
    name: Option<String>,

    /// In which window
    #[arg(long)]
    window: Option<WindowWord>,

    /// The most that may be spent, in millionths of a US dollar: 5000000 is $5
    #[arg(long, value_name = "MICRO_USD", value_parser = limit, allow_negative_numbers = true)]
    limit_micro_usd: Option<MicroUsd>,

    /// What counts against it
    #[arg(long)]
    funding: Option<FundingWord>,

    #[command(flatten)]
    target: Target,
}

/// A window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum WindowWord {
    /// The last 24 hours
    Day,
    /// The last 30 days
    Month,
    /// Ever
    Total,
}

impl WindowWord {
    fn wire(self) -> Window {
        match self {
            Self::Day => Window::Day,
            Self::Month => Window::Month,
            Self::Total => Window::Total,
        }
    }
}

/// What counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum FundingWord {
    /// What calls cost, whoever pays
    Any,
    /// What calls take from the credit
    Credit,
}

impl FundingWord {
    fn wire(self) -> Funding {
        match self {
            Self::Any => Funding::Any,
            Self::Credit => Funding::Credit,
        }
    }
}

fn limit(text: &str) -> Result<MicroUsd, String> {
    match text.parse() {
        Ok(micros) if micros > 0 => Ok(MicroUsd::new(micros)),
        Ok(_) => Err("a budget must be more than nothing".to_owned()),
        Err(_) => Err(format!("`{text}` is no whole number of millionths of a US dollar; $5 is 5000000")),
    }
}

/// The columns of budgets.
const COLUMNS: [Column; 5] = [
    Column::new("ID", 30),
    Column::new("NAME", 24).shortened(),
    Column::new("WINDOW", 6),
    Column::number("LIMIT", 10),
    Column::new("STATE", 8),
];

pub(super) fn run(context: &Context, verb: &BudgetVerb) -> Result<Status, Failure> {
    let one = |budget: &ToldBudget| one_text(budget, context.local_time().as_ref());
    match verb {
        BudgetVerb::List { target } => {
            let call = async |client: &Client, asked: &Asked| client.list_budgets(asked).await;
            let shown = context.printer.table(false);
            target.list(context, "cloud budget list", call, |rows| list_text(rows, shown), "no budgets")
        }
        BudgetVerb::Get(One { budget, target }) => {
            let call = async |client: &Client, asked: &Asked| client.budget(asked, budget).await;
            target.show(context, "cloud budget get", call, one)
        }
        BudgetVerb::Create { name, window, limit_micro_usd, funding, target } => {
            let funding = funding.map(FundingWord::wire);
            let new = NewBudget { name: name.clone(), window: window.wire(), limit: *limit_micro_usd, funding };
            let key = IdempotencyKey::new();
            let call = async |client: &Client, asked: &Asked| client.create_budget(asked, &new, &key).await;
            target.show(context, "cloud budget create", call, one)
        }
        BudgetVerb::Update(UpdateArgs { budget, name, window, limit_micro_usd, funding, target }) => {
            let (window, funding) = (window.map(WindowWord::wire), funding.map(FundingWord::wire));
            let change = BudgetChange { name: name.clone(), window, limit: *limit_micro_usd, funding };
            if change == BudgetChange::default() {
                let what = "nothing is to be changed: give `--name`, `--window`, `--limit-micro-usd` or `--funding`";
                return Err(misused("cloud budget update", what));
            }
            let call = async |client: &Client, asked: &Asked| client.update_budget(asked, budget, &change).await;
            let ended = target.show(context, "cloud budget update", call, one);
            ended.map_err(|failure| advice::of_policy(failure, budget, &target.local))
        }
        BudgetVerb::Delete(One { budget, target }) => {
            let call = async |client: &Client, asked: &Asked| client.delete_budget(asked, budget).await;
            let ended = target.show(context, "cloud budget delete", call, |gone| flag_text("deleted", *gone));
            ended.map_err(|failure| advice::of_policy(failure, budget, &target.local))
        }
    }
}

fn list_text(budgets: &List<ToldBudget>, shown: Shown) -> String {
    let row = |budget: &ToldBudget| {
        vec![
            budget.id.clone(),
            budget.name.clone(),
            budget.spec.window.clone(),
            budget.spec.limit_micro_usd.to_string(),
            state(budget.disabled_at.as_ref()),
        ]
    };
    table_text(&COLUMNS, &budgets.data.iter().map(row).collect::<Vec<_>>(), shown)
}

fn one_text(budget: &ToldBudget, for_people: Option<&LocalTime>) -> String {
    let mut rows = vec![
        ("id", budget.id.clone()),
        ("name", budget.name.clone()),
        ("window", budget.spec.window.clone()),
        ("limit", budget.spec.limit_micro_usd.to_string()),
    ];
    rows.extend(budget.spec.funding.as_ref().map(|what| ("counts", what.clone())));
    rows.extend(budget.disabled_at.as_ref().map(|at| ("disabled at", moment(at, for_people))));
    block_text(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budgets() -> List<ToldBudget> {
        let text = r#"{"data":[
            {"id":"pol_1","name":"nightly-cap","window":"day","limit_micro_usd":5000000},
            {"id":"pol_2","name":"all","window":"total","limit_micro_usd":1,"funding":"credit",
             "disabled_at":"2026-05-01T00:00:00.000Z"}]}"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn budgets_are_a_table() {
        let text = list_text(&budgets(), Shown::Piped { wide: false });
        assert_eq!(text, "pol_1\tnightly-cap\tday\t$5.00\tenabled\npol_2\tall\ttotal\t$0.000001\tdisabled");
    }

    #[test]
    fn one_budget_is_a_block() {
        let budgets = budgets();
        assert_eq!(one_text(&budgets.data[0], None), "id:     pol_1\nname:   nightly-cap\nwindow: day\nlimit:  $5.00");
        let text = one_text(&budgets.data[1], None);
        assert!(text.ends_with("\ncounts:      credit\ndisabled at: 2026-05-01T00:00:00.000Z"), "{text}");
    }

    #[test]
    fn a_limit_is_a_whole_number_above_nothing() {
        assert_eq!(limit("5000000"), Ok(MicroUsd::new(5_000_000)));
        for (text, part) in [
            ("0", "more than nothing"),
            ("-1", "more than nothing"),
            ("5.5", "no whole number"),
            ("9223372036854775808", "no whole number"),
        ] {
            let said = limit(text).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
        let windows: Vec<_> = WindowWord::value_variants().iter().map(|window| window.wire().as_str()).collect();
        assert_eq!(windows, ["day", "month", "total"]);
        let counted: Vec<_> = FundingWord::value_variants().iter().map(|word| word.wire().as_str()).collect();
        assert_eq!(counted, Funding::ALL.iter().map(|funding| funding.as_str()).collect::<Vec<_>>());
    }
}
