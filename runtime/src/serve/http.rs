//! The server: routes, limits, and the change from one version to the next.

#![expect(
    clippy::result_large_err,
    reason = "the error of a step is the response"
)]

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Value as Json, json};
use tokio::sync::{Semaphore, TryAcquireError, oneshot};

use super::answer::{Call, Limits, Refusal, deadline};
use super::inference::{self, Inferred};
use super::metrics::Metrics;
use super::openapi;
use super::version::{Source, Version};
use crate::error::{Error, Result};

/// How long a client may take to send the head of a request, and how long its body.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How a server answers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens.
    pub bind: SocketAddr,
    /// Requests that are answered at the same time; more are refused at once.
    pub in_flight: usize,
    /// Bytes of a request's body at most.
    pub body: usize,
    /// Ids, rows and returned items of a request at most.
    pub items: usize,
    /// How long a request may take.
    pub deadline: Duration,
    /// How long requests may go on after SIGTERM.
    pub drain: Duration,
    /// What `Authorization: Bearer` must say; `None`: nothing.
    pub token: Option<String>,
    /// Whether every request is logged.
    pub log_requests: bool,
}

/// A server.
#[derive(Debug)]
pub struct Server {
    pub(super) settings: Settings,
    source: Source,
    /// `None` until the first version is ready.
    current: RwLock<Option<Arc<Version>>>,
    permits: Arc<Semaphore>,
    pub(super) metrics: Metrics,
}

/// The header of the binary extension: how many bytes of the body are JSON.
const HEAD_LENGTH: &str = "inference-header-content-length";

/// An answer before it is a response.
enum Reply {
    Json(Json),
    Inferred(Inferred),
}

type Work = fn(&Call<'_>, &HeaderMap, &[u8]) -> Result<Reply, Refusal>;

impl Server {
    /// One that has no version yet.
    ///
    /// # Errors
    /// A bug in the names of the metrics.
    pub fn new(source: Source, settings: Settings) -> Result<Arc<Self>> {
        let metrics = Metrics::new().map_err(|error| {
            Error::run("the metrics", error.to_string(), "report this as a bug")
        })?;
        Ok(Arc::new(Self {
            permits: Arc::new(Semaphore::new(settings.in_flight)),
            current: RwLock::new(None),
            metrics,
            source,
            settings,
        }))
    }

    /// Loads a version, which answers from then on.
    ///
    /// # Errors
    /// A version that cannot be loaded; the one before goes on.
    pub fn load(&self) -> Result<()> {
        let started = Instant::now();
        let version = self.source.load()?;
        let event = json!({
            "event": "ready",
            "model": &*version.schema().name,
            "weights": version.weights,
            "golden_rows": version.golden,
            "seconds": started.elapsed().as_secs_f64(),
        });
        self.metrics.serves(&version);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let before = current.replace(Arc::new(version));
        drop(current);
        log(event);
        // The one before goes when its last request has been answered.
        drop(before);
        Ok(())
    }

    fn version(&self) -> Option<Arc<Version>> {
        let current = self.current.read();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All routes.
    pub fn router(self: &Arc<Self>) -> Router {
        let name = &self.source.model.schema.name;
        let model = format!("/v2/models/{name}");
        let versioned = format!("{model}/versions/{{version}}");
        let mut router = Router::new()
            .route("/v1/rank", post(rank))
            .route("/v1/embed", post(embed))
            .route("/openapi.json", get(openapi))
            .route("/metrics", get(metrics))
            .route("/v2", get(server_metadata))
            .route("/v2/health/live", get(|| async { StatusCode::OK }))
            .route("/v2/health/ready", get(ready));
        for path in [&model, &versioned] {
            router = router
                .route(path, get(model_metadata))
                .route(&format!("{path}/ready"), get(ready_model))
                .route(&format!("{path}/infer"), post(infer));
        }
        router
            .fallback(|| async {
                let told = "there is no such route: /openapi.json lists them";
                failure(StatusCode::NOT_FOUND, told)
            })
            .method_not_allowed_fallback(|| async {
                failure(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "this route has another method",
                )
            })
            .with_state(Arc::clone(self))
    }

    /// Answers a request by work on the pool of threads.
    async fn answer(
        self: Arc<Self>,
        route: &'static str,
        request: Request,
        work: Work,
    ) -> Response {
        let arrived = Instant::now();
        let response = match self.reply(request, arrived, work).await {
            Ok(Reply::Json(body)) => {
                let json = [(header::CONTENT_TYPE, "application/json")];
                (json, body.to_string()).into_response()
            }
            Ok(Reply::Inferred(inferred)) => inferred_response(inferred),
            Err(refused) => refused,
        };
        let (code, elapsed) = (response.status().as_u16(), arrived.elapsed());
        self.metrics.answered(route, code, elapsed);
        if self.settings.log_requests || code >= 500 && code != 503 {
            log(json!({
                "event": "request",
                "route": route,
                "code": code,
                "seconds": elapsed.as_secs_f64(),
            }));
        }
        response
    }

    async fn reply(
        self: &Arc<Self>,
        request: Request,
        arrived: Instant,
        work: Work,
    ) -> Result<Reply, Response> {
        let (parts, body) = request.into_parts();
        self.authorised(&parts.headers)?;
        let Some(version) = self.version() else {
            return Err(unavailable("the model is being loaded"));
        };
        let body = self.read(body).await?;
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {
                self.metrics.shed.inc();
                return Err(unavailable("too many requests are being answered"));
            }
        };
        let (sender, receiver) = oneshot::channel();
        let server = Arc::clone(self);
        rayon::spawn(move || {
            server.metrics.in_flight.inc();
            let call = Call {
                version: &version,
                limits: Limits {
                    items: server.settings.items,
                },
                deadline: deadline(server.settings.deadline.saturating_sub(arrived.elapsed())),
                metrics: &server.metrics,
            };
            let worked = || work(&call, &parts.headers, &body);
            let reply = catch_unwind(AssertUnwindSafe(worked));
            server.metrics.in_flight.dec();
            drop(permit);
            // A client that went away wants no answer.
            let _ = sender.send(reply);
        });
        match receiver.await {
            Ok(Ok(reply)) => reply.map_err(|refusal| refusal_response(&refusal)),
            // What panicked has told of itself on standard error.
            Ok(Err(_)) | Err(_) => Err(failure(
                StatusCode::INTERNAL_SERVER_ERROR,
                "a bug of the server: its log says more",
            )),
        }
    }

    fn authorised(&self, headers: &HeaderMap) -> Result<(), Response> {
        let Some(token) = &self.settings.token else {
            return Ok(());
        };
        let given = headers.get(header::AUTHORIZATION);
        let given = given.and_then(|given| given.as_bytes().strip_prefix(b"Bearer "));
        match given.is_some_and(|given| same(given, token.as_bytes())) {
            true => Ok(()),
            false => {
                let mut response = failure(
                    StatusCode::UNAUTHORIZED,
                    "the bearer token is missing or wrong",
                );
                let scheme = HeaderValue::from_static("Bearer");
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, scheme);
                Err(response)
            }
        }
    }

    /// The whole body, if it comes in time and is not too large.
    async fn read(&self, body: Body) -> Result<Bytes, Response> {
        let most = self.settings.body;
        let read = tokio::time::timeout(PATIENCE, to_bytes(body, most));
        match read.await {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(_)) => Err(failure(
                StatusCode::PAYLOAD_TOO_LARGE,
                &format!("the body has more than {most} bytes, or broke off"),
            )),
            Err(_) => Err(failure(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not come in time",
            )),
        }
    }
}

async fn rank(State(server): State<Arc<Server>>, request: Request) -> Response {
    let work: Work = |call, _, body| call.rank(body).map(Reply::Json);
    server.answer("/v1/rank", request, work).await
}

async fn embed(State(server): State<Arc<Server>>, request: Request) -> Response {
    let work: Work = |call, _, body| call.embed(body).map(Reply::Json);
    server.answer("/v1/embed", request, work).await
}

async fn infer(State(server): State<Arc<Server>>, request: Request) -> Response {
    let work: Work = |call, headers, body| {
        let head = headers.get(HEAD_LENGTH).map(|length| {
            let length = length.to_str().ok().and_then(|length| length.parse().ok());
            length.ok_or_else(|| Refusal::Malformed(format!("`{HEAD_LENGTH}` is no number")))
        });
        call.infer(body, head.transpose()?).map(Reply::Inferred)
    };
    server.answer("/v2/infer", request, work).await
}

async fn openapi(State(server): State<Arc<Server>>) -> Response {
    with_version(&server, openapi::document)
}

async fn model_metadata(State(server): State<Arc<Server>>) -> Response {
    with_version(&server, |version| {
        inference::metadata(version.schema(), &version.pair.rows, &version.weights)
    })
}

async fn server_metadata() -> Response {
    json_response(&json!({
        "name": "mtmdc",
        "version": env!("CARGO_PKG_VERSION"),
        "extensions": ["binary_tensor_data"],
    }))
}

async fn ready(State(server): State<Arc<Server>>) -> Response {
    match server.version() {
        Some(_) => StatusCode::OK.into_response(),
        None => unavailable("the model is being loaded"),
    }
}

async fn ready_model(
    State(server): State<Arc<Server>>,
    Path(path): Path<std::collections::BTreeMap<String, String>>,
) -> Response {
    let Some(version) = server.version() else {
        return unavailable("the model is being loaded");
    };
    match path
        .get("version")
        .is_none_or(|wanted| *wanted == version.weights)
    {
        true => StatusCode::OK.into_response(),
        false => failure(StatusCode::NOT_FOUND, "this version is not served"),
    }
}

async fn metrics(State(server): State<Arc<Server>>) -> Response {
    match server.metrics.text() {
        Ok(text) => {
            let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
            (kind, text).into_response()
        }
        Err(error) => failure(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn with_version(server: &Server, make: impl FnOnce(&Version) -> Json) -> Response {
    match server.version() {
        Some(version) => json_response(&make(&version)),
        None => unavailable("the model is being loaded"),
    }
}

fn json_response(body: &Json) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, body.to_string()).into_response()
}

fn inferred_response(Inferred { head, bytes }: Inferred) -> Response {
    if bytes.is_empty() {
        let json = [(header::CONTENT_TYPE, "application/json")];
        return (json, head).into_response();
    }
    let kind = [
        (
            header::CONTENT_TYPE.as_str(),
            "application/octet-stream".to_owned(),
        ),
        (HEAD_LENGTH, head.len().to_string()),
    ];
    (kind, [head, bytes].concat()).into_response()
}

fn refusal_response(refusal: &Refusal) -> Response {
    match refusal {
        Refusal::Malformed(cause) => failure(StatusCode::BAD_REQUEST, cause),
        Refusal::Unknown(cause) => failure(StatusCode::NOT_FOUND, cause),
        Refusal::Unusable(cause) => failure(StatusCode::UNPROCESSABLE_ENTITY, cause),
        Refusal::TooLate => failure(StatusCode::GATEWAY_TIMEOUT, "the request took too long"),
        Refusal::Failed(cause) => failure(StatusCode::INTERNAL_SERVER_ERROR, cause),
    }
}

fn unavailable(cause: &str) -> Response {
    let mut response = failure(StatusCode::SERVICE_UNAVAILABLE, cause);
    let after = HeaderValue::from_static("1");
    response.headers_mut().insert(header::RETRY_AFTER, after);
    response
}

fn failure(code: StatusCode, cause: &str) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (code, json, json!({ "error": cause }).to_string()).into_response()
}

/// Whether two texts are the same, in a time that does not tell where they differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    let differ = one
        .iter()
        .zip(other)
        .fold(0, |all, (one, other)| all | (one ^ other));
    one.len() == other.len() && differ == 0
}

/// An event on standard error, a line of JSON.
#[expect(
    clippy::indexing_slicing,
    reason = "a key of a JSON object is made where it is not there"
)]
pub(super) fn log(mut event: Json) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    event["at"] = Json::from(now.unwrap_or_default().as_secs_f64());
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{event}");
}

pub(super) fn refused(place: &str, source: &std::io::Error) -> Error {
    Error::run(place, source.to_string(), "look at what the system allows")
}
