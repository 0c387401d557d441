//! Amazon S3 Inventory: what a manifest says of the files that list a bucket
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html>).

use percent_encoding::percent_decode_str;
use serde::Deserialize;

use crate::columns::{Column, ColumnType, TimeFormat};
use crate::error::{Error, Result};
use crate::format::{Delimited, Format, Header};

/// Columns without which an object is not known well enough, as Parquet and ORC name them.
const REQUIRED: [&str; 5] = ["bucket", "key", "size", "last_modified_date", "e_tag"];
/// Columns that are there when the inventory has all versions.
const OF_VERSIONS: [&str; 2] = ["is_latest", "is_delete_marker"];

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The bucket that is listed.
    pub bucket: String,
    /// How the files are read.
    pub format: Format,
    /// Files in their order.
    pub files: Vec<InventoryFile>,
}

/// One file of an inventory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InventoryFile {
    /// Its key in the bucket that the inventory is written to.
    pub key: String,
    /// Stored bytes.
    #[serde(rename = "size")]
    pub size_bytes: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    source_bucket: String,
    file_format: String,
    file_schema: String,
    files: Vec<InventoryFile>,
}

impl Manifest {
    /// Reads `manifest.json`.
    ///
    /// # Errors
    /// [`Kind::BadInput`](crate::Kind::BadInput) when it is none, is in a format that nobody knows, or lists too little of each
    /// object.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let stored: Stored = serde_json::from_slice(bytes).map_err(|error| {
            Error::bad_input("the manifest is not one of S3 Inventory")
                .because(error)
                .hint("name `manifest.json` of one of the inventory's days")
        })?;
        let words: Vec<String> = stored.file_schema.split(|c: char| !is_word(c)).map(plain).collect();
        if let Some(missing) = REQUIRED.iter().find(|name| !words.contains(&plain(name))) {
            return Err(Error::bad_input(format!("the inventory does not list `{missing}`"))
                .hint("add size, last modified date and ETag to the inventory's configuration"));
        }
        let format = match stored.file_format.to_ascii_lowercase().as_str() {
            "csv" => Format::Delimited(csv(&stored.file_schema)),
            "parquet" => Format::Parquet,
            "orc" => Format::Orc,
            other => return Err(Error::bad_input(format!("inventories in the format `{other}` are not known"))),
        };
        // Some inventories name the bucket by its ARN.
        let bucket = stored.source_bucket.rsplit(":::").next().unwrap_or_default().to_owned();
        Ok(Self { bucket, format, files: stored.files })
    }

    /// The columns to read, with the same names in every format.
    pub fn columns() -> Vec<Column> {
        let kind = |name: &str| match name {
            "size" => ColumnType::Int,
            "last_modified_date" => ColumnType::Timestamp(TimeFormat::Iso),
            "is_latest" | "is_delete_marker" => ColumnType::Boolean,
            _ => ColumnType::Text,
        };
        let names = REQUIRED.into_iter().chain(OF_VERSIONS);
        names.map(|name| Column { name: name.to_owned(), kind: kind(name) }).collect()
    }

    /// A key as it stands in the files, as the object's: in CSV it is encoded as in URLs.
    ///
    /// # Errors
    /// [`Kind::BadInput`](crate::Kind::BadInput) when that does not give UTF-8.
    pub fn key(&self, written: &str) -> Result<String> {
        if !matches!(self.format, Format::Delimited(_)) {
            return Ok(written.to_owned());
        }
        let decoded = percent_decode_str(&written.replace('+', " ")).decode_utf8().map(|key| key.into_owned());
        decoded.map_err(|_| Error::bad_input(format!("the inventory's key `{written}` is not UTF-8")))
    }
}

/// CSV without a header line; the manifest names the columns.
fn csv(schema: &str) -> Delimited {
    let known = |name: &str| REQUIRED.into_iter().chain(OF_VERSIONS).find(|known| plain(known) == plain(name));
    let names = schema.split(',').map(str::trim).map(|name| known(name).unwrap_or(name).to_owned());
    Delimited { header: Header::Names(names.collect()), ..Delimited::csv() }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// A column's name, however it is written: `ETag` and `e_tag` are one.
fn plain(name: &str) -> String {
    name.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(format: &str, schema: &str) -> String {
        format!(
            r#"{{"sourceBucket":"logs","destinationBucket":"arn:aws:s3:::lists","version":"2016-11-30",
                "creationTimestamp":"1514944800000","fileFormat":"{format}","fileSchema":"{schema}",
                "files":[{{"key":"i/logs/all/data/1.csv.gz","size":7,"MD5checksum":"x"}}]}}"#
        )
    }

    #[test]
    fn the_columns_have_the_same_names_in_every_format() {
        let csv = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass";
        let manifest = Manifest::parse(manifest("CSV", csv).as_bytes()).expect("manifest");
        let Format::Delimited(Delimited { header: Header::Names(names), .. }) = &manifest.format else {
            panic!("{manifest:?}")
        };
        let expected = ["bucket", "key", "VersionId", "is_latest", "is_delete_marker", "size", "last_modified_date"];
        assert_eq!(names[..7], expected);
        assert_eq!((names[7].as_str(), manifest.files[0].size_bytes), ("e_tag", 7));
        assert_eq!(manifest.key("a%2Fb+c%2Bd%25").expect("key"), "a/b c+d%");
    }

    #[test]
    fn other_formats_name_their_columns_in_their_own_words() {
        let parquet = "message s3.inventory { required binary bucket (UTF8); required binary key (UTF8); \
                       optional int64 size; optional int64 last_modified_date (TIMESTAMP_MILLIS); optional binary e_tag (UTF8); }";
        let orc = "struct<bucket:string,key:string,size:bigint,last_modified_date:timestamp,e_tag:string>";
        for (format, schema, expected) in [("Parquet", parquet, Format::Parquet), ("ORC", orc, Format::Orc)] {
            let manifest = Manifest::parse(manifest(format, schema).as_bytes()).expect(format);
            assert_eq!(manifest.format, expected);
            assert_eq!(manifest.key("a%2Fb+c").expect("key"), "a%2Fb+c");
        }
    }

    #[test]
    fn an_inventory_that_lists_too_little_is_refused() {
        let refused = |text: &str| Manifest::parse(text.as_bytes()).expect_err("refused").to_string();
        assert_eq!(
            refused(&manifest("CSV", "Bucket, Key, Size, LastModifiedDate")),
            "the inventory does not list `e_tag`"
        );
        assert!(refused(&manifest("AVRO", "Bucket, Key, Size, LastModifiedDate, ETag")).contains("`avro`"));
        assert!(refused("{}").contains("not one of S3 Inventory"));
    }
}
