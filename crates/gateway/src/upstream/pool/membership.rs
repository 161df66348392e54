//! Which addresses are in the pool. Numbers are there from the start; names are looked up now and
//! then, and stand for every address that they resolve to, so that instances come and go by DNS.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::lookup_host,
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};

use super::{member::Member, probe::probe, random::Random};

/// The addresses as requests see them.
pub(super) type Members = RwLock<Arc<[Arc<Member>]>>;

/// Addresses that one pool has at most; a name that resolves to more is cut off.
const MEMBERS_MAX: usize = 256;

/// How long a look-up may take.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a service is, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// An IP address and port.
    Number(SocketAddr),
    /// A host name and port.
    Name(String),
}

impl Place {
    /// Reads `HOST:PORT`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::Number(address));
        }
        let parts = text.rsplit_once(':').filter(|(host, port)| {
            port.parse::<u16>().is_ok_and(|port| port > 0)
                && !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        });
        match parts {
            Some(_) => Ok(Self::Name(text.to_owned())),
            None => Err(format!("`{text}` is not an address such as `10.0.0.7:8081`")),
        }
    }
}

/// Keeps the addresses, and one probe for each.
pub(super) struct Membership<F> {
    members: Arc<Members>,
    /// How many instances they are: those of a name may each have an address of either family.
    count: Arc<AtomicUsize>,
    random: Arc<Random>,
    new_member: F,
    numbers: Vec<SocketAddr>,
    /// What each name resolved to when it last did.
    names: Vec<(String, Vec<SocketAddr>)>,
    probes: JoinSet<()>,
    running: HashMap<SocketAddr, (Arc<Member>, AbortHandle)>,
}

impl<F: Fn(SocketAddr) -> Member> Membership<F> {
    /// Begins to probe the numbers, inside a tokio runtime.
    pub(super) fn start(places: Vec<Place>, random: Arc<Random>, new_member: F) -> Self {
        let (mut numbers, mut names) = (Vec::new(), Vec::new());
        for place in places {
            match place {
                Place::Number(address) => numbers.push(address),
                Place::Name(name) => names.push((name, Vec::new())),
            }
        }
        let mut membership = Self {
            members: Arc::new(RwLock::new(Arc::new([]))),
            count: Arc::default(),
            random,
            new_member,
            numbers,
            names,
            probes: JoinSet::new(),
            running: HashMap::new(),
        };
        membership.update();
        membership
    }

    pub(super) fn members(&self) -> Arc<Members> {
        Arc::clone(&self.members)
    }

    pub(super) fn count(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.count)
    }

    /// Looks names up until it is dropped, which ends the probes too.
    pub(super) async fn run(mut self, interval: Duration) {
        if self.names.is_empty() {
            return std::future::pending().await;
        }
        loop {
            for (name, addresses) in &mut self.names {
                // What does not resolve now is where it was: instances outlive their name server.
                if let Some(found) = look_up(name).await {
                    *addresses = found;
                }
            }
            self.update();
            sleep(self.random.jitter(interval)).await;
        }
    }

    fn update(&mut self) {
        let named = self.names.iter().flat_map(|(_, addresses)| addresses);
        let mut wanted: Vec<SocketAddr> = self.numbers.iter().chain(named).copied().collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted.truncate(MEMBERS_MAX);
        self.running.retain(|address, (member, probe)| {
            let stays = wanted.binary_search(address).is_ok();
            if !stays {
                probe.abort();
                member.left();
            }
            stays
        });
        while self.probes.try_join_next().is_some() {}
        for address in &wanted {
            if !self.running.contains_key(address) {
                let member = Arc::new((self.new_member)(*address));
                let random = Arc::clone(&self.random);
                let probe = self.probes.spawn(probe(Arc::clone(&member), random));
                self.running.insert(*address, (member, probe));
            }
        }
        let members = wanted.iter().filter_map(|address| self.running.get(address));
        let members: Arc<[_]> = members.map(|(member, _)| Arc::clone(member)).collect();
        let named = self.names.iter().map(|(_, addresses)| instances(addresses));
        self.count.store(self.numbers.len() + named.sum::<usize>(), Ordering::Relaxed);
        *self.members.write().expect("nothing panics while it holds the lock") = members;
    }
}

fn instances(addresses: &[SocketAddr]) -> usize {
    let of_version_4 = addresses.iter().filter(|address| address.is_ipv4()).count();
    of_version_4.max(addresses.len() - of_version_4)
}

async fn look_up(name: &str) -> Option<Vec<SocketAddr>> {
    let found = match timeout(LOOKUP_TIMEOUT, lookup_host(name)).await {
        Ok(Ok(found)) => Some(found.collect::<Vec<_>>()),
        Ok(Err(error)) => {
            tracing::warn!(name, %error, "a name of an upstream does not resolve");
            None
        }
        Err(_) => {
            tracing::warn!(name, "a name of an upstream did not resolve in time");
            None
        }
    };
    found.filter(|addresses| !addresses.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_with_two_addresses_is_one() {
        let addresses = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        for (texts, expected) in [
            (&["10.0.0.1:1", "10.0.0.2:1"][..], 2),
            (&["10.0.0.1:1", "[fd00::1]:1"], 1),
            (&["10.0.0.1:1", "[fd00::1]:1", "[fd00::2]:1"], 2),
            (&[], 0),
        ] {
            assert_eq!(instances(&addresses(texts)), expected, "{texts:?}");
        }
    }

    #[test]
    fn places_are_numbers_or_names_with_a_port() {
        for text in ["127.0.0.1:8081", "[::1]:8081"] {
            assert!(matches!(Place::parse(text), Ok(Place::Number(_))), "{text}");
        }
        for text in ["money:8082", "money-1.example.com:80"] {
            assert_eq!(Place::parse(text), Ok(Place::Name(text.to_owned())));
        }
        for text in ["", "money", ":8081", "money:", "money:0", "http://money:80", "::1:80"] {
            assert!(Place::parse(text).is_err(), "{text}");
        }
    }
}
