//! Which connections are open, whose they are, and which of them gives way when there are too many.
//! A request costs two atomic stores here; everything else happens once a connection.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::limits::AddressShare;
use crate::{clock::Clock, http::network::Network};

/// A connection that has served a request must have waited so long for the next one before it gives
/// way: a client that is at work sends the next one sooner, and would lose it.
const GRACE: Duration = Duration::from_secs(1);

/// All connections of a listener.
pub(super) struct Connections {
    share: AddressShare,
    clock: Clock,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    slots: HashMap<u64, Arc<Slot>>,
    /// Connections of each client, without those that have given their place in its share.
    by_network: HashMap<Network, usize>,
    last_id: u64,
}

/// A connection, as long as it is open.
pub(super) struct Entry {
    connections: Arc<Connections>,
    id: u64,
    slot: Arc<Slot>,
}

/// What a connection does at the moment.
pub(super) struct Slot {
    /// Whose it is; none at an address that many clients share.
    network: Option<Network>,
    clock: Clock,
    /// [`AT_WORK`], [`ANSWERED`], or since when it has waited for a request, in microseconds.
    phase: AtomicU64,
    has_served: AtomicBool,
    is_chosen: AtomicBool,
    /// Whether it was chosen because its address has more than its share.
    is_over_share: AtomicBool,
    give_way: Notify,
}

/// A request is being read or answered.
const AT_WORK: u64 = 0;
/// Its answer is made and not written yet.
const ANSWERED: u64 = 1;

impl Connections {
    pub(super) fn new(share: AddressShare, clock: Clock) -> Arc<Self> {
        Arc::new(Self { share, clock, open: Mutex::default() })
    }

    /// Takes a new connection in, unless its address has its share. Within its share, a connection
    /// that waits for a request gives way to the new one.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Entry> {
        let is_shared = self.share.shared.iter().any(|net| net.contains(&address.to_canonical()));
        let network = (!is_shared).then(|| Network::of(address));
        let mut open = self.lock();
        if let (Some(network), Some(max)) = (network, self.share.connections_max)
            && open.by_network.get(&network).is_some_and(|count| *count >= max)
            && !open.give_way(|slot| slot.network == Some(network), true)
        {
            return None;
        }
        if let Some(network) = network {
            *open.by_network.entry(network).or_insert(0) += 1;
        }
        open.last_id += 1;
        let id = open.last_id;
        let slot = Arc::new(Slot {
            network,
            clock: self.clock.clone(),
            phase: AtomicU64::new(AT_WORK),
            has_served: AtomicBool::new(false),
            is_chosen: AtomicBool::new(false),
            is_over_share: AtomicBool::new(false),
            give_way: Notify::new(),
        });
        slot.wait_for_request();
        open.slots.insert(id, Arc::clone(&slot));
        Some(Entry { connections: Arc::clone(self), id, slot })
    }

    /// Has one connection that waits for a request give way, if there is one: first those that have
    /// sent none yet, then those that have waited for a while, longest first.
    pub(super) fn give_way(&self) -> bool {
        self.lock().give_way(|_| true, false)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Every change is complete before anything could panic.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn give_way(&mut self, may: impl Fn(&Slot) -> bool, is_over_share: bool) -> bool {
        let waiting = self.slots.values().filter(|slot| may(slot));
        let ranked = waiting.filter_map(|slot| Some((slot.rank()?, slot)));
        let Some((_, slot)) = ranked.min_by_key(|(rank, _)| *rank) else { return false };
        let slot = Arc::clone(slot);
        slot.is_over_share.store(is_over_share, Ordering::Relaxed);
        slot.is_chosen.store(true, Ordering::Relaxed);
        slot.give_way.notify_one();
        if is_over_share {
            // Another one has its place.
            self.forget(slot.network);
        }
        true
    }

    fn forget(&mut self, network: Option<Network>) {
        let Some(network) = network else { return };
        if let Some(count) = self.by_network.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.by_network.remove(&network);
            }
        }
    }
}

impl Entry {
    pub(super) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut open = self.connections.lock();
        open.slots.remove(&self.id);
        if !self.slot.is_over_share.load(Ordering::Relaxed) {
            open.forget(self.slot.network);
        }
    }
}

impl Slot {
    /// The head of a request has arrived. Returns whether it may be served: the first request of a
    /// connection that has given its place in its address's share to another may not. Otherwise
    /// connections that are made and used faster than they close would pass the share.
    pub(super) fn begin(&self) -> bool {
        self.phase.store(AT_WORK, Ordering::Relaxed);
        self.has_served.load(Ordering::Relaxed) || !self.is_over_share.load(Ordering::Relaxed)
    }

    /// Its answer is made.
    pub(super) fn answer(&self) {
        self.phase.store(ANSWERED, Ordering::Relaxed);
    }

    /// What there was to write is written.
    pub(super) fn flushed(&self) {
        if self.phase.load(Ordering::Relaxed) == ANSWERED {
            self.has_served.store(true, Ordering::Relaxed);
            self.wait_for_request();
        }
    }

    /// Whether no request is being read or answered.
    pub(super) fn is_waiting(&self) -> bool {
        self.phase.load(Ordering::Relaxed) > ANSWERED
    }

    /// Whether the connection was told to give way.
    pub(super) fn is_chosen(&self) -> bool {
        self.is_chosen.load(Ordering::Relaxed)
    }

    /// Waits until the connection is to give way.
    pub(super) async fn told_to_give_way(&self) {
        self.give_way.notified().await;
    }

    fn wait_for_request(&self) {
        self.phase.store(self.now(), Ordering::Relaxed);
    }

    /// Monotonic time in microseconds, above the numbers that stand for phases.
    fn now(&self) -> u64 {
        let elapsed = self.clock.monotonic().as_micros();
        u64::try_from(elapsed).unwrap_or(u64::MAX).saturating_add(ANSWERED + 1)
    }

    /// Its place among those that give way, least first; none if it does not.
    fn rank(&self) -> Option<(bool, u64)> {
        let since = self.phase.load(Ordering::Relaxed);
        if since <= ANSWERED || self.is_chosen() {
            return None;
        }
        let has_served = self.has_served.load(Ordering::Relaxed);
        let waited = Duration::from_micros(self.now().saturating_sub(since));
        (!has_served || waited >= GRACE).then_some((has_served, since))
    }
}

#[cfg(test)]
mod tests;
