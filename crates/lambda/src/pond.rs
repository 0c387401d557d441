//! The pond of a function: a folder beside the program, or a prefix of a bucket that is fetched once.

use std::path::{Path, PathBuf};

use futures::{StreamExt, TryStreamExt};
use millpond::pond::Pond;
use millpond::store::{Place, Stores};
use millpond_core::event::Object;
use millpond_core::{Error, Result};
use tempfile::TempDir;

/// Files of a pond that are fetched at the same time.
const FETCHES_MAX: usize = 16;

/// A pond's folder, for as long as it is needed.
#[derive(Debug)]
pub(crate) enum Folder {
    /// It came with the program.
    Bundled(PathBuf),
    /// It was fetched.
    Fetched(TempDir),
}

impl Folder {
    /// Finds or fetches the pond at `text`: a folder, or a URL such as `s3://bucket/pond/`.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when it cannot be fetched.
    pub(crate) async fn open(stores: &Stores, text: &str) -> Result<Self> {
        match text.contains("://") {
            true => fetch(stores, text).await.map(Self::Fetched),
            false => Ok(Self::Bundled(PathBuf::from(text))),
        }
    }

    /// Reads and checks the pond in it.
    ///
    /// # Errors
    /// As [`Pond::load`].
    pub(crate) async fn load(&self) -> Result<Pond> {
        match self {
            Self::Bundled(folder) => Pond::load(folder).await,
            Self::Fetched(folder) => Pond::load(folder.path()).await,
        }
    }
}

async fn fetch(stores: &Stores, url: &str) -> Result<TempDir> {
    let place = Place::open(stores, url, Path::new("/"))?;
    let failed = || Error::bad_config(format!("failed to fetch the pond at `{url}`"));
    let folder = tempfile::tempdir().map_err(|error| failed().because(error))?;
    let objects: Vec<Object> = place.list().try_collect().await?;
    let root = format!("{}/", place.url().trim_end_matches('/'));
    let files = objects.iter().map(async |object| {
        let below = object.uri.strip_prefix(&root).unwrap_or(&object.key);
        let (store, path) = stores.locate(&object.uri)?;
        let got = store.get_opts(&path, object_store::GetOptions::default()).await;
        let bytes = match got {
            Ok(got) => got.bytes().await,
            Err(error) => Err(error),
        };
        let bytes = bytes.map_err(|error| failed().because(error))?;
        write(&folder.path().join(below), &bytes).map_err(|error| failed().because(error))
    });
    futures::stream::iter(files).buffer_unordered(FETCHES_MAX).try_collect::<Vec<()>>().await?;
    Ok(folder)
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    std::fs::write(path, bytes)
}
