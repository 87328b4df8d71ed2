//! axum, with its own graceful shutdown and nothing else.

use std::pin::Pin;
use std::process::ExitCode;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::response::Response;
use ecewo_cluster::Worker;
use ecewo_cluster_rust_servers::{Answered, Options, Request, body_of};
use http_body::{Frame, SizeHint};
use tokio::net::{TcpListener, UnixStream};
use tokio::time::{Sleep, sleep};

const BIG: usize = 6 * 1024 * 1024;

fn main() -> ExitCode {
    ecewo_cluster_rust_servers::main(serve)
}

fn serve(worker: Worker, options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(options.threads).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(worker.nonblocking_listener(options.address())?)?;
        let notice = UnixStream::from_std(worker.drain_notice()?.into())?;
        let stop = async move {
            let _ = notice.readable().await;
        };
        axum::serve(listener, Router::new().fallback(answer)).with_graceful_shutdown(stop).await?;
        Ok(())
    })
}

async fn answer(request: axum::extract::Request) -> Response {
    let (head, body) = request.into_parts();
    let request = Request::of_target(head.uri.path_and_query().map_or("/", |target| target.as_str()));
    let mut answered = Answered::to(&request);
    answered.add(&to_bytes(body, usize::MAX).await.unwrap_or_default());
    let body = match request.path.as_str() {
        "/slow" => {
            sleep(Duration::from_millis(request.ms)).await;
            Body::from(body_of(answered, 20))
        }
        "/parts" => Body::new(Parts::of(body_of(answered, 3000), Duration::from_millis(300), true)),
        "/chunked" => Body::new(Parts::of(body_of(answered, 3000), Duration::from_millis(200), false)),
        "/big" => Body::from(body_of(answered, BIG)),
        "/crash" => std::process::abort(),
        "/hang" => std::future::pending().await,
        _ => Body::from(body_of(answered, 20)),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert("x-id", answered.id.into());
    headers.insert("x-pid", std::process::id().into());
    response
}

/// A body in three parts with pauses between them.
struct Parts {
    parts: std::vec::IntoIter<Bytes>,
    pause: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    /// `None`: it is not told, and the body comes in chunks.
    left: Option<u64>,
}

impl Parts {
    fn of(body: Vec<u8>, pause: Duration, is_size_told: bool) -> Self {
        let body = Bytes::from(body);
        let border = |part: usize| body.len() * part / 3;
        let parts: Vec<Bytes> = (0..3).map(|part| body.slice(border(part)..border(part + 1))).collect();
        Self { parts: parts.into_iter(), pause, sleep: None, left: is_size_told.then_some(body.len() as u64) }
    }
}

impl HttpBody for Parts {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(sleep) = &mut self.sleep {
            std::task::ready!(sleep.as_mut().poll(context));
        }
        self.sleep = Some(Box::pin(sleep(self.pause)));
        let next = self.parts.next();
        if let (Some(left), Some(part)) = (&mut self.left, &next) {
            *left -= part.len() as u64;
        }
        Poll::Ready(next.map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.parts.len() == 0
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
