//! Objects in stores: finding them, and fetching their bytes.

use std::error::Error as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use object_store::aws::AmazonS3Builder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path as Key;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt as _};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::error::{Error, Result};
use crate::store::stamp::changed;

/// Bytes of an object's end, where the footer is.
const END: u64 = 64 << 10;
/// Objects whose ends are fetched together.
const TOGETHER: usize = 16;

/// An object, as it was when it was opened.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    store: Arc<dyn ObjectStore>,
    key: Key,
    /// Its URL.
    pub url: PathBuf,
    /// Bytes.
    pub size: u64,
    /// The store's mark of its content.
    tag: Option<String>,
}

/// The object of this URL, or those whose names, right below it, end in `.parquet`, sorted; each, with its last bytes,
/// as `opened` makes it.
pub(crate) fn each_end<T>(
    url: &Path,
    mut opened: impl FnMut(Object, Bytes) -> Result<T>,
) -> Result<Vec<T>> {
    let objects = find(url)?;
    let mut all = Vec::with_capacity(objects.len());
    for some in objects.chunks(TOGETHER) {
        let ends = some.iter().map(|object| spawn(object.clone().end()));
        let ends: Vec<_> = ends.collect::<Result<_>>()?;
        for end in ends {
            let (object, end) = wait(end)?;
            all.push(opened(object, end)?);
        }
    }
    Ok(all)
}

fn find(url: &Path) -> Result<Vec<Object>> {
    let text = url.to_string_lossy();
    let odd = |cause: String| Error::usage(text.clone(), cause, "write it as `s3://BUCKET/FOLDER`");
    let (scheme, place) = text.split_once("://").unwrap_or_default();
    let (bucket, key) = place.split_once('/').unwrap_or((place, ""));
    if bucket.is_empty() {
        return Err(odd("the URL names no bucket".to_owned()));
    }
    let key = Key::parse(key.trim_end_matches('/')).map_err(|error| odd(error.to_string()))?;
    let store = connect(scheme, bucket).map_err(|error| refused(url, &error))?;
    let found = runtime()?.block_on(list(&store, &key));
    let found = found.map_err(|error| refused(url, &error))?;
    if found.is_empty() {
        return Err(Error::data(
            text,
            "there is no object of this name, and none that ends in `.parquet` right below it",
            "give the URL of a Parquet file, or of a folder with Parquet files right in it",
        ));
    }
    let object = |meta: ObjectMeta| Object {
        store: Arc::clone(&store),
        url: format!("{scheme}://{bucket}/{}", meta.location).into(),
        size: meta.size,
        key: meta.location,
        tag: None,
    };
    Ok(found.into_iter().map(object).collect())
}

/// A bucket, with credentials and settings from the environment.
fn connect(scheme: &str, bucket: &str) -> object_store::Result<Arc<dyn ObjectStore>> {
    // An error says that there is a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(if scheme == "gs" {
        let builder = GoogleCloudStorageBuilder::from_env();
        Arc::new(builder.with_bucket_name(bucket).build()?)
    } else {
        let builder = AmazonS3Builder::from_env();
        Arc::new(builder.with_bucket_name(bucket).build()?)
    })
}

async fn list(store: &Arc<dyn ObjectStore>, key: &Key) -> object_store::Result<Vec<ObjectMeta>> {
    // Who may read one object need not have the right to list.
    if !key.as_ref().is_empty() {
        match store.head(key).await {
            Err(object_store::Error::NotFound { .. }) => {}
            found => return Ok(vec![found?]),
        }
    }
    let mut objects = store.list_with_delimiter(Some(key)).await?.objects;
    objects.retain(|object| {
        let name = object.location.filename().unwrap_or_default();
        name.ends_with(".parquet") && !name.starts_with(['.', '_'])
    });
    objects.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(objects)
}

impl Object {
    /// The object with the mark of its content, and its last bytes.
    async fn end(self) -> Result<(Self, Bytes)> {
        let range = self.size.saturating_sub(END)..self.size;
        if range.is_empty() {
            return Ok((self, Bytes::new()));
        }
        let (tag, bytes) = self.get(range).await?;
        Ok((Self { tag, ..self }, bytes))
    }

    /// Some of its bytes, if its content is still the same.
    pub(crate) async fn fetch(self, range: Range<u64>) -> Result<Bytes> {
        Ok(self.get(range).await?.1)
    }

    async fn get(&self, range: Range<u64>) -> Result<(Option<String>, Bytes)> {
        let refused = |error| refused(&self.url, &error);
        let length = range.end - range.start;
        // A weak tag matches nothing.
        let tag = self.tag.clone().filter(|tag| !tag.starts_with("W/"));
        let options = GetOptions::new().with_range(Some(range)).with_if_match(tag);
        let found = self.store.get_opts(&self.key, options).await;
        let found = found.map_err(refused)?;
        let tag = found.meta.e_tag.clone();
        let is_same = found.meta.size == self.size && (self.tag.is_none() || self.tag == tag);
        let bytes = found.bytes().await.map_err(refused)?;
        if !is_same || bytes.len() as u64 != length {
            return Err(changed(&self.url, "object"));
        }
        Ok((tag, bytes))
    }
}

/// Starts requests, which go on beside the caller.
pub(crate) fn spawn<T: Send + 'static>(
    requests: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<JoinHandle<Result<T>>> {
    Ok(runtime()?.spawn(requests))
}

/// What started requests brought.
pub(crate) fn wait<T>(requests: JoinHandle<Result<T>>) -> Result<T> {
    runtime()?.block_on(requests).unwrap_or_else(|error| {
        let cause = format!("a request ended early: {error}");
        Err(Error::run("the data", cause, "report this as a bug"))
    })
}

/// Drives the requests of all data sets.
fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let mut builder = Builder::new_multi_thread();
    let built = builder.worker_threads(1).enable_all().build();
    let built = built.map_err(|source| {
        let fix = "free some memory, then run again";
        Error::run("the data reader", format!("no thread: {source}"), fix)
    })?;
    Ok(RUNTIME.get_or_init(|| built))
}

/// A store's refusal, in words that say what to do.
fn refused(url: &Path, error: &object_store::Error) -> Error {
    let place = url.display().to_string();
    let is_google = place.starts_with("gs://");
    let text = error.to_string();
    let cause = format!("cannot read the data: {}", reason(error, &text));
    let credentials = if is_google {
        "give credentials in the environment: GOOGLE_APPLICATION_CREDENTIALS, or GOOGLE_SKIP_SIGNATURE=true for a \
         public bucket"
    } else {
        "give credentials in the environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
         AWS_SKIP_SIGNATURE=true for a public bucket"
    };
    if is_about_a_role(&text) {
        let cause = format!(
            "there are no credentials in the environment, and the machine has none either: {}",
            reason(error, &text)
        );
        return Error::run(place, cause, credentials);
    }
    match (error, status(&text)) {
        (object_store::Error::NotFound { .. }, _) => Error::data(
            place,
            "the object is gone",
            "write it again, or leave it out of the data",
        ),
        (object_store::Error::Precondition { .. }, _) | (_, Some("412" | "416")) => {
            changed(url, "object")
        }
        (object_store::Error::PermissionDenied { .. }, _)
        | (object_store::Error::Unauthenticated { .. }, _)
        | (_, Some("401" | "403")) => Error::run(place, cause, credentials),
        (_, Some("404")) => Error::data(place, "there is no such bucket", "check the URL"),
        _ if is_google => Error::run(place, cause, "check the network, then run again"),
        _ => Error::run(
            place,
            cause,
            "check the network, AWS_REGION and AWS_ENDPOINT (with AWS_ALLOW_HTTP=true for http://), then run again",
        ),
    }
}

/// Whether a request failed that asks the machine for its role's credentials.
fn is_about_a_role(text: &str) -> bool {
    let addresses = [
        "/latest/api/token",
        "/latest/meta-data/",
        "/computeMetadata/",
    ];
    addresses.iter().any(|address| text.contains(address))
}

/// The HTTP status in an error: its type does not tell that of a listing.
fn status(text: &str) -> Option<&str> {
    text.split_once("status code: ")?.1.get(..3)
}

/// The store's own words if it found some, else the error with its first cause.
fn reason(error: &object_store::Error, text: &str) -> String {
    let between = |open: &str, close: &str| {
        let (_, rest) = text.split_once(open)?;
        Some(rest.split_once(close)?.0)
    };
    let code = between("<Code>", "</Code>");
    if let (Some(code), Some(message)) = (code, between("<Message>", "</Message>")) {
        return format!("{message} ({code})");
    }
    let causes = std::iter::successors(error.source(), |&error| error.source());
    let first = causes.last().map(ToString::to_string);
    let first = first.filter(|first| !text.contains(first.as_str()));
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match first {
        Some(first) => format!("{text}: {first}"),
        None => text,
    }
}
