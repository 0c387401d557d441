//! The notice that one object appeared.

/// One object in a store or folder, as a listing or notice describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The whole address: `s3://bucket/key`, `file:///folder/key`.
    pub uri: String,
    /// The bucket or container; `None` for local files.
    pub bucket: Option<String>,
    /// The key within the bucket, or the path below the input folder; what routes match.
    pub key: String,
    /// What tells one content under this address from the next: the store's version id or entity tag, without quotes.
    pub version: String,
    /// Stored bytes.
    pub size_bytes: u64,
    /// When the object was last written, microseconds since 1970 in UTC.
    pub modified_us: i64,
}

/// The notice that an object appeared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The object that appeared.
    pub object: Object,
}

impl Event {
    /// The event that this object appeared.
    pub fn new(object: Object) -> Self {
        Self { object }
    }
}
