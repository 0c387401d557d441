//! Learning formats and columns from samples.

use millpond_core::format::{DecodeLimits, Format};
use millpond_decode::learn::{Learned, learn};

fn learned(files: &[&str]) -> Learned {
    let input = |text: &&str| Box::new(std::io::Cursor::new((*text).to_owned().into_bytes())) as _;
    let files = files.iter().enumerate().map(|(number, text)| (format!("file{number}"), input(text))).collect();
    learn(files, DecodeLimits::default()).expect("samples are learned")
}

fn types(learned: &Learned) -> Vec<String> {
    learned.columns.iter().map(|column| format!("{}: {}", column.name, column.kind)).collect()
}

#[test]
fn json_types_are_merged_over_files() {
    let first =
        r#"{"Records":[{"i":1,"f":1,"b":true,"t":"2024-01-02T03:04:05Z","s":{"x":1,"y":null},"l":[1,2],"m":1}]}"#;
    let second = r#"{"Records":[{"i":null,"f":1.5,"n":"443","s":{"z":{"q":["a"]}},"l":[],"m":"x","u":18446744073709551615,"e":{}}]}"#;
    let learned = learned(&[first, "", second]);
    assert_eq!(learned.format, Format::Json { records: vec![vec!["Records".to_owned()]] });
    assert_eq!(learned.records, 2);
    let expected = [
        "i: int",
        "f: float",
        "b: boolean",
        "t: timestamp",
        "s: { x = int, y = text, z = { q = list(text) } }",
        "l: list(int)",
        "m: text",
        "n: text",
        "u: text",
        "e: text",
    ];
    assert_eq!(types(&learned), expected);
}

#[test]
fn many_keys_are_data() {
    let text: String = (0..100).map(|number| format!("{{\"m\":{{\"key{number}\":{number}}}}}\n")).collect();
    assert_eq!(types(&learned(&[&text])), ["m: map(text)"]);
}

#[test]
fn cells_are_typed_only_when_all_fit() {
    let learned = learned(&["i,z,f,t,x\n1,007,1.5,2024-01-02T03:04:05Z,1\n-2,1,2,,a\n"]);
    assert_eq!(types(&learned), ["i: int", "z: text", "f: float", "t: timestamp", "x: text"]);
}

#[test]
fn zeek_types_come_from_the_header() {
    let learned = learned(&["#separator \\x09\n#fields\tts\tp\ttags\n#types\ttime\tport\tset[enum]\n1.5\t80\t-\n"]);
    assert_eq!(types(&learned), ["ts: timestamp(s)", "p: int", "tags: list(text)"]);
}

#[test]
fn samples_of_two_formats_are_refused() {
    let files: Vec<(String, Box<dyn std::io::Read + Send>)> =
        vec![("a".to_owned(), Box::new(b"{}\n".as_slice())), ("b".to_owned(), Box::new(b"x,y\n1,2\n".as_slice()))];
    let error = learn(files, DecodeLimits::default()).expect_err("two formats");
    assert!(error.to_string().contains("`b` is `csv`"), "{error}");
}
