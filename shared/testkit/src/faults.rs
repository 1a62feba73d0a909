//! Faults between the SDK and AWS: a call that never arrives, an answer that is lost, a refusal.
//!
//! One wrapper around the one shared HTTP client. Calls are counted, so that a test can fail the
//! n-th one, whichever it is.

use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use tokio::sync::Notify;

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It never arrives.
    Before,
    /// It is made, and its answer is lost.
    After,
    /// It is throttled.
    Throttled,
    /// It is refused.
    Denied,
    /// The process dies before it is made.
    DiesBefore,
    /// It is made, and the process dies before the answer.
    DiesAfter,
}

/// The calls that were made, and which of them goes wrong.
#[derive(Debug, Default)]
struct Plan {
    made: Vec<String>,
    fail: Option<(usize, Fault)>,
}

/// An HTTP client that counts calls and makes one of them fail.
#[derive(Clone, Debug)]
pub struct Faults {
    inner: SharedHttpClient,
    plan: Arc<Mutex<Plan>>,
    died: Arc<Notify>,
}

impl Faults {
    /// Around the client that really sends.
    pub fn around(inner: SharedHttpClient) -> Self {
        Self { inner, plan: Arc::default(), died: Arc::default() }
    }

    /// The client to build connections with.
    pub fn client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.clone())
    }

    /// Forgets what was made, and fails the call number `n` from now, counted from 0.
    pub fn fail(&self, n: usize, fault: Fault) {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        *plan = Plan { made: Vec::new(), fail: Some((n, fault)) };
    }

    /// Forgets what was made, and fails nothing.
    pub fn clear(&self) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Plan::default();
    }

    /// Runs the work until it ends, or until the process is to die: then it is dropped where it
    /// stands, as a crash does. None if it died.
    pub async fn until_death<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.died.notified() => None,
        }
    }

    /// The operations called since, in order.
    pub fn made(&self) -> Vec<String> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).made.clone()
    }
}

impl HttpClient for Faults {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Faulty {
            inner: self.inner.http_connector(settings, components),
            plan: Arc::clone(&self.plan),
            died: Arc::clone(&self.died),
        })
    }
}

#[derive(Debug)]
struct Faulty {
    inner: SharedHttpConnector,
    plan: Arc<Mutex<Plan>>,
    died: Arc<Notify>,
}

/// The operation of a request: the JSON protocols name it in a header, the query ones in the form.
/// The REST ones name none: method and path stand for it.
pub(crate) fn operation(request: &HttpRequest) -> String {
    if let Some(target) = request.headers().get("x-amz-target") {
        return target.rsplit('.').next().unwrap_or(target).to_owned();
    }
    let body = request.body().bytes().unwrap_or_default();
    String::from_utf8_lossy(body)
        .split('&')
        .find_map(|pair| pair.strip_prefix("Action="))
        .map_or_else(|| format!("{} {}", request.method(), path(request.uri())), str::to_owned)
}

/// The path of a URI.
fn path(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/");
    path.split('?').next().unwrap_or(path)
}

/// An error as the service's protocol writes it.
fn refusal(request: &HttpRequest, code: &str, status: u16) -> HttpResponse {
    let json = request.headers().get("x-amz-target").is_some();
    let body = if json {
        format!(r#"{{"__type":"{code}","message":"injected"}}"#)
    } else if request
        .body()
        .bytes()
        .is_some_and(|b| b.windows(18).any(|w| w == b"Version=2016-11-15"))
    {
        format!(
            "<Response><Errors><Error><Code>{code}</Code><Message>injected</Message></Error>\
             </Errors><RequestID>r</RequestID></Response>"
        )
    } else {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>\
             <Message>injected</Message></Error><RequestId>r</RequestId></ErrorResponse>"
        )
    };
    let status = StatusCode::try_from(status).unwrap_or_else(|_| {
        // A constant status of ours is always valid.
        unreachable!("{status}")
    });
    HttpResponse::new(status, SdkBody::from(body))
}

impl HttpConnector for Faulty {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let fault = {
            let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
            let n = plan.made.len();
            plan.made.push(operation(&request));
            plan.fail.filter(|(at, _)| *at == n).map(|(_, fault)| fault)
        };
        let lost = || ConnectorError::io("injected: the connection was lost".into());
        match fault {
            None => self.inner.call(request),
            Some(Fault::Before) => HttpConnectorFuture::ready(Err(lost())),
            Some(Fault::Throttled) => {
                HttpConnectorFuture::ready(Ok(refusal(&request, "ThrottlingException", 400)))
            }
            Some(Fault::Denied) => {
                let json = request.headers().get("x-amz-target").is_some();
                let code = if json { "AccessDeniedException" } else { "UnauthorizedOperation" };
                HttpConnectorFuture::ready(Ok(refusal(&request, code, 403)))
            }
            Some(Fault::DiesBefore) => {
                self.died.notify_one();
                HttpConnectorFuture::new(std::future::pending())
            }
            Some(Fault::DiesAfter) => {
                let (inner, died) = (self.inner.call(request), Arc::clone(&self.died));
                HttpConnectorFuture::new(async move {
                    drop(inner.await);
                    died.notify_one();
                    std::future::pending().await
                })
            }
            Some(Fault::After) => {
                let inner = self.inner.call(request);
                HttpConnectorFuture::new(async move {
                    drop(inner.await);
                    Err(lost())
                })
            }
        }
    }
}
