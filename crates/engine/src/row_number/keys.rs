//! Counting how often each key was seen: exact, because the keys themselves are kept, and compact, because they are
//! kept as bytes one behind the other.

use std::hash::BuildHasher;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, Schema};
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::{DataFusionError, Result as DataFusionResult, resources_datafusion_err};
use datafusion::physical_plan::PhysicalExpr;
use hashbrown::{DefaultHashBuilder, HashTable};

/// Bytes of a block of keys; a key starts within them, and a longer one makes its block longer.
const BLOCK_BYTES: usize = 1 << BLOCK_BITS;
const BLOCK_BITS: u32 = 18;
/// Blocks that a [`Place`] can name: 4 GiB of keys.
const BLOCKS_MAX: usize = 1 << (u32::BITS - BLOCK_BITS);
/// What stands before a text: nothing at all follows for NULL, 16 bytes for a UUID, else the text.
const NULL: u64 = 0;
const UUID: u64 = 1;
/// A text's length is told as a number greater than these.
const TEXT: u64 = 2;

/// The keys seen so far, each with the number of rows that had it.
pub(super) struct KeyCounts {
    encoder: Encoder,
    keys: Keys,
    table: HashTable<Entry>,
    hasher: DefaultHashBuilder,
}

#[derive(Clone, Copy)]
struct Entry {
    key: Place,
    rows: u32,
}

impl KeyCounts {
    /// Whether keys of these types can be encoded.
    pub(super) fn can_count(keys: &[Arc<dyn PhysicalExpr>], input: &Schema) -> DataFusionResult<bool> {
        let types = types(keys, input)?;
        Ok(RowConverter::supports_fields(&types.into_iter().map(SortField::new).collect::<Vec<_>>()))
    }

    /// Nothing counted yet.
    pub(super) fn new(keys: &[Arc<dyn PhysicalExpr>], input: &Schema) -> DataFusionResult<Self> {
        Ok(Self {
            encoder: Encoder::new(&types(keys, input)?)?,
            keys: Keys::default(),
            table: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        })
    }

    /// Counts `rows` rows with these keys; returns for each how many had its key so far, itself included.
    ///
    /// # Errors
    /// [`DataFusionError::ResourcesExhausted`] at 4 GiB of keys or 4 Gi rows with one key.
    pub(super) fn count(&mut self, keys: &[ArrayRef], rows: usize) -> DataFusionResult<Vec<u64>> {
        let encoded = self.encoder.encode(keys)?;
        let mut key = Vec::new();
        let mut numbers = Vec::with_capacity(rows);
        for row in 0..rows {
            key.clear();
            encoded.append_key(row, &mut key);
            numbers.push(u64::from(self.count_key(&key)?));
        }
        Ok(numbers)
    }

    fn count_key(&mut self, key: &[u8]) -> DataFusionResult<u32> {
        let Self { keys, table, hasher, .. } = self;
        let hash = hasher.hash_one(key);
        if let Some(entry) = table.find_mut(hash, |entry| keys.get(entry.key) == key) {
            let rows = entry.rows.checked_add(1);
            entry.rows = rows.ok_or_else(|| resources_datafusion_err!("more than {} rows have one key", u32::MAX))?;
            return Ok(entry.rows);
        }
        let entry = Entry { key: keys.push(key)?, rows: 1 };
        table.insert_unique(hash, entry, |entry| hasher.hash_one(keys.get(entry.key)));
        Ok(1)
    }

    /// Bytes that are held.
    pub(super) fn memory_bytes(&self) -> usize {
        self.keys.memory_bytes() + self.table.allocation_size()
    }
}

fn types(keys: &[Arc<dyn PhysicalExpr>], input: &Schema) -> DataFusionResult<Vec<DataType>> {
    keys.iter().map(|key| key.data_type(input)).collect()
}

/// Where a key lies: the block in the upper bits, its start within the block in the lower [`BLOCK_BITS`].
#[derive(Clone, Copy)]
struct Place(u32);

/// Keys as bytes in blocks, each behind its length, so that none moves as more come.
#[derive(Default)]
struct Keys {
    blocks: Vec<Vec<u8>>,
}

impl Keys {
    fn push(&mut self, key: &[u8]) -> DataFusionResult<Place> {
        let bytes = NUMBER_BYTES_MAX + key.len();
        let has_room = self.blocks.last().is_some_and(|block| block.len() + bytes <= BLOCK_BYTES);
        if !has_room {
            self.blocks.push(Vec::with_capacity(bytes.max(BLOCK_BYTES)));
        }
        let number = self.blocks.len() - 1;
        let (Some(block), true) = (self.blocks.last_mut(), number < BLOCKS_MAX) else {
            return Err(resources_datafusion_err!("the distinct keys of `row_number` take more than 4 GiB"));
        };
        let place = Place((number as u32) << BLOCK_BITS | block.len() as u32);
        append_number(key.len() as u64, block);
        block.extend_from_slice(key);
        Ok(place)
    }

    fn get(&self, Place(place): Place) -> &[u8] {
        let (block, start) = ((place >> BLOCK_BITS) as usize, place as usize & (BLOCK_BYTES - 1));
        let (length, key) = split_number(&self.blocks[block][start..]);
        &key[..length as usize]
    }

    fn memory_bytes(&self) -> usize {
        self.blocks.iter().map(Vec::capacity).sum()
    }
}

/// Makes one byte string of a row's keys, such that two are equal exactly when all keys are.
struct Encoder {
    /// Which of the keys are text; it is stored as it is, for Arrow's row format takes nearly twice as much.
    texts: Vec<usize>,
    /// The other keys in Arrow's row format.
    others: Option<(Vec<usize>, RowConverter)>,
}

/// The keys of a batch.
struct Encoded<'a> {
    texts: Vec<&'a StringArray>,
    others: Option<Rows>,
}

impl Encoder {
    fn new(types: &[DataType]) -> DataFusionResult<Self> {
        let (texts, others): (Vec<usize>, Vec<usize>) =
            (0..types.len()).partition(|index| types[*index] == DataType::Utf8);
        if others.is_empty() {
            return Ok(Self { texts, others: None });
        }
        let fields = others.iter().map(|index| SortField::new(types[*index].clone())).collect();
        Ok(Self { texts, others: Some((others, RowConverter::new(fields)?)) })
    }

    fn encode<'a>(&self, keys: &'a [ArrayRef]) -> Result<Encoded<'a>, DataFusionError> {
        let others = self.others.as_ref().map(|(indices, converter)| {
            let columns: Vec<ArrayRef> = indices.iter().map(|index| Arc::clone(&keys[*index])).collect();
            converter.convert_columns(&columns)
        });
        Ok(Encoded {
            texts: self.texts.iter().map(|index| keys[*index].as_string()).collect(),
            others: others.transpose()?,
        })
    }
}

impl Encoded<'_> {
    /// Every text stands behind its length, so that no two rows of texts give the same bytes; the rest follows.
    fn append_key(&self, row: usize, key: &mut Vec<u8>) {
        for text in &self.texts {
            append_text(text.is_valid(row).then(|| text.value(row)), key);
        }
        if let Some(others) = &self.others {
            key.extend_from_slice(others.row(row).as_ref());
        }
    }
}

/// NULL is a key like any other. UUIDs, which are what most logs call their records by, take less than half of their
/// text; only those that are written in the usual way, for the text must follow from the bytes.
fn append_text(text: Option<&str>, key: &mut Vec<u8>) {
    match text.map(|text| (text, uuid(text.as_bytes()))) {
        None => append_number(NULL, key),
        Some((_, Some(uuid))) => {
            append_number(UUID, key);
            key.extend_from_slice(&uuid);
        }
        Some((text, None)) => {
            append_number(TEXT + text.len() as u64, key);
            key.extend_from_slice(text.as_bytes());
        }
    }
}

/// The 16 bytes of a UUID in lower case with its four hyphens; `None` for every other text.
fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.try_into().ok()?;
    let mut bytes = [0; 16];
    let mut digits = 0;
    for (index, byte) in text.iter().enumerate() {
        let digit = match (index, byte) {
            (8 | 13 | 18 | 23, b'-') => continue,
            (8 | 13 | 18 | 23, _) => return None,
            (_, b'0'..=b'9') => byte - b'0',
            (_, b'a'..=b'f') => byte - b'a' + 10,
            _ => return None,
        };
        bytes[digits / 2] = bytes[digits / 2] << 4 | digit;
        digits += 1;
    }
    Some(bytes)
}

/// Bytes that a number takes at most.
const NUMBER_BYTES_MAX: usize = 10;

/// Appends a number, seven bits a byte, lowest first; all bytes but the last have their highest bit set.
fn append_number(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// The number at the start of `bytes`, and what follows it.
fn split_number(bytes: &[u8]) -> (u64, &[u8]) {
    let mut number = 0;
    for (index, byte) in bytes.iter().enumerate().take(NUMBER_BYTES_MAX) {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return (number, &bytes[index + 1..]);
        }
    }
    (number, &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, RecordBatch};
    use datafusion::physical_expr::expressions::Column;

    /// The numbers of the rows of each batch; the batches have the same columns.
    fn numbers(batches: &[Vec<ArrayRef>]) -> Vec<Vec<u64>> {
        let names = || (0..batches[0].len()).map(|index| index.to_string());
        let schema = RecordBatch::try_from_iter(names().zip(batches[0].iter().cloned())).expect("batch").schema();
        let key = |(index, name): (usize, String)| Arc::new(Column::new(&name, index)) as Arc<dyn PhysicalExpr>;
        let keys: Vec<_> = names().enumerate().map(key).collect();
        let mut counts = KeyCounts::new(&keys, &schema).expect("counts");
        batches.iter().map(|keys| counts.count(keys, keys[0].len()).expect("count")).collect()
    }

    fn texts<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> ArrayRef {
        Arc::new(values.into_iter().collect::<StringArray>())
    }

    #[test]
    fn rows_are_numbered_over_batches() {
        let batches = [vec![texts([Some("a"), None, Some("a")])], vec![texts([None, Some(""), Some("a"), Some("")])]];
        assert_eq!(numbers(&batches), [vec![1, 1, 2], vec![2, 1, 3, 2]]);
    }

    #[test]
    fn keys_of_several_columns_do_not_run_into_each_other() {
        let columns = vec![
            texts([Some("a"), Some("ab"), Some(""), None, Some("a")]),
            texts([Some("bc"), Some("c"), None, Some(""), Some("bc")]),
            Arc::new(Int64Array::from(vec![Some(1), Some(1), None, None, Some(1)])) as ArrayRef,
        ];
        assert_eq!(numbers(&[columns]), [[1, 1, 1, 1, 2]]);
    }

    #[test]
    fn keys_fill_many_blocks_and_one_may_be_longer_than_a_block() {
        let long = "x".repeat(BLOCK_BYTES + 1);
        let mut values: Vec<String> = (0..100_000).map(|number| format!("key number {number}")).collect();
        values.insert(50_000, long);
        let keys = vec![texts(values.iter().map(|value| Some(value.as_str())))];
        let [first, second] = &numbers(&[keys.clone(), keys])[..] else { panic!("two batches") };
        assert!(first.iter().all(|number| *number == 1) && second.iter().all(|number| *number == 2));
    }

    #[test]
    fn uuids_are_told_apart_from_everything_like_them() {
        let id = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
        let upper = id.to_uppercase();
        let plain = id.replace('-', "");
        let bytes: String = uuid(id.as_bytes()).expect("a UUID").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(bytes, plain);
        let other = id.replace('9', "8");
        let shifted = "0a1b2c3d4-e5f-6071-8293-a4b5c6d7e8f9";
        let keys = vec![texts([id, &upper, &plain, &other, shifted, &id.replace('f', "g"), id].map(Some))];
        assert_eq!(numbers(&[keys]), [[1, 1, 1, 1, 1, 1, 2]]);
    }

    #[test]
    fn numbers_are_read_back() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            append_number(number, &mut bytes);
            bytes.push(7);
            assert_eq!(split_number(&bytes), (number, &[7][..]));
        }
    }
}
