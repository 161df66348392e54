//! Looks names up, and begins with another of their addresses each time: a name may stand for
//! several instances, of which the system would always name the same one first.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    vec,
};

use hyper_util::client::legacy::connect::dns::Name;
use tower::Service;

use crate::BoxFuture;

/// Clones take turns together.
#[derive(Debug, Clone, Default)]
pub(super) struct Resolver {
    turn: Arc<AtomicUsize>,
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(rotated(found, turn).into_iter())
        })
    }
}

fn rotated(mut addresses: Vec<SocketAddr>, turn: usize) -> Vec<SocketAddr> {
    // Always in the same order to begin with, whatever the name server does.
    addresses.sort_unstable();
    addresses.dedup();
    if let Some(first) = turn.checked_rem(addresses.len()) {
        addresses.rotate_left(first);
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_has_its_turn() {
        let address = |last| SocketAddr::from(([10, 0, 0, last], 0));
        let found = || vec![address(3), address(1), address(2), address(1)];
        for (turn, first) in [(0, 1), (1, 2), (2, 3), (3, 1), (usize::MAX, 1)] {
            let rotated = rotated(found(), turn);
            assert_eq!((rotated.len(), rotated[0]), (3, address(first)), "{turn}");
        }
        assert_eq!(rotated(Vec::new(), 7), []);
    }

    #[tokio::test]
    async fn names_are_looked_up() {
        let mut resolver = Resolver::default();
        let found: Vec<_> = resolver.call("localhost".parse().unwrap()).await.unwrap().collect();
        assert!(found.iter().any(|address| address.ip().is_loopback()), "{found:?}");
        assert!(resolver.call("no-such-name.invalid".parse().unwrap()).await.is_err());
    }
}
