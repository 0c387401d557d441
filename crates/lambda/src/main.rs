//! The Lambda bootstrap: notices from SQS, S3, SNS and EventBridge go through [`millpond::pipeline::process`], and a
//! function of its own commits. What is done with a file is in the library; here is only what Lambda asks for: reading
//! its settings, its events and its deadline, and answering which messages come back.

mod batch;
mod beside;
mod handler;
mod jobs;
mod lanes;
mod logging;
mod pond;
mod request;
mod settings;

use std::process::ExitCode;
use std::sync::Arc;

use lambda_runtime::{Runtime, service_fn};
use millpond::memory::Counting;
use millpond::traces;

use crate::handler::Handler;
use crate::settings::Settings;

/// As in the command: mimalloc behind the counter that gives each job's peak.
#[global_allocator]
static ALLOCATOR: Counting<mimalloc::MiMalloc> = Counting(mimalloc::MiMalloc);

fn main() -> ExitCode {
    logging::start(std::env::var("MILLPOND_LOG").ok().as_deref());
    // A panic ends one job, whose receipt tells of it; the log gets a line with the place.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// One thread serves the network. The handler, and in it the first job, is polled by this thread, on which it may block.
fn run() -> Result<(), lambda_runtime::Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let warn = |error: &millpond_core::Error| tracing::warn!("{}", error.report());
        if let Err(error) = traces::start(warn) {
            warn(&error);
        }
        let settings = Settings::read(&|name| std::env::var(name).ok()).map_err(|error| error.report())?;
        let handler = Arc::new(Handler::open(settings).await.map_err(|error| error.report())?);
        let service = service_fn(move |event| {
            let handler = Arc::clone(&handler);
            async move { handler.invoke(event).await }
        });
        Runtime::new(service).run().await
    })
}
