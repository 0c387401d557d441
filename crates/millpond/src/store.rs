//! Places where objects lie: folders and object stores behind one interface, and their objects as events.

use std::collections::HashMap;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use futures::stream::BoxStream;
use millpond_core::event::Object;
use millpond_core::{Error, Result};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use url::Url;

/// The stores that objects lie in, each opened when it is first needed and shared from then on.
///
/// A store is known by the start of its objects' addresses: `file:///`, `s3://bucket/`. Credentials and endpoints come
/// from the usual environment variables (`AWS_*`, `GOOGLE_*`, `AZURE_*`).
#[derive(Debug, Clone, Default)]
pub struct Stores {
    open: Arc<Mutex<HashMap<String, Arc<dyn ObjectStore>>>>,
}

impl Stores {
    /// Puts a store in place for addresses that start with `base`, such as `memory://raw/`.
    pub fn insert(&self, base: &str, store: Arc<dyn ObjectStore>) {
        self.lock().insert(base.to_owned(), store);
    }

    /// The store in which the object at `uri` lies, and the object's path there.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when there is no such store,
    /// [`Kind::BadInput`](millpond_core::Kind::BadInput) when the key is one that the client cannot name.
    pub fn locate(&self, uri: &str) -> Result<(Arc<dyn ObjectStore>, Path)> {
        let (base, key) = split_uri(uri)?;
        let store = self.store(base)?;
        // A client that changes the key (it drops empty segments, say) would name another object.
        let path = Path::parse(key).ok().filter(|path| path.as_ref() == key);
        let path = path.ok_or_else(|| {
            Error::bad_input(format!("the key `{key}` of `{base}` cannot be asked for")).hint(
                "keys with empty segments, `.` or `..`, or a slash at either end are not supported: rename the object",
            )
        })?;
        Ok((store, path))
    }

    /// The store whose addresses start with `base`.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when it cannot be opened.
    pub fn store(&self, base: &str) -> Result<Arc<dyn ObjectStore>> {
        if let Some(store) = self.lock().get(base) {
            return Ok(Arc::clone(store));
        }
        let failed = || Error::bad_config(format!("failed to open `{base}`"));
        let url = Url::parse(base).map_err(|error| failed().because(error))?;
        let (store, _) = object_store::parse_url_opts(&url, options(&url)).map_err(|error| failed().because(error))?;
        let store: Arc<dyn ObjectStore> = Arc::from(store);
        self.insert(base, Arc::clone(&store));
        Ok(store)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<dyn ObjectStore>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The start of an address that names its store, and the key after it.
fn split_uri(uri: &str) -> Result<(&str, &str)> {
    let host = uri.find("://").map(|at| at + 3);
    let slash = host.and_then(|host| uri[host..].find('/').map(|at| host + at + 1));
    slash.map(|slash| uri.split_at(slash)).ok_or_else(|| Error::bad_input(format!("`{uri}` is not an address")))
}

/// What the environment says about stores, and that plain HTTP is meant where it is written.
fn options(url: &Url) -> impl Iterator<Item = (String, String)> {
    let is_plain = |text: &str| text.starts_with("http://");
    let endpoint = std::env::var("AWS_ENDPOINT_URL_S3").or_else(|_| std::env::var("AWS_ENDPOINT_URL"));
    let allows_http = is_plain(url.as_str()) || (url.scheme() == "s3" && endpoint.is_ok_and(|url| is_plain(&url)));
    std::env::vars()
        .filter(|(key, _)| is_store_option(key))
        .map(|(key, value)| (key.to_ascii_lowercase(), value))
        .chain(allows_http.then(|| ("allow_http".to_owned(), "true".to_owned())))
}

/// A folder or prefix: a store and where in it.
#[derive(Debug, Clone)]
pub struct Place {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// What the store's paths are below: `file:///`, `s3://bucket/`, with a slash at the end.
    base: String,
    /// The bucket, container or host; `None` for local files.
    bucket: Option<String>,
    /// Where in the store.
    prefix: Path,
    /// Whether keys are told below the prefix (folders) or from the bucket on (object stores).
    is_local: bool,
}

impl Place {
    /// Opens a place. `text` is a URL, or a path relative to `folder`.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when the text is no place that can be opened.
    pub fn open(stores: &Stores, text: &str, folder: &FilePath) -> Result<Self> {
        let mut url = to_url(text, folder)?;
        let prefix = Path::from_url_path(url.path())
            .map_err(|error| Error::bad_config(format!("failed to open `{text}`")).because(error))?;
        url.set_path("/");
        url.set_query(None);
        let is_local = url.scheme() == "file";
        let bucket = if is_local { None } else { url.host_str().map(str::to_owned) };
        let store = stores.store(url.as_str())?;
        if matches!(url.scheme(), "http" | "https") {
            // Addresses are kept in receipts, and a password has no place there. Neither call can fail for these schemes.
            let _ = (url.set_username(""), url.set_password(None));
            stores.insert(url.as_str(), Arc::clone(&store));
        }
        Ok(Self { store, base: url.into(), bucket, prefix, is_local })
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
        self.objects_of(self.store.list(self.prefix()))
    }

    /// The same, for objects whose key comes after that of the object at `uri`.
    pub fn list_after(&self, uri: &str) -> BoxStream<'static, Result<Object>> {
        match uri.strip_prefix(&self.base).and_then(|key| Path::parse(key).ok()) {
            Some(offset) => self.objects_of(self.store.list_with_offset(self.prefix(), &offset)),
            None => self.list(),
        }
    }

    fn prefix(&self) -> Option<&Path> {
        Some(&self.prefix).filter(|prefix| !prefix.as_ref().is_empty())
    }

    fn objects_of(
        &self,
        listed: BoxStream<'static, object_store::Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<Object>> {
        let place = self.clone();
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

    /// The object of a local file below this place, if it is there and is no folder.
    pub async fn object_at(&self, file: &FilePath) -> Option<Object> {
        let meta = self.store.head(&Path::from_absolute_path(file).ok()?).await.ok()?;
        Some(self.object(&meta))
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
}

/// What tells one content of an object from the next: its entity tag without quotes, or size and time. Not the version
/// id: listings do not tell it, and a listing and a notice of one object must be one job.
pub fn version_of(meta: &ObjectMeta) -> String {
    match meta.e_tag.as_deref() {
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
        // One object has one address: `s3a` is how Hadoop writes `s3`.
        let text = text.strip_prefix("s3a://").map_or_else(|| text.to_owned(), |rest| format!("s3://{rest}"));
        let parsed =
            Url::parse(&text).map_err(|error| Error::bad_config(format!("`{text}` is not a URL")).because(error))?;
        return match parsed.scheme() {
            "file" | "memory" | "s3" | "gs" | "az" | "abfs" | "abfss" | "http" | "https" => Ok(parsed),
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
        let place = Place::open(&Stores::default(), ".", folder.path()).expect("place");
        let objects: Vec<Object> = place.list().try_collect().await.expect("list");
        assert_eq!(objects.len(), 1);
        let object = &objects[0];
        let (store, path) = Stores::default().locate(&object.uri).expect("path");
        assert_eq!(store.get(&path).await.expect("get").bytes().await.expect("bytes").as_ref(), b"x");
        assert_eq!((object.key.as_str(), object.bucket.as_deref()), ("a b/x#1.log", None));
    }

    #[tokio::test]
    async fn one_file_has_one_address() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("x #1.log"), "x").expect("file");
        let listed = Place::open(&Stores::default(), ".", folder.path())
            .expect("place")
            .list()
            .try_collect::<Vec<_>>()
            .await
            .expect("list");
        let named = Place::open(&Stores::default(), "./x #1.log", folder.path())
            .expect("place")
            .objects()
            .await
            .expect("objects");
        let named: Vec<Object> = named.try_collect().await.expect("list");
        assert_eq!((&listed[0].uri, &listed[0].version), (&named[0].uri, &named[0].version));
    }

    #[test]
    fn a_key_that_the_client_would_change_is_refused() {
        let stores = Stores::default();
        stores.insert("memory://raw/", Arc::new(object_store::memory::InMemory::new()));
        for key in ["a b/ü#1?%20.log", "a"] {
            let (_, path) = stores.locate(&format!("memory://raw/{key}")).expect(key);
            assert_eq!(path.as_ref(), key);
        }
        for key in ["a//b", "/a", "a/", "a/../b"] {
            assert!(stores.locate(&format!("memory://raw/{key}")).is_err(), "{key}");
        }
        assert!(stores.locate("raw").is_err());
    }

    #[test]
    fn unknown_schemes_are_refused() {
        assert!(to_url("ftp://x/y", FilePath::new(".")).is_err());
    }
}
