//! The notice that one object appeared, and the object itself.

/// One object whose content is known: what its store told when it was listed or opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The whole address: `s3://bucket/key`, `file:///folder/key`. The key stands in it as it is.
    pub uri: String,
    /// The bucket or container; `None` for local files.
    pub bucket: Option<String>,
    /// The key within the bucket, or the path below the input folder; what routes match.
    pub key: String,
    /// What tells one content under this address from the next: the store's entity tag, without quotes.
    pub version: String,
    /// Stored bytes.
    pub size_bytes: u64,
    /// When the object was last written, microseconds since 1970 in UTC.
    pub modified_us: i64,
}

/// The notice that an object appeared, with as much as its sender knew. What counts in the end is what the store tells
/// when the object is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The whole address, as in [`Object::uri`].
    pub uri: String,
    /// The bucket or container; `None` for local files.
    pub bucket: Option<String>,
    /// What routes match, as in [`Object::key`].
    pub key: String,
    /// The entity tag, without quotes.
    pub version: Option<String>,
    /// Stored bytes.
    pub size_bytes: Option<u64>,
    /// When the object was written, or when its sender noticed, microseconds since 1970 in UTC.
    pub time_us: Option<i64>,
    /// The source that its content told, where no route takes it.
    pub source: Option<String>,
}

impl From<Object> for Event {
    fn from(object: Object) -> Self {
        Self {
            uri: object.uri,
            bucket: object.bucket,
            key: object.key,
            version: Some(object.version),
            size_bytes: Some(object.size_bytes),
            time_us: Some(object.modified_us),
            source: None,
        }
    }
}
