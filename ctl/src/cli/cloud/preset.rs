//! `cloud preset`: policies of that kind, flat: a guardrail, a budget and a rate limit under one name.

use bitrouter_proto::{
    account::{List, told::ToldPreset},
    client::{Asked, Clauses, Client, IdempotencyKey, PresetChange},
    local_time::LocalTime,
};
use clap::{Args, Subcommand};

use super::{
    advice,
    policy::{flag_text, json_text, state},
    target::Target,
};
use crate::{
    cli::{json_file, misuse::misused},
    context::Context,
    exit::{Failure, Status},
    render::{Column, NOTHING, Shown, block_text, moment, table_text},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PresetVerb {
    /// List the presets of the namespace
    List {
        #[command(flatten)]
        target: Target,
    },
    /// Show a preset
    Get(One),
    /// Make a preset; it acts once it is bound (`cloud policy bind`)
    Create {
        /// What to call it
        #[arg(long)]
        name: String,
        #[command(flatten)]
        clauses: ClauseFiles,
        #[command(flatten)]
        target: Target,
    },
    /// Change a preset; what is not named stays
    Update(UpdateArgs),
    /// Delete a preset, and unbind it everywhere
    Delete(One),
}

/// One preset.
#[derive(Args, Debug)]
pub(in crate::cli) struct One {
    /// Which: `pol_…`
    #[arg(value_name = "PRESET")]
    preset: String,
    #[command(flatten)]
    target: Target,
}

/// The files with its clauses.
#[derive(Args, Debug)]
pub(in crate::cli) struct ClauseFiles {
    /// A file with what may be called, as JSON; `-` is standard input
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    guardrail: Option<String>,

    /// A file with what may be spent, as JSON; `-` is standard input
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    budget: Option<String>,

    /// A file with how often, as JSON; `-` is standard input
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    rate_limit: Option<String>,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct UpdateArgs {
    /// Which: `pol_…`
    #[arg(value_name = "PRESET")]
    preset: String,

    /// Call it this
    #[arg(long)]
    name: Option<String>,

    #[command(flatten)]
    clauses: ClauseFiles,

    /// Drop the guardrail
    #[arg(long, conflicts_with = "guardrail")]
    clear_guardrail: bool,

    /// Drop the budget
    #[arg(long, conflicts_with = "budget")]
    clear_budget: bool,

    /// Drop the rate limit
    #[arg(long, conflicts_with = "rate_limit")]
    clear_rate_limit: bool,

    #[command(flatten)]
    target: Target,
}

const CREATE: &str = "cloud preset create";
const UPDATE: &str = "cloud preset update";

/// The columns of presets.
const COLUMNS: [Column; 4] =
    [Column::new("ID", 30), Column::new("NAME", 24).shortened(), Column::new("CLAUSES", 27), Column::new("STATE", 8)];

impl ClauseFiles {
    fn read(&self, verb: &str) -> Result<Clauses, Failure> {
        let places = [
            ("--guardrail", self.guardrail.as_deref()),
            ("--budget", self.budget.as_deref()),
            ("--rate-limit", self.rate_limit.as_deref()),
        ];
        json_file::at_most_one_stdin(verb, &places)?;
        let read =
            |(flag, place): (&str, Option<&str>)| place.map(|place| json_file::object(verb, flag, place)).transpose();
        let [guardrail, budget, rate_limit] = places;
        Ok(Clauses { guardrail: read(guardrail)?, budget: read(budget)?, rate_limit: read(rate_limit)? })
    }
}

pub(super) fn run(context: &Context, verb: &PresetVerb) -> Result<Status, Failure> {
    let one = |preset: &ToldPreset| one_text(preset, context.local_time().as_ref());
    match verb {
        PresetVerb::List { target } => {
            let call = async |client: &Client, asked: &Asked| client.list_presets(asked).await;
            let shown = context.printer.table(false);
            target.list(context, "cloud preset list", call, |rows| list_text(rows, shown), "no presets")
        }
        PresetVerb::Get(One { preset, target }) => {
            let call = async |client: &Client, asked: &Asked| client.preset(asked, preset).await;
            target.show(context, "cloud preset get", call, one)
        }
        PresetVerb::Create { name, clauses, target } => {
            let clauses = clauses.read(CREATE)?;
            let key = IdempotencyKey::new();
            let call = async |client: &Client, asked: &Asked| client.create_preset(asked, name, &clauses, &key).await;
            target.show(context, CREATE, call, one)
        }
        PresetVerb::Update(args) => {
            let ended = update(context, args);
            ended.map_err(|failure| advice::of_policy(failure, &args.preset, &args.target.local))
        }
        PresetVerb::Delete(One { preset, target }) => {
            let call = async |client: &Client, asked: &Asked| client.delete_preset(asked, preset).await;
            let ended = target.show(context, "cloud preset delete", call, |gone| flag_text("deleted", *gone));
            ended.map_err(|failure| advice::of_policy(failure, preset, &target.local))
        }
    }
}

fn update(context: &Context, args: &UpdateArgs) -> Result<Status, Failure> {
    let UpdateArgs { preset, name, clauses, clear_guardrail, clear_budget, clear_rate_limit, target } = args;
    let change = PresetChange {
        name: name.clone(),
        clauses: clauses.read(UPDATE)?,
        clear_guardrail: *clear_guardrail,
        clear_budget: *clear_budget,
        clear_rate_limit: *clear_rate_limit,
    };
    if change == PresetChange::default() {
        return Err(misused(UPDATE, "`bitrouter cloud preset update` needs something to change"));
    }
    let call = async |client: &Client, asked: &Asked| client.update_preset(asked, preset, &change).await;
    target.show(context, UPDATE, call, |preset| one_text(preset, context.local_time().as_ref()))
}

/// The clauses that there are, in their order.
fn clauses_text(preset: &ToldPreset) -> String {
    let all = [
        ("guardrail", preset.spec.guardrail.is_some()),
        ("budget", preset.spec.budget.is_some()),
        ("rate_limit", preset.spec.rate_limit.is_some()),
    ];
    let there: Vec<&str> = all.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect();
    if there.is_empty() { NOTHING.to_owned() } else { there.join(" ") }
}

fn list_text(presets: &List<ToldPreset>, shown: Shown) -> String {
    let row = |preset: &ToldPreset| {
        vec![preset.id.clone(), preset.name.clone(), clauses_text(preset), state(preset.disabled_at.as_ref())]
    };
    table_text(&COLUMNS, &presets.data.iter().map(row).collect::<Vec<_>>(), shown)
}

fn one_text(preset: &ToldPreset, for_people: Option<&LocalTime>) -> String {
    let mut rows = vec![("id", preset.id.clone()), ("name", preset.name.clone()), ("clauses", clauses_text(preset))];
    rows.extend(preset.disabled_at.as_ref().map(|at| ("disabled at", moment(at, for_people))));
    let mut text = block_text(&rows);
    for (name, clause) in [
        ("guardrail", &preset.spec.guardrail),
        ("budget", &preset.spec.budget),
        ("rate limit", &preset.spec.rate_limit),
    ] {
        if let Some(clause) = clause {
            text.extend(["\n", name, ":\n", &json_text(clause)]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn preset() -> ToldPreset {
        let text = r#"{"id":"pol_1","name":"engineering","guardrail":{"model_deny":["*opus*"]},
            "budget":{"window":"day","limit_micro_usd":5000000},"rate_limit":null,"disabled_at":null}"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn presets_are_a_table() {
        let bare: ToldPreset = serde_json::from_str(r#"{"id":"2","name":"b","disabled_at":"t"}"#).unwrap();
        let text = list_text(&List { data: vec![preset(), bare] }, Shown::Piped { wide: false });
        assert_eq!(text, "pol_1\tengineering\tguardrail budget\tenabled\n2\tb\t—\tdisabled");
    }

    #[test]
    fn one_preset_is_a_block_with_its_clauses() {
        let expected = "\
id:      pol_1
name:    engineering
clauses: guardrail budget
guardrail:
{
  \"model_deny\": [
    \"*opus*\"
  ]
}
budget:
{
  \"limit_micro_usd\": 5000000,
  \"window\": \"day\"
}";
        assert_eq!(one_text(&preset(), None), expected);
        let bare: ToldPreset = serde_json::from_str(r#"{"id":"2","name":"b"}"#).unwrap();
        assert_eq!(one_text(&bare, None), "id:      2\nname:    b\nclauses: —");
    }

    #[test]
    fn a_clause_is_set_or_dropped_never_both() {
        let words = ["x", "cloud", "preset", "update", "pol_1", "--budget", "b.json", "--clear-budget"];
        assert!(crate::cli::args::Cli::try_parse_from(words).is_err());
    }
}
