//! Tools of a request that the provider runs itself: what they cost is in no count of the caller's.
//!
//! Source: OpenAI API reference, "Create a model response", `tools`; Anthropic API reference, "Create a Message", `tools`
//! (client and server tools); Gemini API reference, `Tool`.

use std::ops::Range;

use super::{
    json_members::visit_elements,
    json_read,
    judged::{Judged, Member, says_something},
    repeated::shown,
    routing_fields::string,
    spelling::{Spelling, camel},
    walk::{Value, Visitor, walk},
};

/// The most tools of the provider's that are kept, and the most in one list that are looked at. Whoever names more may have
/// anything among them.
const MOST: usize = 64;
const MOST_IN_A_LIST: usize = 4_096;

/// A tool that the provider runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProviderTool {
    /// Its `type`, as a manifest prices it; of Google's the member that says what it is, in `camelCase`. Empty where it says
    /// nothing.
    pub(crate) kind: String,
    /// Where it stands, for whoever reads an error: `tools[1]`, `tools[0].googleSearch`.
    pub(crate) name: String,
    /// How often it may be used, as it says itself.
    pub(crate) uses: Option<u64>,
    /// Its value in the body.
    pub(crate) at: Range<usize>,
}

/// How a dialect says which tools the caller runs.
#[derive(Clone, Copy)]
pub(super) enum ToolRules {
    /// By their `type`, and perhaps more. `has_uses`: `max_uses` of a tool bounds its uses.
    ByType { runner: fn(&Tool<'_>) -> Runner, has_uses: bool },
    /// Each member of a tool is one, but for these.
    ByMember(&'static [&'static str]),
}

/// Who runs a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runner {
    Caller,
    Provider,
    /// It is a list of tools under one name.
    Several,
}

/// A tool, as far as it says who runs it.
pub(super) struct Tool<'t> {
    /// `None` where it has no `type`, or null.
    pub(super) kind: Option<&'t str>,
    /// The value of its `environment`.
    pub(super) environment: Option<&'t str>,
}

impl Tool<'_> {
    /// True where its environment is the caller's own machine.
    pub(super) fn is_local(&self) -> bool {
        let kind = self.environment.and_then(|environment| json_read::values(environment, ["type"]));
        matches!(kind, Some([Some(kind)]) if string(kind).as_deref() == Some("local"))
    }
}

/// Where in a body a tool is looked for.
struct Place<'t, 'p> {
    text: &'t str,
    at: Range<usize>,
    /// For whoever reads an error.
    name: &'p str,
    /// Tools may hold tools, but those none.
    is_nested: bool,
    spelling: Spelling,
}

/// Reads the value of `tools`.
pub(super) fn read(judged: &mut Judged, rules: ToolRules, member: &Member<'_>) {
    let place =
        Place { text: member.text, at: member.at.clone(), name: "tools", is_nested: false, spelling: member.spelling };
    read_list(judged, rules, &place);
}

fn read_list(judged: &mut Judged, rules: ToolRules, place: &Place<'_, '_>) {
    let text = place.text;
    let Some(list) = text.get(place.at.clone()).filter(|list| says_something(list)) else { return };
    let (mut index, start) = (0_usize, place.at.start);
    let read = visit_elements(list.as_bytes(), |at| {
        if index < MOST_IN_A_LIST {
            let name = format!("{}[{index}]", place.name);
            let at = start + at.start..start + at.end;
            read_tool(judged, rules, &Place { name: &name, at, ..*place });
        }
        index += 1;
    });
    if index > MOST_IN_A_LIST {
        may_be_anything(judged, place);
    }
    if read.is_none() {
        // No list at all, or one so deep that nobody reads it.
        if list.starts_with('{') {
            read_tool(judged, rules, place);
        } else {
            add(judged, place, String::new(), None);
        }
    }
}

fn read_tool(judged: &mut Judged, rules: ToolRules, place: &Place<'_, '_>) {
    let raw = place.text.get(place.at.clone()).unwrap_or_default();
    match rules {
        ToolRules::ByType { runner, has_uses } => {
            let Some(found) = TypedTool::read(raw) else { return add(judged, place, String::new(), None) };
            if found.value(raw, MODEL).is_some_and(says_something) {
                judged.chooses(|| format!("{}.model", place.name));
            }
            let kind = found.value(raw, TYPE).map(|kind| string(kind).unwrap_or_default());
            let tool = Tool { kind: kind.as_deref(), environment: found.value(raw, ENVIRONMENT) };
            match runner(&tool) {
                Runner::Caller => {}
                Runner::Several if !place.is_nested => {
                    let Some(at) = found.0[TOOLS].clone() else { return };
                    let at = place.at.start + at.start..place.at.start + at.end;
                    let name = format!("{}.tools", place.name);
                    read_list(judged, rules, &Place { name: &name, at, is_nested: true, ..*place });
                }
                Runner::Several | Runner::Provider => {
                    choose_within(judged, place, raw);
                    let uses = found.value(raw, USES).filter(|_| has_uses);
                    let uses = uses.and_then(|uses| judged.count("max_uses", uses));
                    add(judged, place, shown(kind.unwrap_or_default().as_bytes()), uses);
                }
            }
        }
        ToolRules::ByMember(free) => by_member(judged, free, place, raw),
    }
}

/// What of a tool with a `type` is looked at, by place in [`TypedTool::NAMES`].
const TYPE: usize = 0;
const ENVIRONMENT: usize = 1;
const USES: usize = 2;
const TOOLS: usize = 3;
const MODEL: usize = 4;

/// Where the members of such a tool stand in it.
#[derive(Default)]
struct TypedTool([Option<Range<usize>>; 5]);

impl TypedTool {
    const NAMES: [&[u8]; 5] = [b"type", b"environment", b"max_uses", b"tools", b"model"];

    /// `None` where it is no object.
    fn read(raw: &str) -> Option<Self> {
        let note = |found: &mut Self, name: &[u8], at| {
            if let Some(index) = Self::NAMES.iter().position(|known| *known == name) {
                found.0[index] = Some(at);
            }
        };
        json_read::members(raw, note).ok()
    }

    /// A member's value in `raw`; `None` where it is null.
    fn value<'r>(&self, raw: &'r str, index: usize) -> Option<&'r str> {
        self.0[index].clone().and_then(|at| raw.get(at)).filter(|value| *value != "null")
    }
}

fn by_member(judged: &mut Judged, free: &[&str], place: &Place<'_, '_>, raw: &str) {
    let found = json_read::members(raw, |found: &mut Vec<(String, Range<usize>)>, name, at| {
        if found.len() <= MOST && &raw[at.clone()] != "null" {
            found.push((shown(name), at));
        }
    });
    let Ok(found) = found else { return add(judged, place, String::new(), None) };
    if found.len() > MOST {
        may_be_anything(judged, place);
    }
    for (member, at) in found {
        if place.spelling.find(&member, free).is_some() {
            continue;
        }
        let name = format!("{}.{member}", place.name);
        // Nobody knows such a member, and it says by its name what it does.
        if matches!(member.as_str(), "model" | "models") && says_something(&raw[at.clone()]) {
            judged.chooses(|| name.clone());
        }
        let kind = String::from_utf8_lossy(&camel(member.as_bytes().into())).into_owned();
        let value = place.at.start + at.start..place.at.start + at.end;
        let tool = Place { name: &name, at: value, ..*place };
        choose_within(judged, &tool, &raw[at]);
        add(judged, &tool, kind, None);
    }
}

fn add(judged: &mut Judged, place: &Place<'_, '_>, kind: String, uses: Option<u64>) {
    if judged.tools.len() < MOST {
        judged.tools.push(ProviderTool { kind, name: place.name.to_owned(), uses, at: place.at.clone() });
    } else {
        judged.unbounded.get_or_insert_with(|| place.name.to_owned());
    }
}

/// More stands there than is looked at.
fn may_be_anything(judged: &mut Judged, place: &Place<'_, '_>) {
    judged.chooses(|| place.name.to_owned());
    judged.unbounded.get_or_insert_with(|| place.name.to_owned());
}

/// What a provider runs may run a model, wherever it says which.
fn choose_within(judged: &mut Judged, place: &Place<'_, '_>, raw: &str) {
    let mut models = Models { text: raw, found: None };
    walk(raw, &mut (), &mut models);
    if let Some(member) = models.found {
        judged.chooses(|| format!("{}.{member}", place.name));
    }
}

/// Looks for the names of models at any depth.
struct Models<'t> {
    text: &'t str,
    found: Option<&'static str>,
}

impl Visitor<()> for Models<'_> {
    fn value(&mut self, (): &mut (), name: Option<&str>, value: &Value) -> Option<()> {
        let name = name.and_then(|name| ["model", "models"].into_iter().find(|known| *known == name));
        if name.is_some() && self.found.is_none() {
            let is_null = matches!(value, Value::Scalar(at) if &self.text[at.clone()] == "null");
            self.found = name.filter(|_| !is_null);
        }
        self.found.is_none().then_some(())
    }

    fn closed(&mut self, (): (), (): &mut ()) {}
}
