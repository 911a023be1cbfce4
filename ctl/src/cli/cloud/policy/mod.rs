//! `cloud policy`: rules of every kind, what they are bound to, and what holds for a principal.

mod kind;
mod principal;
mod text;

use bitrouter_proto::{
    account::{
        List,
        told::{ToldBinding, ToldBound, ToldPolicy},
    },
    client::{Asked, Client, IdempotencyKey, NewPolicy, PolicyChange},
};
use clap::{Args, Subcommand};

pub(super) use self::text::{json_text, state};
use self::{
    kind::Kind,
    principal::{PrincipalFlags, PrincipalWords},
};
use super::{advice, target::Target};
use crate::{
    cli::{json_file, misuse::misused},
    context::Context,
    exit::{Failure, Status},
    render::block_text,
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PolicyVerb {
    /// List the policies of the namespace
    List {
        /// Only those of this kind
        #[arg(long)]
        kind: Option<Kind>,
        #[command(flatten)]
        target: Target,
    },
    /// Show a policy
    Get(One),
    /// Make a policy; it acts once it is bound
    Create(CreateArgs),
    /// Change what a policy is called or what it says
    Update(UpdateArgs),
    /// Delete a policy, and unbind it everywhere
    Delete(One),
    /// Bind a policy to a principal
    Bind {
        /// Which: `pol_…`
        #[arg(value_name = "POLICY")]
        policy: String,
        #[command(flatten)]
        principal: PrincipalFlags,
        #[command(flatten)]
        target: Target,
    },
    /// Unbind a policy from what a binding names
    Unbind {
        /// Which: `pol_…`
        #[arg(value_name = "POLICY")]
        policy: String,
        /// Which of its bindings: `bnd_…`
        #[arg(value_name = "BINDING")]
        binding: String,
        #[command(flatten)]
        target: Target,
    },
    /// Let a policy rest: it stays bound, and does not act
    Disable(One),
    /// Let a policy act again
    Enable(One),
    /// List what a policy is bound to
    Bindings(One),
    /// Show what holds for a principal, by all that it inherits, without a call being made
    Effective {
        #[command(flatten)]
        principal: PrincipalFlags,
        #[command(flatten)]
        target: Target,
    },
    /// List the policies that are bound to a principal itself
    ForPrincipal {
        #[command(flatten)]
        principal: PrincipalWords,
        #[command(flatten)]
        target: Target,
    },
}

/// One policy.
#[derive(Args, Debug)]
pub(in crate::cli) struct One {
    /// Which: `pol_…`
    #[arg(value_name = "POLICY")]
    policy: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct CreateArgs {
    /// What to call it
    #[arg(long)]
    name: String,

    /// What it is
    #[arg(long)]
    kind: Kind,

    /// A file with what it says, as JSON, like `{"window": "day", "limit_micro_usd": 5000000}`; `-` is standard input
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    spec: String,

    #[command(flatten)]
    target: Target,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct UpdateArgs {
    /// Which: `pol_…`
    #[arg(value_name = "POLICY")]
    policy: String,

    /// Call it this
    #[arg(long)]
    name: Option<String>,

    /// A file with all that it is to say, as JSON; `-` is standard input
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    spec: Option<String>,

    #[command(flatten)]
    target: Target,
}

const CREATE: &str = "cloud policy create";
const UPDATE: &str = "cloud policy update";

/// What is said of a list without rows.
const NONE: &str = "no policies";

pub(super) fn run(context: &Context, verb: &PolicyVerb) -> Result<Status, Failure> {
    match verb {
        PolicyVerb::List { kind, target } => {
            let kind = kind.map(Kind::wire);
            let call = async |client: &Client, asked: &Asked| client.list_policies(asked, kind).await;
            target.list(context, "cloud policy list", call, |rows| list_text(context, rows), NONE)
        }
        PolicyVerb::Get(One { policy, target }) => {
            let call = async |client: &Client, asked: &Asked| client.policy(asked, policy).await;
            target.show(context, "cloud policy get", call, |policy| one_text(context, policy))
        }
        PolicyVerb::Create(args) => create(context, args),
        PolicyVerb::Update(args) => update(context, args),
        PolicyVerb::Delete(One { policy, target }) => {
            let call = async |client: &Client, asked: &Asked| client.delete_policy(asked, policy).await;
            let ended = target.show(context, "cloud policy delete", call, |gone| flag_text("deleted", *gone));
            ended.map_err(|failure| advice::of_policy(failure, policy, &target.local))
        }
        PolicyVerb::Bind { policy, principal, target } => {
            let principal = principal.principal();
            let once = IdempotencyKey::new();
            let call =
                async |client: &Client, asked: &Asked| client.bind_policy(asked, policy, &principal, &once).await;
            let text = |bound: &ToldBound| block_text(&[("binding id", bound.binding_id.clone())]);
            let ended = target.show_with_note(context, "cloud policy bind", call, text, |bound| bound.warning.clone());
            ended.map_err(|failure| principal::advised_of_both(failure, &principal, &target.local))
        }
        PolicyVerb::Unbind { policy, binding, target } => {
            let call = async |client: &Client, asked: &Asked| client.unbind_policy(asked, policy, binding).await;
            let ended = target.show(context, "cloud policy unbind", call, |gone| flag_text("unbound", *gone));
            ended.map_err(|failure| advice::of_binding(failure, policy, &target.local))
        }
        PolicyVerb::Disable(One { policy, target }) => {
            let call = async |client: &Client, asked: &Asked| client.disable_policy(asked, policy).await;
            let ended = target.show(context, "cloud policy disable", call, |state| flag_text("disabled", *state));
            ended.map_err(|failure| advice::of_policy(failure, policy, &target.local))
        }
        PolicyVerb::Enable(One { policy, target }) => {
            let call = async |client: &Client, asked: &Asked| client.enable_policy(asked, policy).await;
            let ended = target.show(context, "cloud policy enable", call, |state| flag_text("disabled", *state));
            ended.map_err(|failure| advice::of_policy(failure, policy, &target.local))
        }
        PolicyVerb::Bindings(One { policy, target }) => {
            let call = async |client: &Client, asked: &Asked| client.list_bindings(asked, policy).await;
            let shown = context.printer.table(false);
            let text = |rows: &List<ToldBinding>| text::bindings(&rows.data, shown);
            target.list(context, "cloud policy bindings", call, text, "no bindings")
        }
        PolicyVerb::Effective { principal, target } => {
            let principal = principal.principal();
            let call = async |client: &Client, asked: &Asked| client.effective(asked, &principal).await;
            let ended = target.show(context, "cloud policy effective", call, text::effective);
            ended.map_err(|failure| principal::advised(failure, &principal, &target.local))
        }
        PolicyVerb::ForPrincipal { principal, target } => {
            let principal = principal.principal();
            let call = async |client: &Client, asked: &Asked| client.policies_for(asked, &principal).await;
            let verb = "cloud policy for-principal";
            let ended = target.list(context, verb, call, |rows| list_text(context, rows), NONE);
            ended.map_err(|failure| principal::advised(failure, &principal, &target.local))
        }
    }
}

fn create(context: &Context, args: &CreateArgs) -> Result<Status, Failure> {
    let CreateArgs { name, kind, spec, target } = args;
    let spec = json_file::object(CREATE, "--spec", spec)?;
    let (new, once) = (NewPolicy { name: name.clone(), kind: kind.wire(), spec }, IdempotencyKey::new());
    let call = async |client: &Client, asked: &Asked| client.create_policy(asked, &new, &once).await;
    target.show(context, CREATE, call, |policy| one_text(context, policy))
}

fn update(context: &Context, args: &UpdateArgs) -> Result<Status, Failure> {
    let UpdateArgs { policy, name, spec, target } = args;
    if name.is_none() && spec.is_none() {
        return Err(misused(UPDATE, "nothing is to be changed: give `--name` or `--spec`"));
    }
    let spec = spec.as_deref().map(|place| json_file::object(UPDATE, "--spec", place)).transpose()?;
    let change = PolicyChange { name: name.clone(), spec };
    let call = async |client: &Client, asked: &Asked| client.update_policy(asked, policy, &change).await;
    let ended = target.show(context, UPDATE, call, |policy| one_text(context, policy));
    ended.map_err(|failure| advice::of_policy(failure, policy, &target.local))
}

fn list_text(context: &Context, rows: &List<ToldPolicy>) -> String {
    text::list(&rows.data, context.printer.table(false))
}

fn one_text(context: &Context, policy: &ToldPolicy) -> String {
    text::one(policy, context.local_time().as_ref())
}

/// `deleted: true`.
pub(super) fn flag_text(key: &str, value: bool) -> String {
    block_text(&[(key, value.to_string())])
}
