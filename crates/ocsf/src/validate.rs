//! Holding events against the schema, by the rules that `schema/ocsf/README.md` lists with their codes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{LazyLock, Mutex, PoisonError};

use regex::Regex;
use serde_json::{Map, Value};

use crate::schema::{Attribute, Item, Requirement, Schema, Type};

/// Something wrong with an event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What rule it breaks, such as `attribute_required_missing`.
    pub code: &'static str,
    /// Where, such as `src_endpoint.port`; empty: the event itself.
    pub path: String,
    /// What stands there, or what was expected.
    pub detail: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The event is not OCSF.
    Error,
    /// The event is odd.
    Warning,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.path.is_empty() { "event" } else { &self.path };
        write!(out, "{}: `{place}`", self.code)?;
        if self.detail.is_empty() { Ok(()) } else { write!(out, " {}", self.detail) }
    }
}

/// Holds one event against the schema. Times are milliseconds since 1970; keys that start with `_` are not looked at; where
/// the schema has any object or any JSON, text with JSON in it will do.
pub fn validate(event: &Map<String, Value>) -> Vec<Finding> {
    let schema = Schema::get();
    let mut check = Check { schema, profiles: profiles_of(event), found: Vec::new() };
    let uid = event.get("class_uid").and_then(Value::as_i64);
    let Some(class) = uid.and_then(|uid| schema.class(schema.class_name(uid)?)) else {
        let given = event.get("class_uid").unwrap_or(&Value::Null);
        check.error("class_uid_unknown", "class_uid", format!("is {given}"));
        return check.found;
    };
    for profile in check.profiles.clone() {
        if !schema.profiles().any(|known| known == profile) {
            check.error("profile_unknown", "metadata.profiles", format!("has `{profile}`"));
        }
    }
    if class.deprecated.is_some() {
        check.warning("class_deprecated", "class_uid", format!("is {}", class.uid));
    }
    check.object(event, class, "");
    let version = event.get("metadata").and_then(|metadata| metadata.get("version")).and_then(Value::as_str);
    if version.is_some_and(|version| version != schema.version()) {
        check.error("version_incorrect", "metadata.version", format!("is not {}", schema.version()));
    }
    let number = |name: &str| event.get(name).and_then(Value::as_i64);
    if let (Some(activity), Some(kind)) = (number("activity_id"), number("type_uid"))
        && kind != class.uid * 100 + activity
    {
        check.error("type_uid_incorrect", "type_uid", format!("is {kind}"));
    }
    check.found
}

fn profiles_of(event: &Map<String, Value>) -> Vec<String> {
    let profiles = event.get("metadata").and_then(|metadata| metadata.get("profiles")).and_then(Value::as_array);
    profiles.into_iter().flatten().filter_map(|name| Some(name.as_str()?.to_owned())).collect()
}

struct Check {
    schema: &'static Schema,
    profiles: Vec<String>,
    found: Vec<Finding>,
}

impl Check {
    fn error(&mut self, code: &'static str, path: &str, detail: String) {
        self.found.push(Finding { level: Level::Error, code, path: path.to_owned(), detail });
    }

    fn warning(&mut self, code: &'static str, path: &str, detail: String) {
        self.found.push(Finding { level: Level::Warning, code, path: path.to_owned(), detail });
    }

    fn object(&mut self, object: &Map<String, Value>, item: &Item, path: &str) {
        if item.is_open() {
            return;
        }
        for (name, attribute) in &item.attributes {
            if !attribute.is_in(&self.profiles) {
                continue;
            }
            let at = below(path, name);
            match object.get(name).filter(|value| !value.is_null()) {
                Some(value) => self.attribute(value, object, attribute, &at),
                None if attribute.requirement == Requirement::Required => {
                    self.error("attribute_required_missing", &at, String::new());
                }
                None => {}
            }
        }
        let is_known = |name: &str| item.attributes.get(name).is_some_and(|known| known.is_in(&self.profiles));
        let unknown =
            object.iter().filter(|(name, value)| !value.is_null() && !name.starts_with('_') && !is_known(name));
        let unknown: Vec<&String> = unknown.map(|(name, _)| name).collect();
        for name in unknown {
            let profiles = item.attributes.get(name).map(|known| known.profiles.join("` or `"));
            let detail = profiles.map(|profiles| format!("needs the profile `{profiles}`")).unwrap_or_default();
            self.error("attribute_unknown", &below(path, name), detail);
        }
        for (rule, names) in &item.constraints {
            let count = names.iter().filter(|name| has(object, name)).count();
            if (rule == "at_least_one" && count == 0) || (rule == "just_one" && count != 1) {
                self.error("constraint_failed", path, format!("has {count} of {}: {rule}", names.join(", ")));
            }
        }
    }

    fn attribute(&mut self, value: &Value, parent: &Map<String, Value>, attribute: &Attribute, at: &str) {
        if attribute.deprecated.is_some() {
            self.warning("attribute_deprecated", at, String::new());
        }
        let text = attribute.sibling.as_ref().and_then(|sibling| parent.get(sibling));
        if !attribute.is_array {
            self.value(value, attribute, at);
            self.enumerated(value, text.and_then(Value::as_str), attribute, at);
            return;
        }
        let Some(items) = value.as_array() else {
            self.error("attribute_wrong_type", at, format!("is no list: {value}"));
            return;
        };
        for (index, item) in items.iter().enumerate() {
            let at = format!("{at}[{index}]");
            let text = text.and_then(|text| text.get(index)?.as_str());
            self.value(item, attribute, &at);
            self.enumerated(item, text, attribute, &at);
        }
    }

    fn enumerated(&mut self, value: &Value, text: Option<&str>, attribute: &Attribute, at: &str) {
        if attribute.values.is_empty() {
            return;
        }
        let key = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let Some(caption) = attribute.values.get(&key) else {
            self.error("attribute_enum_value_unknown", at, format!("is {value}"));
            return;
        };
        if attribute.enum_deprecated.contains_key(&key) {
            self.warning("attribute_enum_value_deprecated", at, format!("is {value}"));
        }
        match text {
            Some(text) if key == "99" && text == caption => {
                self.warning("attribute_enum_sibling_suspicious_other", at, "has the text `Other`".to_owned());
            }
            Some(text) if key != "99" && text != caption => {
                self.warning("attribute_enum_sibling_incorrect", at, format!("is `{text}` and not `{caption}`"));
            }
            _ => {}
        }
    }

    fn value(&mut self, value: &Value, attribute: &Attribute, at: &str) {
        if let Some(object) = self.schema.object(&attribute.kind) {
            match value {
                Value::Object(fields) => self.object(fields, object, at),
                Value::String(text) if object.is_open() && serde_json::from_str::<Map<String, Value>>(text).is_ok() => {
                }
                other => self.wrong_type(other, attribute, at),
            }
            return;
        }
        let Some(kind) = self.schema.scalar(&attribute.kind) else { return };
        let fits = match kind.primitive.as_str() {
            "boolean_t" => value.is_boolean(),
            "string_t" => value.is_string(),
            "integer_t" | "long_t" => value.is_i64(),
            "float_t" => value.is_number(),
            _ => true,
        };
        if !fits {
            self.wrong_type(value, attribute, at);
            return;
        }
        self.range(value, kind, &attribute.kind, at);
    }

    fn range(&mut self, value: &Value, kind: &Type, name: &str, at: &str) {
        if let (Some(number), Some((least, most))) = (value.as_i64(), kind.range)
            && !(least..=most).contains(&number)
        {
            self.error("attribute_value_exceeds_range", at, format!("is {number}, of {least} to {most}"));
        }
        let Some(text) = value.as_str() else { return };
        if kind.max_len.is_some_and(|most| text.chars().count() > most) {
            self.error("attribute_value_exceeds_max_len", at, format!("is {text:?}"));
        }
        if kind.regex.as_ref().is_some_and(|pattern| !matches(name, pattern, text)) {
            self.warning("attribute_value_regex_not_matched", at, format!("is {text:?}, and no `{name}`"));
        }
    }

    fn wrong_type(&mut self, value: &Value, attribute: &Attribute, at: &str) {
        self.error("attribute_wrong_type", at, format!("is {value}, and no `{}`", attribute.kind));
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Whether something stands at a path such as `device.os.version`.
fn has(object: &Map<String, Value>, path: &str) -> bool {
    let mut steps = path.split('.');
    let first = steps.next().and_then(|name| object.get(name));
    let last = steps.try_fold(first, |value, name| Some(value?.get(name)));
    last.flatten().is_some_and(|value| !value.is_null())
}

fn matches(kind: &str, pattern: &str, text: &str) -> bool {
    static COMPILED: LazyLock<Mutex<BTreeMap<String, Option<Regex>>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let regex = compiled.entry(kind.to_owned()).or_insert_with(|| Regex::new(pattern).ok());
    regex.as_ref().is_none_or(|regex| regex.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn flow() -> Value {
        json!({
            "activity_id": 6, "activity_name": "Traffic", "category_uid": 4, "class_uid": 4001, "type_uid": 400106,
            "time": 1_763_884_800_000_i64, "severity_id": 1,
            "metadata": {"version": "1.8.0", "product": {"name": "fw", "vendor_name": "acme"}, "profiles": ["security_control"]},
            "action_id": 2, "src_endpoint": {"ip": "10.0.0.5", "port": 40_000}, "dst_endpoint": {"ip": "198.51.100.9"},
            "unmapped": "{\"zone\":\"dmz\"}", "_row": 1
        })
    }

    fn found(event: &Value) -> Vec<String> {
        let found = validate(event.as_object().expect("an object"));
        found.into_iter().map(|finding| format!("{} {}", finding.code, finding.path)).collect()
    }

    #[test]
    fn a_right_event_has_no_findings() {
        assert_eq!(found(&flow()), Vec::<String>::new());
    }

    #[test]
    fn each_rule_finds_what_breaks_it() {
        for (pointer, value, expected) in [
            ("/class_uid", json!(4), "class_uid_unknown class_uid"),
            ("/time", json!("now"), "attribute_wrong_type time"),
            ("/time", Value::Null, "attribute_required_missing time"),
            ("/type_uid", json!(400101), "type_uid_incorrect type_uid"),
            ("/activity_id", json!(55), "attribute_enum_value_unknown activity_id"),
            ("/activity_name", json!("Traffics"), "attribute_enum_sibling_incorrect activity_id"),
            ("/metadata/profiles", json!([]), "attribute_unknown action_id"),
            ("/metadata/profiles/0", json!("wrong"), "profile_unknown metadata.profiles"),
            ("/metadata/version", json!("1.0.0"), "version_incorrect metadata.version"),
            ("/src_endpoint/port", json!(70_000), "attribute_value_exceeds_range src_endpoint.port"),
            ("/src_endpoint/ip", json!("localhost"), "attribute_value_regex_not_matched src_endpoint.ip"),
            ("/src_endpoint", json!({}), "constraint_failed src_endpoint"),
            ("/src_endpoint", json!({"ip": "10.0.0.5", "zoned": 1}), "attribute_unknown src_endpoint.zoned"),
            ("/unmapped", json!("no JSON"), "attribute_wrong_type unmapped"),
        ] {
            let mut event = flow();
            *event.pointer_mut(pointer).expect(pointer) = value;
            let found = found(&event);
            assert!(found.iter().any(|finding| finding == expected), "{pointer}: {found:?}");
        }
    }
}
