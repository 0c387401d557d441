//! Places where objects lie: folders and object stores behind one interface, and their objects as events.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use millpond_core::event::Object;
use millpond_core::{Error, Result};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use url::Url;

/// A folder or prefix: a store and where in it.
#[derive(Debug, Clone)]
pub struct Place {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// What the store's paths are below: `file:///`, `s3://bucket/`, with a slash at the end.
    base: Url,
    /// The bucket, container or host; `None` for local files.
    bucket: Option<String>,
    /// Where in the store.
    prefix: Path,
    /// Whether keys are told below the prefix (folders) or from the bucket on (object stores).
    is_local: bool,
}

impl Place {
    /// Opens a place. `text` is a URL, or a path relative to `folder`. Credentials and endpoints of object stores come
    /// from the usual environment variables (`AWS_*`, `GOOGLE_*`, `AZURE_*`).
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when the text is no place that can be opened.
    pub fn open(text: &str, folder: &FilePath) -> Result<Self> {
        let url = to_url(text, folder)?;
        let failed = |error| Error::bad_config(format!("failed to open `{text}`")).because(error);
        let options = std::env::vars()
            .filter(|(key, _)| is_store_option(key))
            .map(|(key, value)| (key.to_ascii_lowercase(), value))
            // Whoever writes `http://` means it.
            .chain((url.scheme() == "http").then(|| ("allow_http".to_owned(), "true".to_owned())));
        let (store, prefix) = object_store::parse_url_opts(&url, options).map_err(failed)?;
        let is_local = url.scheme() == "file";
        let mut base = url.clone();
        base.set_path("/");
        base.set_query(None);
        // Addresses are kept in receipts, and a password has no place there. Neither call can fail for these schemes.
        let _ = (base.set_username(""), base.set_password(None));
        let bucket = if is_local { None } else { url.host_str().map(str::to_owned) };
        Ok(Self { store: store.into(), base, bucket, prefix, is_local })
    }

    /// The place as a URL.
    pub fn url(&self) -> String {
        self.uri(&self.prefix)
    }

    /// The folder or file on disk, for a local place.
    pub fn folder(&self) -> Option<PathBuf> {
        self.is_local.then(|| FilePath::new("/").join(self.prefix.as_ref()))
    }

    /// The key under which this place lists the object at `uri`, if it is a folder that the object lies in.
    pub fn key_below(&self, uri: &str) -> Option<String> {
        let below = uri.strip_prefix(&self.url())?.strip_prefix('/')?;
        self.is_local.then(|| below.to_owned())
    }

    fn uri(&self, path: &Path) -> String {
        // A path is the key itself, so it is appended as it is: what people see is the name that they gave.
        format!("{}{path}", self.base)
    }

    /// Every object of the place, in the store's order.
    pub fn list(&self) -> BoxStream<'static, Result<Object>> {
        let place = self.clone();
        let prefix = Some(&self.prefix).filter(|prefix| !prefix.as_ref().is_empty());
        let listed = self.store.list(prefix);
        listed
            .map(move |meta| match meta {
                Ok(meta) => Ok(place.object(&meta)),
                Err(error) => Err(Error::transient(format!("failed to list `{}`", place.url())).because(error)),
            })
            .boxed()
    }

    /// The one object that the place names, or every object below it.
    ///
    /// # Errors
    /// [`Kind::BadInput`](millpond_core::Kind::BadInput) when there is nothing.
    pub async fn objects(&self) -> Result<BoxStream<'static, Result<Object>>> {
        match self.store.head(&self.prefix).await {
            Ok(meta) => {
                let object = self.object(&meta);
                Ok(futures::stream::once(async move { Ok(object) }).boxed())
            }
            Err(object_store::Error::NotFound { .. }) => {
                let mut listed = self.list().peekable();
                match std::pin::Pin::new(&mut listed).peek().await {
                    Some(_) => Ok(listed.boxed()),
                    None => Err(Error::bad_input(format!("nothing at `{}`", self.url()))),
                }
            }
            // A folder on disk is no object, and some systems say so in other words.
            Err(_) if self.folder().is_some_and(|folder| folder.is_dir()) => Ok(self.list()),
            Err(error) => Err(Error::transient(format!("failed to look at `{}`", self.url())).because(error)),
        }
    }

    fn object(&self, meta: &ObjectMeta) -> Object {
        let below = || meta.location.prefix_match(&self.prefix).map(|parts| Path::from_iter(parts).to_string());
        let key = if self.is_local { below().filter(|key| !key.is_empty()) } else { None };
        Object {
            uri: self.uri(&meta.location),
            bucket: self.bucket.clone(),
            key: key.unwrap_or_else(|| meta.location.to_string()),
            version: version_of(meta),
            size_bytes: meta.size,
            modified_us: meta.last_modified.timestamp_micros(),
        }
    }

    /// The path of an object of this place's store.
    ///
    /// # Errors
    /// [`Kind::BadInput`](millpond_core::Kind::BadInput) when the address is not of this store.
    pub fn path_of(&self, object: &Object) -> Result<Path> {
        let path = object.uri.strip_prefix(self.base.as_str()).and_then(|path| Path::parse(path).ok());
        path.ok_or_else(|| Error::bad_input(format!("`{}` is not an object of `{}`", object.uri, self.base)))
    }
}

/// What tells one content of an object from the next: version id, entity tag without quotes, or size and time.
pub fn version_of(meta: &ObjectMeta) -> String {
    let tag = meta.version.as_deref().or(meta.e_tag.as_deref());
    match tag {
        Some(tag) => tag.trim_matches('"').to_owned(),
        None => format!("{}-{}", meta.size, meta.last_modified.timestamp_micros()),
    }
}

fn is_store_option(key: &str) -> bool {
    ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|prefix| key.starts_with(prefix))
}

/// A URL from a URL or a path relative to `folder`.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) for a scheme that nobody knows.
pub fn to_url(text: &str, folder: &FilePath) -> Result<Url> {
    if text.contains("://") {
        let parsed =
            Url::parse(text).map_err(|error| Error::bad_config(format!("`{text}` is not a URL")).because(error))?;
        return match parsed.scheme() {
            "file" | "s3" | "s3a" | "gs" | "az" | "abfs" | "abfss" | "http" | "https" => Ok(parsed),
            other => Err(Error::bad_config(format!("`{other}` URLs are not supported in `{text}`"))
                .hint("use a path, `file://`, `s3://`, `gs://`, `az://`, `http://` or `https://`")),
        };
    }
    let path = std::path::absolute(folder.join(text))
        .map_err(|error| Error::bad_config(format!("`{text}` is not a path")).because(error))?;
    // The real path, so that one file has one address whichever way it is named.
    let path = path.canonicalize().unwrap_or(path);
    Url::from_file_path(&path).map_err(|()| Error::bad_config(format!("`{}` is not a path", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::TryStreamExt;

    #[tokio::test]
    async fn a_folder_lists_its_files_with_keys_below_it() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::create_dir(folder.path().join("a b")).expect("folder");
        std::fs::write(folder.path().join("a b/x#1.log"), "x").expect("file");
        let place = Place::open(".", folder.path()).expect("place");
        let objects: Vec<Object> = place.list().try_collect().await.expect("list");
        assert_eq!(objects.len(), 1);
        let object = &objects[0];
        let path = place.path_of(object).expect("path");
        assert_eq!(place.store.get(&path).await.expect("get").bytes().await.expect("bytes").as_ref(), b"x");
        assert_eq!((object.key.as_str(), object.bucket.as_deref()), ("a b/x#1.log", None));
    }

    #[tokio::test]
    async fn one_file_has_one_address() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("x #1.log"), "x").expect("file");
        let listed =
            Place::open(".", folder.path()).expect("place").list().try_collect::<Vec<_>>().await.expect("list");
        let named = Place::open("./x #1.log", folder.path()).expect("place").objects().await.expect("objects");
        let named: Vec<Object> = named.try_collect().await.expect("list");
        assert_eq!((&listed[0].uri, &listed[0].version), (&named[0].uri, &named[0].version));
    }

    #[test]
    fn unknown_schemes_are_refused() {
        assert!(to_url("ftp://x/y", FilePath::new(".")).is_err());
    }
}
