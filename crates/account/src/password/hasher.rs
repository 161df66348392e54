//! Argon2id, computed away from the async threads. At most so many at once, at most so many
//! waiting, and the large memory of each is kept and used again: the heap neither grows nor breaks
//! into pieces.

use std::sync::{Arc, Mutex, PoisonError};

use argon2::{
    ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, PasswordHash, Version,
    password_hash::{
        self,
        phc::{Output, ParamsString, Salt},
    },
};
use service::trace::Span;
use tokio::{sync::Semaphore, task, time::Instant};

use super::NewPassword;
use crate::{
    config::{InvalidConfig, PasswordConfig},
    metrics::HasherMetrics,
};

/// Length of a salt and of a hash, in bytes (RFC 9106, section 4).
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// Why a password was neither hashed nor verified.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Too many are waiting already. Nothing was done.
    #[error("too many passwords are waiting to be hashed")]
    Busy,
    /// A defect: in the parameters, or in what is stored.
    #[error("a password could not be hashed")]
    Failed(#[source] password_hash::Error),
    /// The operating system has no randomness.
    #[error("there is no randomness for a salt")]
    Randomness(#[source] getrandom::Error),
    /// A defect: the work panicked, or the process is ending.
    #[error("the hashing of a password broke off")]
    BrokeOff(#[source] task::JoinError),
}

/// Hashes and verifies passwords.
#[derive(Debug)]
pub(crate) struct Hasher {
    params: Params,
    /// What stands in for the hash of an account that is not there. No password has it.
    absent: PasswordHash,
    /// One for each hash that is computed or waiting.
    places: Arc<Semaphore>,
    /// One for each hash that is computed.
    threads: Arc<Semaphore>,
    memories: Arc<Mutex<Vec<Vec<Block>>>>,
    metrics: HasherMetrics,
}

impl Hasher {
    pub(crate) fn new(config: &PasswordConfig) -> Result<Self, InvalidConfig> {
        let refused = |_| InvalidConfig {
            setting: "password",
            reason: "has a cost that Argon2id does not allow",
        };
        let params = Params::new(config.memory_kib, config.iterations, 1, Some(HASH_BYTES))
            .map_err(refused)?;
        let absent = Salt::new(&[0; SALT_BYTES])
            .and_then(|salt| Ok((salt, Output::new(&[0; HASH_BYTES])?)))
            .map_err(password_hash::Error::from)
            .and_then(|(salt, output)| assemble(&params, salt, output))
            .map_err(|_| InvalidConfig { setting: "password", reason: "cannot be written down" })?;
        let metrics = HasherMetrics::default();
        metrics.waiting_max.set(i64::try_from(config.waiting_max).unwrap_or(i64::MAX));
        Ok(Self {
            metrics,
            params,
            absent,
            places: Arc::new(Semaphore::new(config.threads_max + config.waiting_max)),
            threads: Arc::new(Semaphore::new(config.threads_max)),
            memories: Arc::default(),
        })
    }

    /// What it counts.
    pub(crate) fn metrics(&self) -> &HasherMetrics {
        &self.metrics
    }

    /// Hashes a password under a fresh salt, to a PHC string.
    pub(crate) async fn hash(&self, password: NewPassword) -> Result<String, HashError> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(HashError::Randomness)?;
        let params = self.params.clone();
        self.run(move |memory| {
            let salt = Salt::new(&salt)?;
            let output = compute(&params, password.into_text().as_bytes(), &salt, memory)?;
            Ok(assemble(&params, salt, output)?.to_string())
        })
        .await
    }

    /// Whether `password` is the one that `stored`, a PHC string, is the hash of. With nothing
    /// stored it is not, and that takes the same work: who waits for the answer learns nothing from
    /// the time.
    pub(crate) async fn verify(
        &self,
        password: String,
        stored: Option<String>,
    ) -> Result<bool, HashError> {
        let expected = match &stored {
            Some(text) => parse(text).map_err(HashError::Failed)?,
            None => self.absent.clone(),
        };
        let matches = self
            .run(move |memory| {
                let params = Params::try_from(&expected)?;
                let salt = expected.salt.ok_or(password_hash::Error::SaltInvalid)?;
                let output = compute(&params, password.as_bytes(), &salt, memory)?;
                // `Output` compares in constant time.
                Ok(expected.hash == Some(output))
            })
            .await?;
        Ok(matches && stored.is_some())
    }

    /// Whether one more could be hashed now, or wait. It may be otherwise a moment later.
    pub(crate) fn check_room(&self) -> Result<(), HashError> {
        if self.places.available_permits() > 0 {
            return Ok(());
        }
        self.metrics.refused.inc();
        Err(HashError::Busy)
    }

    /// Runs `work` with a memory, on a thread that may block, when it is its turn.
    async fn run<T, F>(&self, work: F) -> Result<T, HashError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Vec<Block>) -> Result<T, password_hash::Error> + Send + 'static,
    {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_full| {
            self.metrics.refused.inc();
            HashError::Busy
        })?;
        let span = Span::child("hash password");
        let (arrived, waiting) = (Instant::now(), self.metrics.wait());
        let thread =
            Arc::clone(&self.threads).acquire_owned().await.expect("the semaphore is never closed");
        self.metrics.observe_wait(arrived.elapsed());
        span.record("wait for a thread", arrived.elapsed());
        drop(waiting);
        let (memories, metrics) = (Arc::clone(&self.memories), self.metrics.clone());
        let done = task::spawn_blocking(move || {
            let kept = memories.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut memory = kept.unwrap_or_default();
            let started = Instant::now();
            let result = work(&mut memory);
            metrics.observe_duration(started.elapsed());
            memories.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
            // Held to here, also when nobody waits for the result any more.
            drop((place, thread));
            result
        });
        done.await.map_err(HashError::BrokeOff)?.map_err(HashError::Failed)
    }

    /// Takes every place, as a crowd of logins would.
    #[cfg(test)]
    pub(crate) fn fill_up(&self) -> tokio::sync::OwnedSemaphorePermit {
        let free = u32::try_from(self.places.available_permits()).expect("places are few");
        Arc::clone(&self.places).try_acquire_many_owned(free).expect("nobody else takes any")
    }
}

fn compute(
    params: &Params,
    password: &[u8],
    salt: &Salt,
    memory: &mut Vec<Block>,
) -> Result<Output, password_hash::Error> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    if memory.len() < params.block_count() {
        memory.resize_with(params.block_count(), Block::new);
    }
    let mut hash = [0; HASH_BYTES];
    argon2.hash_password_into_with_memory(password, salt, &mut hash, memory.as_mut_slice())?;
    Ok(Output::new(&hash)?)
}

fn assemble(
    params: &Params,
    salt: Salt,
    output: Output,
) -> Result<PasswordHash, password_hash::Error> {
    Ok(PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params)?,
        salt: Some(salt),
        hash: Some(output),
    })
}

/// Reads a PHC string, and refuses what [`Hasher::hash`] has never written.
fn parse(text: &str) -> Result<PasswordHash, password_hash::Error> {
    let hash = PasswordHash::new(text)?;
    if hash.algorithm != ARGON2ID_IDENT {
        return Err(password_hash::Error::Algorithm);
    }
    if hash.version != Some(Version::V0x13.into()) {
        return Err(password_hash::Error::Version);
    }
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use argon2::PasswordVerifier as _;

    use super::*;

    fn hasher(threads_max: usize, waiting_max: usize) -> Hasher {
        let config = PasswordConfig { memory_kib: 64, iterations: 1, threads_max, waiting_max };
        Hasher::new(&config).unwrap()
    }

    fn password(text: &str) -> NewPassword {
        NewPassword::accept(text.to_owned(), None, None).unwrap()
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_and_no_other() {
        let hasher = hasher(1, 0);
        let stored = hasher.hash(password("correct horse")).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{stored}");
        let verify = async |text: &str, stored: Option<&String>| {
            hasher.verify(text.to_owned(), stored.cloned()).await.unwrap()
        };
        assert!(verify("correct horse", Some(&stored)).await);
        assert!(!verify("Correct horse", Some(&stored)).await);
        assert!(!verify("correct horse ", Some(&stored)).await);
        assert!(!verify("correct horse", None).await);
        assert_eq!(hasher.memories.lock().unwrap().len(), 1, "one thread keeps one memory");

        // The library's own verification agrees.
        Argon2::default().verify_password(b"correct horse", stored.as_str()).unwrap();
        let again = hasher.hash(password("correct horse")).await.unwrap();
        assert_ne!(stored, again, "every hash has its own salt");
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_is_verified_at_that_cost() {
        let costly =
            PasswordConfig { memory_kib: 256, iterations: 2, threads_max: 1, waiting_max: 0 };
        let stored = Hasher::new(&costly).unwrap().hash(password("correct horse")).await.unwrap();
        let hasher = hasher(1, 0);
        assert!(hasher.verify("correct horse".to_owned(), Some(stored.clone())).await.unwrap());
        assert!(!hasher.verify("wrong horse".to_owned(), Some(stored)).await.unwrap());
    }

    #[tokio::test]
    async fn a_crowd_beyond_the_places_is_turned_away_and_the_rest_is_served() {
        let hasher = hasher(1, 2);
        let crowd = hasher.fill_up();
        let refused = hasher.verify("correct horse".to_owned(), None).await;
        assert!(matches!(refused, Err(HashError::Busy)));
        drop(crowd);
        let (a, b, c) = tokio::join!(
            hasher.hash(password("correct horse")),
            hasher.hash(password("correct horse")),
            hasher.hash(password("correct horse")),
        );
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
        assert_eq!(hasher.memories.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn what_was_never_written_here_is_refused() {
        let hasher = hasher(1, 0);
        let foreign = "$argon2i$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                       AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for stored in ["", "plain", foreign] {
            let refused = hasher.verify("correct horse".to_owned(), Some(stored.to_owned())).await;
            assert!(matches!(refused, Err(HashError::Failed(_))), "{stored}");
        }
    }
}
