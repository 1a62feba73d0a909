//! Turns: several deliveries at once, one call at a time, in an order that comes from a seed.
//!
//! Beside [`crate::Faults`], between the SDK and AWS. Each call of each delivery waits for its turn;
//! when no call is under way and every delivery that is still running waits for one, the generator
//! picks who goes next. So the same seed gives the same order, without a sleep and without a thread.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;

use crate::faults::operation;

/// A call that waits: who makes it, what it is, and whom to wake.
#[derive(Debug)]
struct Waiting {
    delivery: usize,
    operation: String,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct State {
    random: fastrand::Rng,
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
    under_way: Option<u64>,
    trace: Vec<(usize, String)>,
}

impl State {
    /// Gives the turn to one of the waiting calls, if every live delivery waits.
    fn grant(&mut self, live: &[usize]) -> bool {
        let waits = |delivery: &usize| self.waiting.values().any(|w| w.delivery == *delivery);
        if self.under_way.is_some() || live.is_empty() || !live.iter().all(waits) {
            return false;
        }
        let nth = self.random.usize(..self.waiting.len());
        let Some((&call, waiting)) = self.waiting.iter_mut().nth(nth) else { return false };
        self.under_way = Some(call);
        self.trace.push((waiting.delivery, waiting.operation.clone()));
        if let Some(waker) = waiting.waker.take() {
            waker.wake();
        }
        true
    }
}

/// Who goes next, from a seed.
#[derive(Clone, Debug)]
pub struct Turns(Arc<Mutex<State>>);

fn held(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Turns {
    /// An order that comes from that seed.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: fastrand::Rng::with_seed(seed),
            next: 0,
            waiting: BTreeMap::new(),
            under_way: None,
            trace: Vec::new(),
        })))
    }

    /// The client of delivery number `delivery`, around the one that really sends.
    pub fn client(&self, delivery: usize, inner: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Client { inner, delivery, state: Arc::clone(&self.0) })
    }

    /// Runs the deliveries, numbered as they stand here, until each has ended.
    pub async fn run<F: Future>(&self, deliveries: Vec<F>) -> Vec<F::Output> {
        let mut running: Vec<Option<Pin<Box<F>>>> =
            deliveries.into_iter().map(|delivery| Some(Box::pin(delivery))).collect();
        let mut ended: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
        let all = std::future::poll_fn(|context: &mut Context<'_>| {
            loop {
                for (delivery, end) in running.iter_mut().zip(&mut ended) {
                    if let Some(work) = delivery
                        && let Poll::Ready(output) = work.as_mut().poll(context)
                    {
                        *end = Some(output);
                        *delivery = None;
                    }
                }
                let live: Vec<usize> = running
                    .iter()
                    .enumerate()
                    .filter_map(|(n, delivery)| delivery.as_ref().map(|_| n))
                    .collect();
                if live.is_empty() {
                    return Poll::Ready(());
                }
                if !held(&self.0).grant(&live) {
                    return Poll::Pending;
                }
            }
        });
        // Otherwise the runtime makes a task that has done much pause, and the order with it.
        tokio::task::unconstrained(all).await;
        ended.into_iter().flatten().collect()
    }

    /// The order so far: delivery and operation.
    pub fn trace(&self) -> Vec<(usize, String)> {
        held(&self.0).trace.clone()
    }

    /// The order so far in one line.
    pub fn line(&self) -> String {
        let calls = self.trace();
        calls.iter().map(|(n, call)| format!("{n}:{call}")).collect::<Vec<_>>().join(" ")
    }
}

#[derive(Clone, Debug)]
struct Client {
    inner: SharedHttpClient,
    delivery: usize,
    state: Arc<Mutex<State>>,
}

impl HttpClient for Client {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector {
            inner: self.inner.http_connector(settings, components),
            delivery: self.delivery,
            state: Arc::clone(&self.state),
        })
    }
}

#[derive(Debug)]
struct Connector {
    inner: SharedHttpConnector,
    delivery: usize,
    state: Arc<Mutex<State>>,
}

/// A call from its request to its whole answer. Dropped, it gives its turn back.
struct Turn {
    call: u64,
    state: Arc<Mutex<State>>,
}

impl Turn {
    fn ask(state: &Arc<Mutex<State>>, delivery: usize, operation: String) -> Self {
        let mut now = held(state);
        let call = now.next;
        now.next += 1;
        now.waiting.insert(call, Waiting { delivery, operation, waker: None });
        Self { call, state: Arc::clone(state) }
    }

    async fn comes(&self) {
        std::future::poll_fn(|context| {
            let mut now = held(&self.state);
            if now.under_way == Some(self.call) {
                now.waiting.remove(&self.call);
                return Poll::Ready(());
            }
            if let Some(waiting) = now.waiting.get_mut(&self.call) {
                waiting.waker = Some(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut now = held(&self.state);
        now.waiting.remove(&self.call);
        if now.under_way == Some(self.call) {
            now.under_way = None;
        }
    }
}

/// The answer with its body read: a delivery that still reads would look like one that waits.
async fn whole(mut answer: HttpResponse) -> Result<HttpResponse, ConnectorError> {
    let body = ByteStream::new(answer.take_body())
        .collect()
        .await
        .map_err(|error| ConnectorError::io(error.into()))?;
    *answer.body_mut() = SdkBody::from(body.into_bytes());
    Ok(answer)
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let turn = Turn::ask(&self.state, self.delivery, operation(&request));
        let inner = self.inner.clone();
        HttpConnectorFuture::new(async move {
            turn.comes().await;
            whole(inner.call(request).await?).await
        })
    }
}
