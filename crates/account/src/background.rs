//! What a service does without being asked, as long as it serves.

use tokio::task::JoinHandle;

use crate::{AccountService, Error, api_keys::write_last_uses, revocations::follow};

/// Works until it is stopped or dropped.
#[derive(Debug)]
pub struct Background([JoinHandle<()>; 2]);

impl AccountService {
    /// Begins to tell subscribers what operators end in other processes from now on, and to write
    /// when API keys were last used. Needed wherever tokens are introspected; one for each service.
    pub async fn start_background(&self) -> Result<Background, Error> {
        // Whatever was ended before, no introspection of this instance has called valid.
        let newest = self.0.store.newest_revocation().await?;
        let following = tokio::spawn(follow(self.clone(), newest));
        let writing = tokio::spawn(write_last_uses(self.clone()));
        Ok(Background([following, writing]))
    }
}

impl Background {
    /// Stops, and lets go of the store. The uses of API keys of the last minute may be unwritten.
    pub async fn stop(mut self) {
        for task in &mut self.0 {
            task.abort();
            // An error means that it was aborted, as it should be.
            let _aborted = task.await;
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}
