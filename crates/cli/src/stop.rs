//! Ctrl-C and SIGTERM: the first asks the worker to end after the jobs that run, the second ends at once.

use tokio::sync::watch;

/// The exit code of a process that was interrupted.
pub(crate) const INTERRUPTED: u8 = 130;

/// A receiver that turns true when the process is asked to stop.
pub(crate) fn on_signal() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        asked().await;
        eprintln!(
            "stopping after the jobs that run; once more to stop at once (nothing is lost: they run again next time)"
        );
        // Nobody listens when the worker has just ended.
        sender.send_replace(true);
        asked().await;
        std::process::exit(INTERRUPTED.into());
    });
    receiver
}

#[cfg(unix)]
async fn asked() {
    let terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    let Ok(mut terminated) = terminated else { return interrupted().await };
    tokio::select! {
        () = interrupted() => {}
        _ = terminated.recv() => {}
    }
}

#[cfg(not(unix))]
async fn asked() {
    interrupted().await;
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
