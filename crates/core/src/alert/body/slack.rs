//! Blocks of Slack (<https://docs.slack.dev/reference/block-kit/blocks>).

use serde_json::{Value, json};

use super::{facts, line};
use crate::alert::{Change, Message, Template, cut};

/// Characters of a header, a field and a text, as Slack takes them; escapes may make a text longer.
const HEADER_MAX: usize = 150;
const FIELD_MAX: usize = 1_500;
const TEXT_MAX: usize = 2_500;
/// Fields of one section.
const FIELDS_MAX: usize = 10;

/// The body for an incoming webhook.
pub fn slack(message: &Message, template: &Template) -> Value {
    let line = line(message, template);
    let mut blocks = vec![json!({
        "type": "header",
        "text": {"type": "plain_text", "text": cut(&line, HEADER_MAX), "emoji": false},
    })];
    let told = match message.alert.change {
        Change::Escalated => "*The severity rose.* ",
        _ => "",
    };
    let sentence = message.alert.message.as_deref().unwrap_or_default();
    if !(told.is_empty() && sentence.is_empty()) {
        let text = format!("{told}{}", escaped(&cut(sentence, TEXT_MAX)));
        blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "text": text.trim_end()}}));
    }
    let facts = facts(message);
    for facts in facts.chunks(FIELDS_MAX) {
        blocks.push(json!({"type": "section", "fields": facts.iter().map(field).collect::<Vec<_>>()}));
    }
    json!({"text": escaped(&line), "blocks": blocks})
}

fn field((name, value): &(&str, String)) -> Value {
    json!({"type": "mrkdwn", "text": format!("*{name}*\n{}", escaped(&cut(value, FIELD_MAX)))})
}

/// The three characters that Slack reads as its own.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
