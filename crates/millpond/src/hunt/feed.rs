//! Opening a list of indicators: a file, an object, or an address of the web.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use millpond_core::indicator::{Feed, Indicator, read};
use millpond_core::{Error, Result};
use object_store::ObjectStoreExt;

use crate::store::{Place, Stores};

/// Bytes of a list: some millions of indicators.
const BYTES_MAX: usize = 256 << 20;
/// Time for a list that comes over the web.
const FETCH_LIMIT: Duration = Duration::from_secs(120);

/// A list of indicators that was read.
#[derive(Debug, Clone, Default)]
pub struct Indicators {
    /// What it holds.
    pub feed: Feed,
    /// A hash of its bytes, in hexadecimal.
    pub fingerprint: String,
}

impl Indicators {
    /// What the list says of its indicators, where it says something.
    pub fn notes(&self) -> HashMap<Indicator, String> {
        let noted = self.feed.taken.iter().rev();
        noted.filter_map(|listed| Some((listed.indicator.clone(), listed.note.clone()?))).collect()
    }
}

/// Reads a list from a path relative to `folder`, or a URL.
///
/// # Errors
/// [`Kind::BadInput`](millpond_core::Kind::BadInput) when there is none or it cannot be read as one,
/// [`Kind::Transient`](millpond_core::Kind::Transient) when it cannot be fetched now.
pub async fn open(location: &str, folder: &Path) -> Result<Indicators> {
    let (name, bytes) = match location.split_once("://") {
        Some(("http" | "https", _)) => fetch(location).await?,
        _ => (location.to_owned(), get(location, folder).await?),
    };
    let fingerprint = blake3::hash(&bytes).to_hex().to_string();
    let text = String::from_utf8_lossy(&bytes);
    Ok(Indicators { feed: read(&name, &text)?, fingerprint })
}

async fn get(location: &str, folder: &Path) -> Result<Vec<u8>> {
    let stores = Stores::default();
    let place = Place::open(&stores, location, folder)?;
    let mut objects = place.objects().await?;
    let object = objects.next().await.transpose()?;
    let object = object.ok_or_else(|| Error::bad_input(format!("nothing at `{location}`")))?;
    if objects.next().await.is_some() {
        return Err(Error::bad_input(format!("`{location}` is no file")).hint("name one list of indicators"));
    }
    check_size(location, object.size_bytes)?;
    let (store, path) = stores.locate(&object.uri)?;
    let failed = |error| Error::transient(format!("failed to read `{location}`")).because(error);
    let found = store.get(&path).await.map_err(failed)?;
    Ok(found.bytes().await.map_err(failed)?.to_vec())
}

/// The list at an address of the web, and the address without what may be secret.
async fn fetch(url: &str) -> Result<(String, Vec<u8>)> {
    let shown = url.split(['?', '#']).next().unwrap_or(url);
    let shown = match shown.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?.1))) {
        Some((scheme, rest)) => format!("{scheme}://{rest}"),
        None => shown.to_owned(),
    };
    let failed =
        |error: reqwest::Error| Error::transient(format!("failed to fetch `{shown}`")).because(error.without_url());
    let client = reqwest::Client::builder().timeout(FETCH_LIMIT).build().map_err(failed)?;
    let answer = client.get(url).send().await.map_err(failed)?.error_for_status().map_err(failed)?;
    check_size(&shown, answer.content_length().unwrap_or(0))?;
    let mut bytes = Vec::new();
    let mut answer = answer;
    while let Some(piece) = answer.chunk().await.map_err(failed)? {
        bytes.extend_from_slice(&piece);
        check_size(&shown, bytes.len() as u64)?;
    }
    Ok((shown, bytes))
}

fn check_size(location: &str, bytes: u64) -> Result<()> {
    match bytes > BYTES_MAX as u64 {
        true => Err(Error::bad_input(format!("the list `{location}` is larger than {} MiB", BYTES_MAX >> 20))),
        false => Ok(()),
    }
}
