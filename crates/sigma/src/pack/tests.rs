//! What a pack may not be, down to its bytes.

use super::*;
use crate::collection::Collection;

/// Parts and header as they are written, sealed into a pack whose only rule is these bytes.
fn with_rule(rule: &[u8]) -> Pack<Vec<u8>> {
    let mut writer = Writer::default();
    let part = writer.part(rule).expect("a part");
    let correlations = writer.part(&[0]).expect("a part");
    let section = Section { logsource: LogSource::default(), rules: 1, part };
    let header = Header { source_hash: [0; 32], rejected: 0, sections: vec![section], correlations };
    Pack::open(layout::seal(&header, &writer.parts).expect("a pack")).expect("a pack")
}

/// A rule without a condition: its place and what it says about itself.
fn start_of_rule() -> Vec<u8> {
    layout::encoded(&(0u32, crate::rule::About::default())).expect("bytes")
}

fn is_damaged(pack: &Pack<Vec<u8>>) -> bool {
    pack.load(|_| true).is_err_and(|error| error.to_string() == layout::damaged().to_string())
}

#[test]
fn bytes_that_would_take_all_memory_or_stack_are_refused() {
    let null = layout::encoded(&crate::condition::Test::Null).expect("bytes");
    let test = [&[3u8, 1], null.as_slice()].concat();
    let nots = |count: usize| [start_of_rule(), vec![2; count], test.clone()].concat();
    assert_eq!(with_rule(&nots(255)).load(|_| true).expect("rules").rules().len(), 1);
    assert!(is_damaged(&with_rule(&nots(256))), "too deep");
    assert!(is_damaged(&with_rule(&nots(1 << 20))), "much too deep");
    let many = [start_of_rule(), vec![0, 0xff, 0xff, 0xff, 0xff, 0x0f], [0, 0].repeat(5_000_000)].concat();
    assert!(is_damaged(&with_rule(&many)), "too many steps");
    assert!(is_damaged(&with_rule(&[start_of_rule(), vec![0, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat())), "none follow");
    assert!(is_damaged(&with_rule(&[nots(0), vec![0]].concat())), "more follows");
}

#[test]
fn parts_must_lie_inside_and_unpack_to_what_they_say() {
    let mut writer = Writer::default();
    let correlations = writer.part(&[0]).expect("a part");
    let header = |correlations| Header { source_hash: [0; 32], rejected: 0, sections: Vec::new(), correlations };
    let opened = |part| Pack::open(layout::seal(&header(part), &writer.parts).expect("a pack"));
    assert!(opened(correlations).expect("a pack").load(|_| true).is_ok());
    for (offset, length) in [(u64::MAX, 1), (u64::MAX, u64::MAX), (0, 1 << 40), (1 << 40, 0)] {
        assert!(opened(layout::Part { offset, length, unpacked: 1 }).is_err());
    }
    assert!(opened(layout::Part { unpacked: layout::UNPACKED_BYTES_MAX + 1, ..correlations }).is_err());
    for part in [layout::Part { unpacked: 2, ..correlations }, layout::Part { unpacked: 0, ..correlations }] {
        assert!(is_damaged(&opened(part).expect("a pack")));
    }
    // The hash at the end is no part.
    let behind = layout::Part { length: correlations.length + 1, ..correlations };
    assert!(opened(behind).is_err());
}

/// Compares what is behind the compression, which may come out differently in another version of zstd.
#[test]
fn what_is_written_means_what_version_1_means() {
    let golden = Pack::open(&include_bytes!("../../tests/golden/pack-v1.bin")[..]).expect("a pack");
    let set = golden.load(|_| true).expect("rules");
    let collection =
        Collection { rules: set.rules().to_vec(), correlations: set.correlations().to_vec(), ..Collection::default() };
    let written = Pack::open(Pack::write(&collection, golden.source_hash()).expect("bytes")).expect("a pack");
    assert_eq!(
        contents(&written),
        contents(&golden),
        "give the format another version, and the golden file of it a name"
    );
}

fn contents<B: AsRef<[u8]>>(pack: &Pack<B>) -> Vec<Vec<u8>> {
    let parts = &pack.bytes.as_ref()[pack.parts_start..];
    let all = pack.header.sections.iter().map(|section| &section.part).chain([&pack.header.correlations]);
    all.map(|part| zstd::decode_all(part.of(parts).expect("inside")).expect("zstd")).collect()
}
