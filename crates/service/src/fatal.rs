//! A report that the process must end because it cannot keep its promises any more, such as after a
//! disk that refused a flush. The supervisor starts it again. The reason is kept here and logged
//! once, by the command that runs the process.

use tokio::sync::watch;

/// Reports the failure, from any thread. Clones share everything; the first report counts.
#[derive(Debug, Clone)]
pub struct Reporter(watch::Sender<Option<String>>);

/// Receives the report.
#[derive(Debug)]
pub struct Failure(watch::Receiver<Option<String>>);

/// A reporter and the failure that it reports.
pub fn channel() -> (Reporter, Failure) {
    let (sender, receiver) = watch::channel(None);
    (Reporter(sender), Failure(receiver))
}

impl Reporter {
    /// Says that this process must end, and why. Later reports change nothing.
    pub fn report(&self, reason: impl Into<String>) {
        self.0.send_if_modified(|reported| {
            let is_first = reported.is_none();
            if is_first {
                *reported = Some(reason.into());
            }
            is_first
        });
    }

    /// Whether a failure has been reported.
    pub fn is_reported(&self) -> bool {
        self.0.borrow().is_some()
    }
}

impl Default for Reporter {
    /// A reporter whose reports end no process, for commands that end by themselves.
    fn default() -> Self {
        channel().0
    }
}

impl Failure {
    /// Waits for the report and returns its reason. Never returns if there is none, even if every
    /// reporter is gone.
    pub async fn wait(&mut self) -> String {
        if let Ok(reported) = self.0.wait_for(Option::is_some).await
            && let Some(reason) = &*reported
        {
            return reason.clone();
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn the_first_report_counts_and_stays() {
        let (reporter, mut failure) = channel();
        assert_eq!(failure.wait().now_or_never(), None);
        assert!(!reporter.is_reported());
        reporter.clone().report("the disk refused");
        reporter.report("something else");
        assert!(reporter.is_reported());
        assert_eq!(failure.wait().now_or_never().as_deref(), Some("the disk refused"));
        assert_eq!(failure.wait().now_or_never().as_deref(), Some("the disk refused"));
    }

    #[test]
    fn a_report_outlives_its_reporter_and_no_reporter_is_no_report() {
        let (reporter, mut failure) = channel();
        reporter.report("the disk refused");
        drop(reporter);
        assert_eq!(failure.wait().now_or_never().as_deref(), Some("the disk refused"));
        let (reporter, mut failure) = channel();
        drop(reporter);
        assert_eq!(failure.wait().now_or_never(), None);
    }

    #[tokio::test]
    async fn a_report_from_another_thread_wakes_the_command() {
        let (reporter, mut failure) = channel();
        let waiting = tokio::spawn(async move { failure.wait().await });
        std::thread::spawn(move || reporter.report("the disk refused")).join().unwrap();
        assert_eq!(waiting.await.unwrap(), "the disk refused");
    }
}
