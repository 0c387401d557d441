//! Whole columns against one record at a time: both give the same rows.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, Int32Type, Schema};
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use millpond_core::columns::{Column, ColumnType, SystemColumn};
use millpond_core::format::{DecodeLimits, DecodeRequest, Drift, Format, Packing};
use proptest::prelude::*;

use super::{Batches, ColumnarReader};
use crate::Records;
use crate::rows::Rows;
use crate::stream::{Meter, Stream};
use crate::window::Window;

/// Batches as they are given.
struct Given(VecDeque<RecordBatch>);

impl Batches for Given {
    fn next(&mut self, _: &mut Window, _: &mut Rows) -> millpond_core::Result<Option<RecordBatch>> {
        Ok(self.0.pop_front())
    }
}

fn no_window() -> Window {
    let meter = Meter::new(&DecodeLimits::default());
    let stream = Stream::open(Box::new(std::io::empty()), &Packing::default(), false, 0, &meter);
    Window::new(stream.expect("an empty input opens"))
}

/// Rows and rejects as text.
fn read(request: &DecodeRequest, batches: &[RecordBatch], is_text_only: bool) -> Vec<String> {
    let mut rows = Rows::new(request).expect("a request");
    let fields = batches[0].schema_ref().fields().clone();
    let mut reader = ColumnarReader::new("Given", Given(batches.to_vec().into()), fields, &mut rows).expect("fields");
    reader.is_text_only = is_text_only;
    let (mut window, mut out, mut count) = (no_window(), Vec::new(), 0);
    loop {
        let more = reader.read(&mut window, &mut rows).expect("rows");
        if !rows.is_empty() {
            let batch = rows.take_batch().expect("a batch");
            assert!(batch.num_rows() <= request.batch_rows);
            count += batch.num_rows() as u64;
            batch.columns().iter().for_each(|column| column.to_data().validate_full().expect("sound arrays"));
            if batch.num_columns() == 0 {
                out.extend(vec!["{}".to_owned(); batch.num_rows()]);
            } else {
                let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
                writer.write(&batch).and_then(|()| writer.finish()).expect("a batch is JSON");
                out.extend(String::from_utf8(writer.into_inner()).expect("UTF-8").lines().map(str::to_owned));
            }
        }
        if !more {
            break;
        }
    }
    let rejects = rows.take_rejects();
    assert_eq!(rows.summary.records, count + rejects.len() as u64);
    out.push(format!("rescued {}", rows.summary.rescued));
    let reject =
        |reject: &crate::Reject| format!("{:?} {} {}", reject.row, reject.reason, String::from_utf8_lossy(&reject.raw));
    out.extend(rejects.iter().map(reject));
    out
}

/// Numbers that look random, from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: u64) -> usize {
        (self.roll() % end) as usize
    }

    fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64)].clone()
    }

    /// Values with one NULL in four, or none.
    fn values<T>(&mut self, rows: usize, mut value: impl FnMut(&mut Self) -> T) -> Vec<Option<T>> {
        let nulls = self.below(2) == 0;
        (0..rows).map(|_| (!nulls || self.below(4) > 0).then(|| value(self))).collect()
    }

    fn nulls(&mut self, rows: usize) -> Option<NullBuffer> {
        (self.below(2) == 0).then(|| (0..rows).map(|_| self.below(4) > 0).collect())
    }

    fn int(&mut self) -> i64 {
        let small = self.below(300) as i64 - 150;
        let any = self.roll() as i64;
        self.pick(&[small, small, any, any >> 20, i64::MIN, i64::MAX, 1_700_000_000_123])
    }

    fn text(&mut self) -> String {
        let number = self.int().to_string();
        let texts = [
            "",
            "a",
            "é\u{1}\"\\\n",
            "true",
            "F",
            "1e3",
            " 7 ",
            "3.0",
            "12.50",
            "{\"a\":1}",
            "[1,\"x\"]",
            "2024-02-29",
            "2024-02-30",
            "2024-01-01T00:00:00.123456789+05:30",
            "null",
            "x\u{0}y",
            "ÿ",
        ];
        if self.below(4) == 0 { number } else { self.pick(&texts).to_owned() }
    }

    fn ints<T: arrow::datatypes::ArrowPrimitiveType>(
        &mut self,
        rows: usize,
        of: impl Fn(i64) -> T::Native,
    ) -> ArrayRef {
        Arc::new(PrimitiveArray::<T>::from_iter(self.values(rows, |dice| of(dice.int()))))
    }

    fn array(&mut self, rows: usize, depth: usize) -> ArrayRef {
        use arrow::datatypes::*;
        match self.below(if depth == 0 { 26 } else { 34 }) {
            0 => self.ints::<Int8Type>(rows, |int| int as i8),
            1 => self.ints::<Int16Type>(rows, |int| int as i16),
            2 => self.ints::<Int32Type>(rows, |int| int as i32),
            3 => self.ints::<Int64Type>(rows, |int| int),
            4 => self.ints::<UInt8Type>(rows, |int| int as u8),
            5 => self.ints::<UInt32Type>(rows, |int| int as u32),
            6 => self.ints::<UInt64Type>(rows, |int| int as u64),
            7 => self.ints::<UInt64Type>(rows, |int| (int as u64) >> 2),
            8 => {
                let floats = [0.1, -0.0, 1e300, f64::NAN, f64::INFINITY, 3.0, -2.5, 1e-7, 1e16];
                Arc::new(Float64Array::from_iter(self.values(rows, |dice| dice.pick(&floats))))
            }
            9 => {
                let floats = [0.1f32, -0.0, 1e30, f32::NAN, 3.0, 16_777_217.0];
                Arc::new(Float32Array::from_iter(self.values(rows, |dice| dice.pick(&floats))))
            }
            10 => Arc::new(BooleanArray::from_iter(self.values(rows, |dice| dice.below(2) == 0))),
            11 | 12 => Arc::new(StringArray::from_iter(self.values(rows, Self::text))),
            13 => Arc::new(LargeStringArray::from_iter(self.values(rows, Self::text))),
            14 => Arc::new(StringViewArray::from_iter(self.values(rows, Self::text))),
            15 => {
                let texts = self.values(rows, Self::text);
                Arc::new(texts.iter().map(Option::as_deref).collect::<DictionaryArray<Int32Type>>())
            }
            16 => {
                let bytes = self.values(rows, |dice| dice.roll().to_le_bytes());
                Arc::new(bytes.iter().map(|bytes| bytes.as_ref().map(|bytes| &bytes[..])).collect::<BinaryArray>())
            }
            17 => self.ints::<Date32Type>(rows, |int| (int % 3_000_000) as i32),
            18 => self.ints::<Date32Type>(rows, |int| int as i32),
            19 => self.ints::<Date64Type>(rows, |int| int % 20_000 * DAY),
            20 => {
                let zone: Option<Arc<str>> = self.pick(&[None, Some("UTC"), Some("+05:30"), Some("Z")]).map(Into::into);
                let range = self.pick(&[4_000_000_000i64, 400_000_000_000, i64::MAX]);
                let unit =
                    self.pick(&[TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond]);
                let scale = match unit {
                    TimeUnit::Second => 1,
                    TimeUnit::Millisecond => 1000,
                    TimeUnit::Microsecond => 1_000_000,
                    TimeUnit::Nanosecond => 1_000_000_000,
                };
                let times = self.ints::<Int64Type>(rows, |int| int % range.saturating_mul(scale));
                cast(&times, &DataType::Timestamp(unit, zone)).expect("times")
            }
            21 => {
                let (precision, scale) = self.pick(&[(5, 2), (18, 0), (38, 10), (20, 5)]);
                let limit = 10i128.pow(precision);
                let decimals = self.values(rows, |dice| i128::from(dice.int()) % limit);
                let decimals = Decimal128Array::from_iter(decimals).with_precision_and_scale(precision as u8, scale);
                Arc::new(decimals.expect("decimals"))
            }
            22 => {
                let decimals = self.values(rows, |dice| i256::from_i128(i128::from(dice.int())));
                Arc::new(Decimal256Array::from_iter(decimals).with_precision_and_scale(50, 3).expect("decimals"))
            }
            23 => Arc::new(NullArray::new(rows)),
            24 => self.ints::<DurationMillisecondType>(rows, |int| int % 1_000_000_000),
            25 => {
                let runs = self.below(rows as u64 + 1).max(1);
                let ends = Int32Array::from_iter_values((1..=runs).map(|run| (rows * run).div_ceil(runs) as i32));
                let values = StringArray::from_iter(self.values(runs, Self::text));
                match RunArray::<Int32Type>::try_new(&ends, &values) {
                    Ok(array) if rows > 0 => Arc::new(array),
                    _ => Arc::new(StringArray::from_iter(self.values(rows, Self::text))),
                }
            }
            26 | 27 => {
                let (offsets, items) = self.offsets(rows);
                let items = self.array(items, depth - 1);
                let field = Arc::new(Field::new("element", items.data_type().clone(), true));
                let list = ListArray::new(field, offsets, items, self.nulls(rows));
                if self.below(3) > 0 {
                    return Arc::new(list);
                }
                let DataType::List(field) = list.data_type().clone() else { unreachable!() };
                cast(&list, &DataType::LargeList(field)).expect("a list")
            }
            28 | 29 => {
                let names = self.pick(&[vec!["a", "b"], vec!["b", "A", "a"], vec!["c"], vec!["a", "a"]]);
                let arrays: Vec<ArrayRef> = names.iter().map(|_| self.array(rows, depth - 1)).collect();
                let field = |(name, array): (&&str, &ArrayRef)| Field::new(*name, array.data_type().clone(), true);
                let fields: Fields = names.iter().zip(&arrays).map(field).collect();
                Arc::new(StructArray::new(fields, arrays, self.nulls(rows)))
            }
            30 | 31 => {
                let (offsets, items) = self.offsets(rows);
                let keys: ArrayRef = match self.below(3) {
                    0 => Arc::new(Int32Array::from_iter_values((0..items as i32).map(|key| key % 5))),
                    _ => Arc::new(StringArray::from_iter_values((0..items).map(|key| format!("k\"{}", key % 5)))),
                };
                let values = self.array(items, depth - 1);
                let fields = Fields::from(vec![
                    Field::new("key", keys.data_type().clone(), false),
                    Field::new("value", values.data_type().clone(), true),
                ]);
                let entries = StructArray::new(fields.clone(), vec![keys, values], None);
                let field = Arc::new(Field::new("key_value", DataType::Struct(fields), false));
                Arc::new(MapArray::new(field, offsets, entries, self.nulls(rows), false))
            }
            32 => {
                let items = self.array(rows * 2, depth - 1);
                let field = Arc::new(Field::new("item", items.data_type().clone(), true));
                Arc::new(FixedSizeListArray::new(field, 2, items, self.nulls(rows)))
            }
            _ => {
                let children: Vec<ArrayRef> = (0..2).map(|_| self.array_in_union(rows)).collect();
                let field =
                    |index: usize| Arc::new(Field::new(format!("u{index}"), children[index].data_type().clone(), true));
                let fields = UnionFields::try_new([0, 1], [field(0), field(1)]).expect("a union");
                let ids: ScalarBuffer<i8> = (0..rows).map(|_| self.below(2) as i8).collect();
                Arc::new(UnionArray::try_new(fields, ids, None, children.clone()).expect("a union"))
            }
        }
    }

    /// Unknown zones are no trouble except in unions.
    fn array_in_union(&mut self, rows: usize) -> ArrayRef {
        loop {
            let array = self.array(rows, 0);
            if !matches!(array.data_type(), DataType::Timestamp(_, Some(zone)) if &**zone == "Z") {
                return array;
            }
        }
    }

    fn offsets(&mut self, rows: usize) -> (OffsetBuffer<i32>, usize) {
        let lengths: Vec<usize> = (0..rows).map(|_| self.below(4)).collect();
        (OffsetBuffer::from_lengths(lengths.iter().copied()), lengths.iter().sum())
    }

    fn kind(&mut self, depth: usize) -> ColumnType {
        let plain = [
            "text",
            "int",
            "float",
            "boolean",
            "date",
            "timestamp",
            "timestamp",
            "timestamp(s)",
            "timestamp(ms)",
            "timestamp(ns)",
            "timestamp(%Y-%m-%d)",
            "decimal(38,10)",
            "decimal(10,2)",
            "text",
        ];
        match self.below(if depth == 0 { 4 } else { 7 }) {
            0..4 => ColumnType::parse(self.pick(&plain)).expect("a type"),
            4 => ColumnType::List(Box::new(self.kind(depth - 1))),
            5 => ColumnType::Map(Box::new(self.kind(depth - 1))),
            _ => ColumnType::Struct(
                ["a", "b"].map(|name| Column { name: name.to_owned(), kind: self.kind(depth - 1) }).to_vec(),
            ),
        }
    }

    /// The type of a column: often the one that the file declares.
    fn kind_of(&mut self, array: &ArrayRef) -> ColumnType {
        if self.below(2) == 0 {
            return self.kind(2);
        }
        let field = Field::new("x", array.data_type().clone(), true);
        super::types::columns(&Fields::from(vec![field])).remove(0).kind
    }
}

const DAY: i64 = 86_400_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn columns_give_what_records_give(seed: u64) {
        let mut dice = Dice(seed);
        let names = dice.pick(&[vec!["a", "b", "c"], vec!["a", "A"], vec!["a", "b", "a"], vec!["c"]]);
        let rows = dice.below(12);
        let arrays: Vec<ArrayRef> = names.iter().map(|_| dice.array(rows, 2)).collect();
        let field = |(name, array): (&&str, &ArrayRef)| Field::new(*name, array.data_type().clone(), true);
        let schema = Arc::new(Schema::new(names.iter().zip(&arrays).map(field).collect::<Vec<_>>()));
        let mut columns = vec![Column { name: "a".to_owned(), kind: dice.kind_of(&arrays[0]) }];
        if dice.below(2) == 0 {
            columns.push(Column { name: "b".to_owned(), kind: dice.kind_of(arrays.last().expect("a column")) });
        }
        let batch = RecordBatch::try_new(schema, arrays).expect("a batch");
        let cut = dice.below(rows as u64 + 1);
        let batches = [batch.slice(0, cut), batch.slice(cut, rows - cut)];
        let mut request = DecodeRequest::new(Format::Parquet, columns, "file");
        request.batch_rows = dice.pick(&[1, 3, 100]);
        request.system = SystemColumn::ALL.into_iter().filter(|_| dice.below(2) == 0).collect();
        request.drift = dice.pick(&[Drift::Rescue, Drift::Rescue, Drift::Discard, Drift::Freeze]);
        request.declared = vec!["a".to_owned(), "b".to_owned()];
        prop_assert_eq!(read(&request, &batches, false), read(&request, &batches, true));
    }
}

fn request(columns: &[(&str, &str)]) -> DecodeRequest {
    let column = |(name, kind): &(&str, &str)| Column {
        name: (*name).to_owned(),
        kind: ColumnType::parse(kind).expect("a type"),
    };
    DecodeRequest::new(Format::Parquet, columns.iter().map(column).collect(), "file")
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .expect("a batch")
}

#[test]
fn values_that_do_not_fit_are_kept() {
    let huge: ArrayRef = Arc::new(UInt64Array::from(vec![7, u64::MAX, 9]));
    let mut request = request(&[("n", "int")]);
    request.system = vec![SystemColumn::Row, SystemColumn::Offset, SystemColumn::Rescued];
    let rows = [
        r#"{"n":7,"_row":0,"_offset":null,"_rescued":null}"#,
        r#"{"n":null,"_row":1,"_offset":null,"_rescued":"{\"n\":18446744073709551615}"}"#,
        r#"{"n":9,"_row":2,"_offset":null,"_rescued":null}"#,
        "rescued 1",
    ];
    assert_eq!(read(&request, &[batch(vec![("n", huge)])], false), rows);
}

#[test]
fn records_over_the_limit_are_refused() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "0123456789012345678901234567890", "b"]));
    let mut request = request(&[("t", "text")]);
    request.limits.record_bytes_max = 30;
    request.system = vec![SystemColumn::Row];
    let expected = [
        r#"{"t":"a","_row":0}"#,
        r#"{"t":"b","_row":2}"#,
        "rescued 0",
        r#"Some(1) record_too_long {"t":"012345678901234567890123"#,
    ];
    assert_eq!(read(&request, &[batch(vec![("t", texts)])], false), expected);
}

#[test]
fn large_values_make_small_batches() {
    let text = "x".repeat(3 << 20);
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..10).map(|_| &text)));
    let request = request(&[("t", "text")]);
    let mut rows = Rows::new(&request).expect("a request");
    let batch = batch(vec![("t", texts)]);
    let fields = batch.schema_ref().fields().clone();
    let mut reader = ColumnarReader::new("Given", Given([batch].into()), fields, &mut rows).expect("fields");
    let mut sizes = Vec::new();
    while reader.read(&mut no_window(), &mut rows).expect("rows") {
        sizes.push(rows.take_batch().expect("a batch").num_rows());
    }
    assert_eq!(sizes, [3, 3, 3, 1]);
}

#[test]
fn deep_and_wide_files_are_too_big() {
    let ints: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)])]));
    let batch = batch(vec![("a", ints), ("b", list)]);
    for (fields_max, depth_max) in [(1, 9), (9, 1)] {
        let mut request = request(&[("a", "int")]);
        request.limits = DecodeLimits { fields_max, depth_max, ..DecodeLimits::default() };
        let mut rows = Rows::new(&request).expect("a request");
        let fields = batch.schema_ref().fields().clone();
        let error = ColumnarReader::new("Given", Given(VecDeque::new()), fields, &mut rows).err().expect("a limit");
        assert_eq!(error.kind(), millpond_core::Kind::TooBig);
    }
}
