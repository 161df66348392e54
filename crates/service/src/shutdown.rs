//! One signal that everything long-lived listens to. It is given once and stays given.

use tokio::sync::watch;

/// Gives the signal. Dropping it gives it too, so nothing outlives its owner by accident.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

/// Receives the signal; clones freely.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

/// A trigger and the signal that it gives.
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Tells every holder of the signal to finish.
    pub fn shut_down(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Whether the signal has been given.
    pub fn is_shut_down(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits for the signal. Returns at once if it was given before.
    pub async fn wait(&mut self) {
        // An error means that the trigger is gone, which is the signal as well.
        let _gone = self.0.wait_for(|given| *given).await;
    }
}
