use std::io::Write;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;

use super::*;
use crate::spool::temporary_file;

fn number(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A list of structs as the field behind the one before.
fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [&[0x19, 0xfc][..], &number(items.len() as u64), &items.concat()].concat()
}

/// An element of a schema: repeated, with a name, and some children.
fn element(name: &str, children: u64) -> Vec<u8> {
    [&[0x35, 4, 0x18][..], &number(name.len() as u64), name.as_bytes(), &[0x15], &number(2 * children), &[0]].concat()
}

/// An index with its version, this schema, and no rows.
fn index(schema: &[Vec<u8>]) -> Vec<u8> {
    [&[0x15, 2][..], &list(schema), &[0x16, 0], &list(&[]), &[0]].concat()
}

fn nested(levels: usize) -> Vec<u8> {
    let mut schema = vec![element("a", 1); levels];
    schema.push(element("a", 0));
    index(&schema)
}

fn spooled(bytes: &[u8]) -> Spooled {
    let mut file = temporary_file().expect("a temporary file");
    file.write_all(bytes).expect("a temporary file");
    Spooled::new(file).expect("a temporary file")
}

fn written() -> Vec<u8> {
    let field = |name: &str, kind| Field::new(name, kind, true);
    let list = |item| DataType::List(Arc::new(field("item", item)));
    let inner = Fields::from(vec![field("t", DataType::Utf8), field("l", list(list(DataType::Int8)))]);
    let entry = Fields::from(vec![Field::new("key", DataType::Utf8, false), field("value", DataType::Float32)]);
    let schema = Arc::new(Schema::new(vec![
        field("n", DataType::UInt16),
        field("d", DataType::Decimal128(20, 3)),
        field("s", DataType::Struct(inner)),
        field("m", DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entry), false)), false)),
        field("a", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        field("c", DataType::Time64(TimeUnit::Nanosecond)),
        field("y", DataType::Date32),
    ]));
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, Arc::clone(&schema), None).expect("a writer");
    writer.write(&RecordBatch::new_empty(schema)).expect("memory takes it");
    writer.close().expect("memory takes it");
    bytes
}

#[test]
fn a_written_file_passes() {
    let schema = read_schema(&spooled(&written()), 10).expect("a file that was written");
    let names: Vec<_> = schema.columns().iter().map(|column| column.path().string()).collect();
    assert_eq!(names, ["n", "d", "s.t", "s.l.list.item.list.item", "m.entries.key", "m.entries.value", "a", "c", "y"]);
}

#[test]
fn schemas_are_nested_as_deep_as_the_limit_says() {
    assert_eq!(check(&nested(10), 10), Ok(()));
    assert_eq!(check(&nested(11), 10), Err(Fault::TooDeep));
    assert_eq!(check(&nested(50_000), LEVELS_CAP), Err(Fault::TooDeep));
    // The second of two lists, by the number of its field.
    let twice = [&nested(3)[..nested(3).len() - 1], &[0x09, 4], &list(&vec![element("a", 1); 20])[1..], &[0]].concat();
    assert_eq!(check(&twice, 10), Err(Fault::TooDeep));
}

#[test]
fn a_schema_is_one_tree() {
    let check = |schema: &[Vec<u8>]| check(&index(schema), 10);
    assert_eq!(check(&[element("a", 2), element("b", 1), element("c", 0), element("d", 0)]), Ok(()));
    assert_eq!(check(&[element("a", 0)]), Ok(()), "no columns");
    assert_eq!(check(&[]), Err(Fault::Malformed), "nothing");
    assert_eq!(check(&[element("a", 1), element("b", 0), element("c", 0)]), Err(Fault::Malformed), "two roots");
    assert_eq!(check(&[element("a", 2), element("b", 0)]), Err(Fault::Malformed), "a child is not there");
    assert_eq!(check(&[element("a", u64::from(u32::MAX))]), Err(Fault::Malformed), "memory for children");
    assert_eq!(check(&[vec![0x55, 1, 0]]), Err(Fault::Malformed), "fewer than no children");
}

#[test]
fn what_the_library_reads_by_other_types_is_refused() {
    // A `Time` with a truth value for its unit: no byte here, one to the library.
    let logical = [0x35, 4, 0x18, 1, b'a', 0x6c, 0x7c, 0x11, 0x11, 0, 0, 0];
    assert_eq!(check(&index(&[logical.to_vec()]), 10), Err(Fault::Malformed));
    // The same with its unit, and what an element can hold besides.
    let logical = [0x35, 4, 0x18, 1, b'a', 0x6c, 0x7c, 0x11, 0x1c, 0x1c, 0, 0, 0, 0, 0];
    assert_eq!(check(&index(&[logical.to_vec()]), 10), Ok(()));
    // The number of children as text.
    assert_eq!(check(&index(&[vec![0x58, 0, 0]]), 10), Err(Fault::Malformed));
    // The schema as a set, and as a list of other than structs.
    assert_eq!(check(&[0x2a, 0x1c, 0, 0], 10), Err(Fault::Malformed));
    assert_eq!(check(&[0x29, 0x15, 0, 0], 10), Err(Fault::Malformed));
}

#[test]
fn lists_hold_no_more_than_there_are_bytes() {
    let start = [&[0x15, 2][..], &list(&[element("a", 0)]), &[0x16, 0]].concat();
    let row_groups = [&start[..], &[0x19, 0xfc], &number(i32::MAX as u64), &[0, 0]].concat();
    assert_eq!(check(&row_groups, 10), Err(Fault::Malformed));
    let map = [&[0x0b, 100][..], &number(i32::MAX as u64), &[0x55, 0, 0]].concat();
    assert_eq!(check(&map, 10), Err(Fault::Malformed));
    assert_eq!(check(&[0x0b, 100, 2, 0x58, 2, 1, b'x', 4, 1, b'y', 0], 10), Ok(()), "a map of numbers to texts");
    let map = [&[0x0b, 100][..], &number(u64::MAX), &[0x55, 0, 0]].concat();
    assert_eq!(check(&map, 10), Err(Fault::Malformed));
    let structs = |count| [&[0x0c, 100][..], &[0x1c].repeat(count), &[0].repeat(count + 2)].concat();
    assert_eq!(check(&structs(60), 10), Ok(()));
    assert_eq!(check(&structs(70), 10), Err(Fault::Malformed), "values inside each other");
    assert_eq!(check(&[0x09, 100, 0x21, 1, 1, 0], 10), Err(Fault::Malformed), "truth values");
}

#[test]
fn long_names_of_nested_columns_are_too_large() {
    let name = "n".repeat(1 << 20);
    let schema = |leaves| [vec![element(&name, leaves)], vec![element("a", 0); leaves as usize]].concat();
    assert_eq!(check(&index(&schema(60)), 10), Ok(()));
    assert_eq!(check(&index(&schema(70)), 10), Err(Fault::TooLarge), "each leaf has the names of all above");
}

#[test]
fn cut_files_and_garbage_are_bad_input() {
    let good = written();
    let length = u32::from_le_bytes(*good[good.len() - 8..].first_chunk().expect("8 bytes")) as usize;
    let footer = &good[good.len() - 8 - length..good.len() - 8];
    assert_eq!(check(footer, 100), Ok(()));
    (0..footer.len()).for_each(|cut| assert_eq!(check(&footer[..cut], 100), Err(Fault::Malformed), "{cut}"));
    let files = [
        Vec::new(),
        b"PAR1".to_vec(),
        good[..good.len() - 9].to_vec(),
        b"no Parquet at all".to_vec(),
        b"PAR1\xff\xff\xff\xffPAR1".to_vec(),
        [&[0x77; 100][..], &[100, 0, 0, 0], b"PAR1"].concat(),
    ];
    for bytes in files {
        let error = read_schema(&spooled(&bytes), 10).expect_err("no index");
        assert_eq!(error.kind(), millpond_core::Kind::BadInput, "{bytes:?}");
    }
    let encrypted = [&good[..good.len() - 1], b"E"].concat();
    let error = read_schema(&spooled(&encrypted), 10).expect_err("no key");
    assert_eq!(error.hint_text(), Some("encrypted files cannot be read"));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), levels_max in 0usize..5) {
        let _ = check(&bytes, levels_max);
    }

    /// What passes can be given to the library, and what the library can read as a schema is no deeper than the limit.
    #[test]
    fn damage_hides_no_schema(flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..8)) {
        let mut footer = index(&[element("a", 2), element("b", 1), element("c", 1), element("d", 0), element("e", 0)]);
        for (place, byte) in flips {
            let length = footer.len();
            footer[place % length] = byte;
        }
        if check(&footer, 2).is_ok() && let Ok(schema) = ParquetMetaDataReader::decode_schema(&footer) {
            prop_assert!(schema.columns().iter().all(|column| column.path().parts().len() <= 2));
        }
    }
}
