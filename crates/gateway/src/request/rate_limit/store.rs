//! The buckets, one a key, bounded in number. Beyond the bound, new keys share one bucket: a flood
//! from ever new addresses then slows itself and other newcomers down, but neither those who are
//! known already nor, by exhausting memory, everybody.

use std::{
    fmt,
    hash::Hash,
    sync::atomic::{AtomicUsize, Ordering},
};

use governor::{
    nanos::Nanos,
    state::{
        InMemoryState, NotKeyed, StateStore,
        keyed::{DashMapStateStore, ShrinkableKeyedStateStore},
    },
};

/// What a bucket belongs to.
pub(super) trait Key: Copy + Eq + Hash + fmt::Debug {}

impl<K: Copy + Eq + Hash + fmt::Debug> Key for K {}

/// At most so many buckets, and one that the rest shares.
pub(super) struct BoundedStore<K: Key> {
    buckets: DashMapStateStore<K>,
    /// As many as there are buckets; counting the map itself would lock all of it.
    count: AtomicUsize,
    keys_max: usize,
    shared: InMemoryState,
}

impl<K: Key> BoundedStore<K> {
    pub(super) fn new(keys_max: usize) -> Self {
        Self {
            buckets: DashMapStateStore::default(),
            count: AtomicUsize::new(0),
            keys_max,
            shared: InMemoryState::default(),
        }
    }
}

impl<K: Key> StateStore for BoundedStore<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        if let Some(bucket) = self.buckets.get(key) {
            return bucket.measure_and_replace(&NotKeyed::NonKey, measure);
        }
        // Threads that pass this line together can exceed the bound by their own number.
        if self.count.load(Ordering::Relaxed) >= self.keys_max {
            return self.shared.measure_and_replace(&NotKeyed::NonKey, measure);
        }
        let bucket = self.buckets.entry(*key).or_insert_with(|| {
            self.count.fetch_add(1, Ordering::Relaxed);
            InMemoryState::default()
        });
        bucket.measure_and_replace(&NotKeyed::NonKey, measure)
    }
}

impl<K: Key> ShrinkableKeyedStateStore<K> for BoundedStore<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        self.buckets.retain(|_, bucket| {
            let is_recent = fill_time(bucket).is_some_and(|time| time > drop_below);
            if !is_recent {
                self.count.fetch_sub(1, Ordering::Relaxed);
            }
            is_recent
        });
    }

    fn shrink_to_fit(&self) {
        self.buckets.shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// When the bucket is full again. A measurement that fails reads it and changes nothing.
fn fill_time(bucket: &InMemoryState) -> Option<Nanos> {
    let measured: Result<(), _> = bucket.measure_and_replace(&NotKeyed::NonKey, Err);
    measured.err().flatten()
}
