//! Small JSON documents in the lake: pending commits, batches, and what else must be written down before it is done.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use millpond_core::{Error, Result};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use serde::{Deserialize, Serialize};

use crate::lake::Lake;

/// Creates a document unless it is there; says whether it was created.
///
/// # Errors
/// [`Kind::Transient`](millpond_core::Kind::Transient) when the store does not take it.
pub(crate) async fn put_new(lake: &Lake, path: &Path, value: &impl Serialize) -> Result<bool> {
    let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    match lake.store.put_opts(path, to_bytes(path, value)?.into(), options).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
        Err(error) => Err(Error::transient(format!("failed to put `{path}`")).because(error)),
    }
}

/// Writes a document, over the one that is there.
///
/// # Errors
/// [`Kind::Transient`](millpond_core::Kind::Transient) when the store does not take it.
pub(crate) async fn put(lake: &Lake, path: &Path, value: &impl Serialize) -> Result<()> {
    let put = lake.store.put(path, to_bytes(path, value)?.into()).await;
    put.map(|_| ()).map_err(|error| Error::transient(format!("failed to put `{path}`")).because(error))
}

fn to_bytes(path: &Path, value: &impl Serialize) -> Result<Bytes> {
    let body = serde_json::to_vec(value);
    body.map(Bytes::from).map_err(|error| Error::bug(format!("failed to write `{path}`")).because(error))
}

/// Reads a document; `None`: it is not there.
///
/// # Errors
/// [`Kind::Transient`](millpond_core::Kind::Transient) when the store does not answer,
/// [`Kind::BadInput`](millpond_core::Kind::BadInput) when it is not what millpond wrote.
pub(crate) async fn read_json<T: for<'de> Deserialize<'de>>(lake: &Lake, path: &Path) -> Result<Option<T>> {
    let failed = |error| Error::transient(format!("failed to read `{path}`")).because(error);
    let bytes = match lake.store.get(path).await {
        Ok(found) => found.bytes().await.map_err(failed)?,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        Error::bad_input(format!("`{path}` in the lake is not what millpond wrote"))
            .because(error)
            .hint("was it written by a newer version?")
    })
}

/// Removes documents; those that are gone are no error.
///
/// # Errors
/// [`Kind::Transient`](millpond_core::Kind::Transient) when the store does not remove one.
pub(crate) async fn delete(lake: &Lake, paths: &[Path]) -> Result<()> {
    let listed = futures::stream::iter(paths.to_vec()).map(Ok).boxed();
    let mut deleted = lake.store.delete_stream(listed);
    while let Some(deleted) = deleted.next().await {
        match deleted {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(Error::transient("failed to remove what was committed").because(error)),
        }
    }
    Ok(())
}

/// A document that lies in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) path: Path,
    pub(crate) bytes: u64,
}

/// The first documents of a folder after `offset`, in the store's order: at most `count`, and of at most `bytes_max`
/// together unless the first is larger.
///
/// # Errors
/// [`Kind::Transient`](millpond_core::Kind::Transient) when the store does not answer.
pub(crate) async fn list(
    lake: &Lake,
    folder: &str,
    offset: Option<&Path>,
    count: usize,
    bytes_max: u64,
) -> Result<Vec<Listed>> {
    let folder = Path::from(folder);
    let mut listed = match offset {
        Some(offset) => lake.store.list_with_offset(Some(&folder), offset),
        None => lake.store.list(Some(&folder)),
    };
    let failed = |error| Error::transient(format!("failed to list `{folder}`")).because(error);
    let mut found = Vec::new();
    let mut bytes = 0;
    while let Some(meta) = listed.try_next().await.map_err(failed)? {
        bytes += meta.size;
        if found.len() == count || (bytes > bytes_max && !found.is_empty()) {
            break;
        }
        found.push(Listed { path: meta.location, bytes: meta.size });
    }
    Ok(found)
}
