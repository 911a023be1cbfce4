//! Two descriptor sets side by side: what in the newer one would break a client or a daemon of the older one (pure).
//! Additions are fine; what was there keeps its number, name, type and shape.

use std::collections::BTreeMap;

use prost::Message as _;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet, field_descriptor_proto::Label};

/// Reads an encoded set.
#[track_caller]
pub fn decode(bytes: &[u8]) -> FileDescriptorSet {
    FileDescriptorSet::decode(bytes).expect("a descriptor set")
}

/// Everything in `new` that breaks what `old` promised, one sentence each.
pub fn breaks(old: &FileDescriptorSet, new: &FileDescriptorSet) -> Vec<String> {
    let mut found = Vec::new();
    let (before, after) = (Surface::of(old), Surface::of(new));
    for (name, method) in &before.methods {
        match after.methods.get(name) {
            None => found.push(format!("method `{name}` is gone")),
            Some(now) if now != method => found.push(format!("method `{name}` was {method}, is {now}")),
            Some(_) => {}
        }
    }
    for (name, message) in &before.messages {
        match after.messages.get(name) {
            None => found.push(format!("message `{name}` is gone")),
            Some(now) => found.extend(fields(name, message, now)),
        }
    }
    for (name, number) in &before.enum_values {
        match after.enum_values.get(name) {
            None => found.push(format!("enum value `{name}` is gone")),
            Some(now) if now != number => found.push(format!("enum value `{name}` was {number}, is {now}")),
            Some(_) => {}
        }
    }
    found
}

fn fields(message: &str, old: &DescriptorProto, new: &DescriptorProto) -> Vec<String> {
    let mut found = Vec::new();
    for field in &old.field {
        let (name, number) = (field.name(), field.number());
        let Some(now) = new.field.iter().find(|now| now.number() == number) else {
            let reserved = new.reserved_range.iter().any(|range| (range.start()..range.end()).contains(&number));
            let moved = new.field.iter().find(|now| now.name() == name).map(FieldDescriptorProto::number);
            found.push(match (moved, reserved) {
                (Some(moved), _) => format!("field `{message}.{name}` was number {number}, is {moved}"),
                (None, true) => format!("field `{message}.{name}` is gone (number {number} is reserved)"),
                (None, false) => format!("field `{message}.{name}` is gone and number {number} is free for another"),
            });
            continue;
        };
        if now.name() != name {
            found.push(format!("field `{message}.{name}` (number {number}) is now called `{}`", now.name()));
        }
        if (now.r#type(), now.type_name()) != (field.r#type(), field.type_name()) {
            found.push(format!("field `{message}.{name}` was {}, is {}", type_of(field), type_of(now)));
        }
        if shape(now) != shape(field) {
            found.push(format!("field `{message}.{name}` was {}, is {}", shape(field), shape(now)));
        }
    }
    found
}

fn type_of(field: &FieldDescriptorProto) -> String {
    if field.type_name().is_empty() { format!("{:?}", field.r#type()) } else { field.type_name().to_owned() }
}

fn shape(field: &FieldDescriptorProto) -> &'static str {
    match (field.label(), field.proto3_optional(), field.oneof_index) {
        (Label::Repeated, ..) => "repeated",
        (_, true, _) => "optional",
        (_, false, Some(_)) => "in a oneof",
        _ => "single",
    }
}

/// What others build on, by full name.
struct Surface<'a> {
    methods: BTreeMap<String, String>,
    messages: BTreeMap<String, &'a DescriptorProto>,
    enum_values: BTreeMap<String, i32>,
}

impl<'a> Surface<'a> {
    fn of(set: &'a FileDescriptorSet) -> Self {
        let mut surface = Self { methods: BTreeMap::new(), messages: BTreeMap::new(), enum_values: BTreeMap::new() };
        for file in &set.file {
            let package = file.package();
            for service in &file.service {
                for method in &service.method {
                    let stream = |streams| if streams { "stream " } else { "" };
                    let shape = format!(
                        "({}{}) -> {}{}",
                        stream(method.client_streaming()),
                        method.input_type(),
                        stream(method.server_streaming()),
                        method.output_type()
                    );
                    surface.methods.insert(format!("{package}.{}/{}", service.name(), method.name()), shape);
                }
            }
            for message in &file.message_type {
                surface.add(package, message);
            }
            for one in &file.enum_type {
                for value in &one.value {
                    surface.enum_values.insert(format!("{package}.{}.{}", one.name(), value.name()), value.number());
                }
            }
        }
        surface
    }

    fn add(&mut self, outer: &str, message: &'a DescriptorProto) {
        let name = format!("{outer}.{}", message.name());
        for nested in &message.nested_type {
            self.add(&name, nested);
        }
        for one in &message.enum_type {
            for value in &one.value {
                self.enum_values.insert(format!("{name}.{}.{}", one.name(), value.name()), value.number());
            }
        }
        self.messages.insert(name, message);
    }
}
