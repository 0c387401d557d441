//! What holds for every text.

use millpond_sigma::{Pattern, Piece, fold};
use proptest::prelude::*;

use super::{read, rule, selection};

/// Texts of few characters, so that every odd neighbourhood comes up.
const TEXTS: &str = r"[-/–\\*?%a é]{0,12}";

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let piece = prop_oneof![r"[\\*?a]{1,4}".prop_map(Piece::Text), Just(Piece::Run), Just(Piece::One)];
    prop::collection::vec(piece, 0..8)
}

proptest! {
    #[test]
    fn a_pattern_is_read_as_it_is_written(pieces in pieces()) {
        let pattern: Pattern = pieces.into_iter().collect();
        prop_assert_eq!(Pattern::parse(&pattern.to_string()), pattern);
    }

    #[test]
    fn what_is_read_is_written_with_no_more_escapes(text in TEXTS) {
        let pattern = Pattern::parse(&text);
        prop_assert!(pattern.to_string().len() <= text.len());
        prop_assert_eq!(Pattern::parse(&pattern.to_string()), pattern);
    }

    #[test]
    fn a_text_without_special_characters_is_itself(text in "[^*?\\\\]{0,20}") {
        let pattern = Pattern::parse(&text);
        prop_assert_eq!(pattern.as_literal(), Some(text.as_str()));
    }

    #[test]
    fn folding_a_text_folds_its_parts(left in "\\PC{0,8}", right in "\\PC{0,8}") {
        prop_assert_eq!(fold(&format!("{left}{right}")), fold(&left) + &fold(&right));
    }

    #[test]
    fn dashes_differ_only_in_dashes(text in r"[-/–— ab*?]{0,10}") {
        let plain = selection(&format!("f: '{text}'"));
        let expanded = selection(&format!("f|windash: '{text}'"));
        if !expanded.contains("more than") {
            let alternatives: Vec<&str> = expanded.split(" or ").collect();
            let same = |text: &str| text.replace(['/', '–', '—', '―'], "-");
            prop_assert!(alternatives.iter().all(|one| same(one) == same(&plain)), "{expanded}");
            prop_assert!(alternatives.contains(&plain.as_str()), "{expanded}");
            prop_assert!([1, 5, 25, 125, 625, 3_125].contains(&alternatives.len()), "{expanded}");
        }
    }

    #[test]
    fn any_condition_is_taken_or_refused(text in r"[()|*a ]{0,6}( (and|or|not|1 of|all of) [()a*them ]{0,6}){0,4}") {
        let collection = read(&[&rule(&format!("a: {{f: 1}}\ncondition: '{text}'"))]);
        prop_assert_eq!(collection.rules.len() + collection.rejections.len(), 1);
    }

    #[test]
    fn any_text_is_taken_or_refused(text in r"(title|detection|filter|correlation|[-:\[\]{}#&*!|>'%@,?~\n \t]){0,40}") {
        let collection = read(&[&text]);
        prop_assert!(collection.rules.is_empty());
    }
}
