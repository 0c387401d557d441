//! Properties: results depend on the bytes alone, not on how they arrive or on what else is asked for.

use millpond_core::columns::SystemColumn;
use millpond_core::format::{DecodeLimits, DecodeRequest};
use proptest::prelude::*;

use super::{auto, columns, request, try_decode, with_system};

/// Hands out its bytes in pieces of the given lengths, over and over.
struct Pieces {
    bytes: Vec<u8>,
    position: usize,
    lengths: Vec<usize>,
    turn: usize,
}

impl std::io::Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let length = self.lengths[self.turn % self.lengths.len()].min(out.len());
        self.turn += 1;
        let end = (self.position + length).min(self.bytes.len());
        let piece = &self.bytes[self.position..end];
        out[..piece.len()].copy_from_slice(piece);
        self.position = end;
        Ok(piece.len())
    }
}

/// Inputs with something of everything in them, good and broken.
fn inputs() -> Vec<Vec<u8>> {
    let json = r#"{"a":1,"b":"x\u00e9","c":{"d":[1,2,{"e":"]"}]}}"#;
    let lines = format!("{json}\r\n{{\"a\":\n{{\"a\":\"z\",\"b\":null}}\n\n[1]\n{json}{json}\n{{\"b\":\"\u{e9}\"}}");
    let mut inputs = vec![
        lines.clone().into_bytes(),
        format!("[{json},\n{json},{{\"a\":tru}},7,{json}]").into_bytes(),
        format!("{{\"Records\":[{json},{json}],\"x\":[{{}}]}}\n{{\"Records\":[{json}").into_bytes(),
        format!("{{\n\"a\": 1\n}}\n{{\n\"a\": \"\n}}\n{json}").into_bytes(),
        b"a,b,c\n1,\"x\ny\",z\n2,,\n3,\"\"\"q\"\"\",1,2\n4,\"open\n5,a,b\n".to_vec(),
        b"#separator \\x09\n#fields\ta\tb\n#types\tcount\tset[string]\n1\tx,y\n#close\t1\n-\t(empty)\n".to_vec(),
        lines.replace('\r', "").replace('\n', "\r").into_bytes(),
        [vec![0xff, 0xfe], lines.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat(),
    ];
    let zipped = zstd::encode_all(lines.as_bytes(), 1).expect("memory takes it");
    inputs.push(zipped[..zipped.len() - 3].to_vec());
    inputs
}

fn everything(limits: DecodeLimits) -> DecodeRequest {
    let request = with_system(auto("a: int; b: text; c: text"), &SystemColumn::ALL);
    DecodeRequest { limits, batch_rows: 2, ..request }
}

fn outcome(request: DecodeRequest, bytes: &[u8], lengths: Vec<usize>) -> (Vec<String>, Vec<String>) {
    let pieces = Pieces { bytes: bytes.to_vec(), position: 0, lengths, turn: 0 };
    let decoded = try_decode(request, Box::new(pieces)).expect("the input decodes");
    let rejected = decoded.rejected();
    (decoded.rows, rejected)
}

proptest! {
    #[test]
    fn pieces_do_not_matter(lengths in proptest::collection::vec(1usize..40, 1..8), input in 0usize..9) {
        let input = &inputs()[input];
        let whole = outcome(everything(DecodeLimits::default()), input, vec![1 << 20]);
        prop_assert_eq!(outcome(everything(DecodeLimits::default()), input, lengths), whole);
    }

    #[test]
    fn columns_do_not_matter(which in proptest::sample::subsequence(vec!["a: int", "b: text", "c: text"], 0..=3), input in 0usize..9) {
        let input = &inputs()[input];
        let narrow = outcome(request(millpond_core::format::Format::Auto, columns(&which.join(";"))), input, vec![1 << 20]);
        let wide = outcome(auto("a: int; b: text; c: text"), input, vec![1 << 20]);
        prop_assert_eq!(&narrow.1, &wide.1);
        prop_assert_eq!(narrow.0.len(), wide.0.len());
        for (narrow, wide) in narrow.0.iter().zip(&wide.0) {
            let narrow: serde_json::Map<String, serde_json::Value> = serde_json::from_str(narrow).expect("JSON");
            let wide: serde_json::Map<String, serde_json::Value> = serde_json::from_str(wide).expect("JSON");
            for (name, value) in narrow {
                prop_assert_eq!(Some(&value), wide.get(&name));
            }
        }
    }

    #[test]
    fn garbage_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), prefix in 0usize..9, flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..6)) {
        let mut input = inputs()[prefix].clone();
        for (position, byte) in flips {
            let length = input.len();
            input[position % length] = byte;
        }
        input.append(&mut bytes);
        let limits = DecodeLimits { record_bytes_max: 64, depth_max: 5, ..DecodeLimits::default() };
        let _ = try_decode(everything(limits), Box::new(std::io::Cursor::new(input)));
    }
}
