//! What all functions share: texts in, one value for each row out.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Builder, Int32Array, Int32Builder, Int64Builder, StringArray, StringBuilder,
    StructArray, TimestampMicrosecondBuilder,
};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{DataFusionError, Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::file_time::FileTime;

/// An SQL function over texts.
pub(crate) struct Function {
    name: &'static str,
    counts: RangeInclusive<usize>,
    gives: DataType,
    run: Box<dyn Fn(&Rows) -> ArrayRef + Send + Sync>,
    check_constant: Option<ConstantCheck>,
    signature: Signature,
}

/// The place of an argument, and what is wrong with a constant there.
type ConstantCheck = (usize, fn(&str) -> Option<String>);

impl Function {
    /// A function of so many texts.
    pub(super) fn new(
        name: &'static str,
        counts: RangeInclusive<usize>,
        gives: DataType,
        run: impl Fn(&Rows) -> ArrayRef + Send + Sync + 'static,
    ) -> Self {
        let signature = Signature::user_defined(Volatility::Immutable);
        Self { name, counts, gives, run: Box::new(run), check_constant: None, signature }
    }

    /// A function of one text that gives a text.
    pub(super) fn text(name: &'static str, give: fn(&str) -> Option<Cow<'_, str>>) -> Self {
        Self::new(name, 1..=1, DataType::Utf8, move |rows| rows.texts(|row| give(rows.get(0, row)?)))
    }

    /// A function of one text that gives a small number.
    pub(super) fn int(name: &'static str, give: fn(&str) -> Option<i32>) -> Self {
        Self::new(name, 1..=1, DataType::Int32, move |rows| rows.ints(|row| give(rows.get(0, row)?)))
    }

    /// A function of one text that gives a struct.
    pub(super) fn object<const N: usize>(
        name: &'static str,
        fields: &'static [(&'static str, Kind); N],
        give: fn(&str) -> Option<[Value<'_>; N]>,
    ) -> Self {
        Self::new(name, 1..=1, struct_type(fields), move |rows| rows.structs(fields, |row| give(rows.get(0, row)?)))
    }

    /// Refuses a constant at `place` while planning, where `wrong` says what is wrong with it.
    pub(super) fn checking(self, place: usize, wrong: fn(&str) -> Option<String>) -> Self {
        Self { check_constant: Some((place, wrong)), ..self }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("name", &self.name).finish_non_exhaustive()
    }
}

// A session has one function of a name.
impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.gives.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        if let Some((place, wrong)) = self.check_constant
            && let Some(Some(value)) = args.scalar_arguments.get(place)
            && let Some(text) = value.try_as_str().flatten()
            && let Some(wrong) = wrong(text)
        {
            return plan_err!("`{}`: {wrong}", self.name);
        }
        Ok(Arc::new(Field::new(self.name, self.gives.clone(), true)))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if !self.counts.contains(&types.len()) {
            let (least, most) = (self.counts.start(), self.counts.end());
            let counts = if least == most { least.to_string() } else { format!("{least} to {most}") };
            return plan_err!("`{}` takes {counts} arguments, and has {}", self.name, types.len());
        }
        match types.iter().position(|kind| !is_plain(kind)) {
            None => Ok(vec![DataType::Utf8; types.len()]),
            Some(place) => {
                plan_err!("`{}` takes text, and its argument {} is {}", self.name, place + 1, types[place])
            }
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let columns = args.args.into_iter().map(Texts::new).collect::<Result<Vec<_>>>()?;
        let count = if is_constant { 1 } else { args.number_rows };
        let modified_us = args.config_options.extensions.get::<FileTime>().and_then(|time| time.modified_us);
        let array = (self.run)(&Rows { columns, count, modified_us });
        match is_constant {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)),
            false => Ok(ColumnarValue::Array(array)),
        }
    }
}

/// Types that are cast to text: all but bytes and what holds other values.
fn is_plain(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, value) => is_plain(value),
        DataType::Null | DataType::Boolean | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        other => other.is_numeric() || other.is_temporal(),
    }
}

/// One argument of a batch.
struct Texts {
    array: StringArray,
    is_constant: bool,
}

impl Texts {
    fn new(value: ColumnarValue) -> Result<Self> {
        let (array, is_constant) = match value {
            ColumnarValue::Scalar(value) => (value.to_array()?, true),
            ColumnarValue::Array(array) => (array, false),
        };
        let array = if array.data_type() == &DataType::Utf8 { array } else { cast(&array, &DataType::Utf8)? };
        let texts = array.as_any().downcast_ref::<StringArray>().cloned();
        let array = texts.ok_or_else(|| DataFusionError::Internal("text is no text".to_owned()))?;
        Ok(Self { array, is_constant })
    }
}

/// The arguments of a batch.
pub(crate) struct Rows {
    columns: Vec<Texts>,
    count: usize,
    modified_us: Option<i64>,
}

impl Rows {
    /// An argument's text in a row; `None`: it is NULL, or there is no such argument.
    pub(super) fn get(&self, argument: usize, row: usize) -> Option<&str> {
        let column = self.columns.get(argument)?;
        let row = if column.is_constant { 0 } else { row };
        column.array.is_valid(row).then(|| column.array.value(row))
    }

    /// How many rows there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// An argument that is the same in all rows.
    pub(super) fn constant(&self, argument: usize) -> Option<&str> {
        self.columns.get(argument).filter(|column| column.is_constant).and_then(|_| self.get(argument, 0))
    }

    /// When the file that is read was last changed, in microseconds since 1970; `None` where no file is read.
    pub(super) fn modified_us(&self) -> Option<i64> {
        self.modified_us
    }

    pub(super) fn texts<'a>(&'a self, give: impl Fn(usize) -> Option<Cow<'a, str>>) -> ArrayRef {
        Arc::new((0..self.count).map(give).collect::<StringArray>())
    }

    pub(super) fn ints(&self, give: impl Fn(usize) -> Option<i32>) -> ArrayRef {
        Arc::new((0..self.count).map(give).collect::<Int32Array>())
    }

    pub(super) fn booleans(&self, give: impl Fn(usize) -> Option<bool>) -> ArrayRef {
        Arc::new((0..self.count).map(give).collect::<BooleanArray>())
    }

    pub(super) fn times(&self, give: impl Fn(usize) -> Option<i64>) -> ArrayRef {
        let mut builder = Builder::new(Kind::Time);
        (0..self.count).for_each(|row| builder.add(give(row).map_or(Value::Null, Value::Time)));
        builder.finish()
    }

    /// A row for which nothing is given, or nothing but NULL, is NULL.
    pub(super) fn structs<'a, const N: usize>(
        &self,
        fields: &[(&'static str, Kind); N],
        give: impl Fn(usize) -> Option<[Value<'a>; N]>,
    ) -> ArrayRef {
        let mut structs = Structs::new(fields);
        (0..self.count).for_each(|row| structs.add(give(row)));
        Arc::new(structs.finish(fields))
    }
}

/// Structs that are being built.
pub(super) struct Structs<const N: usize> {
    builders: [Builder; N],
    are_there: Vec<bool>,
}

impl<const N: usize> Structs<N> {
    pub(super) fn new(fields: &[(&'static str, Kind); N]) -> Self {
        Self { builders: fields.map(|(_, kind)| Builder::new(kind)), are_there: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.are_there.len()
    }

    /// One struct; nothing, or nothing but NULL, is NULL.
    pub(super) fn add(&mut self, values: Option<[Value<'_>; N]>) {
        let values = values.unwrap_or([const { Value::Null }; N]);
        self.are_there.push(values.iter().any(|value| !matches!(value, Value::Null)));
        self.builders.iter_mut().zip(values).for_each(|(builder, value)| builder.add(value));
    }

    pub(super) fn finish(self, fields: &[(&'static str, Kind); N]) -> StructArray {
        let columns = self.builders.into_iter().map(Builder::finish).collect();
        StructArray::new(arrow_fields(fields).into(), columns, Some(NullBuffer::from(self.are_there)))
    }
}

/// The type of a field of a struct.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// 32 bits: identifiers, ports.
    Int,
    /// 64 bits.
    Long,
    Float,
    /// Microseconds since 1970, UTC.
    Time,
}

impl Kind {
    fn arrow(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Int => DataType::Int32,
            Self::Long => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Time => time_type(),
        }
    }
}

/// Timestamps as the decoders give them.
pub(super) fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The type of a struct with these fields.
pub(super) fn struct_type(fields: &[(&'static str, Kind)]) -> DataType {
    DataType::Struct(arrow_fields(fields).into())
}

fn arrow_fields(fields: &[(&'static str, Kind)]) -> Vec<Field> {
    fields.iter().map(|(name, kind)| Field::new(*name, kind.arrow(), true)).collect()
}

/// The value of a struct's field.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Text(Cow<'a, str>),
    Int(i32),
    Long(i64),
    Float(f64),
    Time(i64),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'a> From<Cow<'a, str>> for Value<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }
}

impl From<i32> for Value<'_> {
    fn from(number: i32) -> Self {
        Self::Int(number)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The values of one field.
enum Builder {
    Text(StringBuilder),
    Int(Int32Builder),
    Long(Int64Builder),
    Float(Float64Builder),
    Time(TimestampMicrosecondBuilder),
}

impl Builder {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(StringBuilder::new()),
            Kind::Int => Self::Int(Int32Builder::new()),
            Kind::Long => Self::Long(Int64Builder::new()),
            Kind::Float => Self::Float(Float64Builder::new()),
            Kind::Time => Self::Time(TimestampMicrosecondBuilder::new().with_data_type(time_type())),
        }
    }

    /// Appends a value; one of another type than the field's is NULL.
    fn add(&mut self, value: Value<'_>) {
        match (self, value) {
            (Self::Text(builder), Value::Text(text)) => builder.append_value(text),
            (Self::Int(builder), Value::Int(number)) => builder.append_value(number),
            (Self::Long(builder), Value::Long(number)) => builder.append_value(number),
            (Self::Float(builder), Value::Float(number)) => builder.append_value(number),
            (Self::Time(builder), Value::Time(time)) => builder.append_value(time),
            (Self::Text(builder), _) => builder.append_null(),
            (Self::Int(builder), _) => builder.append_null(),
            (Self::Long(builder), _) => builder.append_null(),
            (Self::Float(builder), _) => builder.append_null(),
            (Self::Time(builder), _) => builder.append_null(),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Text(mut builder) => Arc::new(builder.finish()),
            Self::Int(mut builder) => Arc::new(builder.finish()),
            Self::Long(mut builder) => Arc::new(builder.finish()),
            Self::Float(mut builder) => Arc::new(builder.finish()),
            Self::Time(mut builder) => Arc::new(builder.finish()),
        }
    }
}
