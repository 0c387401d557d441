//! What modifiers make of a text before it is compared: placeholders, dashes, UTF-16, Base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::context::Context;
use super::fault::{Result, fault, fault_with_hint};
use super::modifiers::{Item, Step};
use crate::pattern::{Pattern, Piece};

/// The characters that start an option on Windows: hyphen, slash, en dash, em dash, horizontal bar.
const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];
/// How many texts one value may become: five dashes in one value.
const VARIANTS_MAX: usize = 3_125;

/// What a value is on its way.
#[derive(Clone)]
enum Text {
    Pattern(Pattern),
    Bytes(Vec<u8>),
}

/// The patterns that a text stands for; any of them may match.
pub(crate) fn texts(item: &Item, text: &str, line: u32, context: &Context) -> Result<Vec<Pattern>> {
    let expanded = match item.steps.first() {
        Some(Step::Expand) => expand(text, line, context)?,
        _ => vec![text.to_owned()],
    };
    let mut variants: Vec<Text> = expanded.iter().map(|text| Text::Pattern(Pattern::parse(text))).collect();
    for step in &item.steps {
        let mut next = Vec::new();
        for variant in variants {
            apply(*step, variant, item, line, &mut next)?;
            check_variants(next.len(), item, line)?;
        }
        variants = next;
    }
    variants.into_iter().map(|variant| finish(variant, item, line)).collect()
}

fn apply(step: Step, variant: Text, item: &Item, line: u32, next: &mut Vec<Text>) -> Result<()> {
    match (step, variant) {
        (Step::Expand, variant) => next.push(variant),
        (Step::Windash, Text::Pattern(pattern)) => {
            next.extend(windash(&pattern, item, line)?.into_iter().map(Text::Pattern));
        }
        (Step::Windash, bytes) => next.push(bytes),
        (Step::Utf16 { little, mark }, variant) => {
            next.push(Text::Bytes(utf16(&literal(variant, item, line)?, little, mark)));
        }
        (Step::Base64, variant) => {
            let encoded = STANDARD.encode(bytes(variant, item, line)?);
            next.push(Text::Pattern(Pattern::literal(&encoded)));
        }
        (Step::Base64Offset, variant) => {
            let offsets = base64_offsets(&bytes(variant, item, line)?, item, line)?;
            next.extend(offsets.iter().map(|text| Text::Pattern(Pattern::literal(text))));
        }
    }
    Ok(())
}

fn check_variants(count: usize, item: &Item, line: u32) -> Result<()> {
    if count > VARIANTS_MAX {
        let message = format!("`{}` makes more than {VARIANTS_MAX} texts of one value", item.key);
        return fault_with_hint(line, message, "split the value in parts and use `all`");
    }
    Ok(())
}

/// Bytes that no Base64 follows have to be a text.
fn finish(variant: Text, item: &Item, line: u32) -> Result<Pattern> {
    match variant {
        Text::Pattern(pattern) => Ok(pattern),
        Text::Bytes(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Pattern::literal(&text)),
            Err(_) => {
                let hint = "let `base64` or `base64offset` follow";
                fault_with_hint(line, format!("`{}` makes bytes that are no text", item.key), hint)
            }
        },
    }
}

/// The text of a value that is about to be encoded.
fn literal(variant: Text, item: &Item, line: u32) -> Result<String> {
    let text = match &variant {
        Text::Pattern(pattern) => pattern.as_literal(),
        Text::Bytes(_) => None,
    };
    match text {
        Some(text) => Ok(text.to_owned()),
        None => {
            let hint = "put a backslash before each `*` and `?` that is meant as it is";
            fault_with_hint(line, format!("`{}` cannot encode wildcards", item.key), hint)
        }
    }
}

fn bytes(variant: Text, item: &Item, line: u32) -> Result<Vec<u8>> {
    match variant {
        Text::Bytes(bytes) => Ok(bytes),
        pattern => literal(pattern, item, line).map(String::into_bytes),
    }
}

fn utf16(text: &str, little: bool, mark: bool) -> Vec<u8> {
    let mark = mark.then_some(0xfeff);
    let units = mark.into_iter().chain(text.encode_utf16());
    units.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
}

/// What stays the same of the text's Base64, wherever the text stands in what is encoded: at offsets 0, 1 and 2 the
/// characters that also hold bits of its neighbours are cut off.
fn base64_offsets(bytes: &[u8], item: &Item, line: u32) -> Result<Vec<String>> {
    if bytes.len() < 2 {
        let message =
            format!("`{}` needs two bytes at least: of less, nothing can be recognized at every offset", item.key);
        return fault(line, message);
    }
    let cut = |offset: usize| {
        let shifted = [vec![b' '; offset], bytes.to_vec()].concat();
        let encoded = STANDARD.encode(&shifted);
        let start = [0, 2, 3][offset];
        let end = encoded.len() - [0, 3, 2][shifted.len() % 3];
        encoded[start..end].to_owned()
    };
    Ok((0..3).map(cut).collect())
}

/// Every way to write the dashes at which a word starts.
fn windash(pattern: &Pattern, item: &Item, line: u32) -> Result<Vec<Pattern>> {
    let mut variants: Vec<Vec<Piece>> = vec![Vec::new()];
    for piece in pattern.pieces() {
        let Piece::Text(text) = piece else {
            variants.iter_mut().for_each(|variant| variant.push(piece.clone()));
            continue;
        };
        let mut rest = 0;
        for at in dashes(text) {
            check_variants(variants.len() * DASHES.len(), item, line)?;
            let before = &text[rest..at];
            let with = |variant: &Vec<Piece>, dash: char| {
                [variant.as_slice(), &[Piece::Text(format!("{before}{dash}"))]].concat()
            };
            variants = variants.iter().flat_map(|variant| DASHES.map(|dash| with(variant, dash))).collect();
            rest = at + text[at..].chars().next().map_or(0, char::len_utf8);
        }
        variants.iter_mut().for_each(|variant| variant.push(Piece::Text(text[rest..].to_owned())));
    }
    Ok(variants.into_iter().map(|pieces| pieces.into_iter().collect()).collect())
}

/// Where dashes stand behind no letter, digit or underscore and before one.
fn dashes(text: &str) -> Vec<usize> {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let starts_word = |(at, character): &(usize, char)| {
        DASHES.contains(character)
            && !text[..*at].chars().next_back().is_some_and(is_word)
            && text[at + character.len_utf8()..].chars().next().is_some_and(is_word)
    };
    text.char_indices().filter(starts_word).map(|(at, _)| at).collect()
}

/// The text with its placeholders replaced, once for each way to do so.
fn expand(text: &str, line: u32, context: &Context) -> Result<Vec<String>> {
    let mut variants = vec![String::new()];
    let mut rest = text;
    while let Some((before, name, after)) = next_placeholder(rest) {
        let Some(values) = context.placeholders.get(name).filter(|values| !values.is_empty()) else {
            let hint = format!(
                "say what it stands for here in `placeholders.toml`: `{name} = [\"…\"]`; or leave the rule out"
            );
            return fault_with_hint(line, format!("the placeholder `%{name}%` has no values"), hint);
        };
        if variants.len() * values.len() > VARIANTS_MAX {
            return fault(line, format!("placeholders make more than {VARIANTS_MAX} texts of one value"));
        }
        let before = before.replace("\\%", "%");
        let with = |variant: &String, value: &String| format!("{variant}{before}{value}");
        variants = variants.iter().flat_map(|variant| values.iter().map(|value| with(variant, value))).collect();
        rest = after;
    }
    let rest = rest.replace("\\%", "%");
    Ok(variants.into_iter().map(|variant| variant + &rest).collect())
}

/// What stands before the first placeholder, its name, and what stands behind it.
fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let mut percents = text.match_indices('%').map(|(at, _)| at).filter(|at| !is_escaped(text, *at)).peekable();
    while let Some(start) = percents.next() {
        let name = &text[start + 1..*percents.peek()?];
        if !name.is_empty() && name.chars().all(|character| character.is_alphanumeric() || "_-.".contains(character)) {
            return Some((&text[..start], name, &text[start + 1 + name.len() + 1..]));
        }
    }
    None
}

/// Whether an odd number of backslashes stands before the place.
fn is_escaped(text: &str, at: usize) -> bool {
    text[..at].bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}
