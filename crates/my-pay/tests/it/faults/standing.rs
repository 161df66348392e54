//! An account that is deactivated stops sending and receiving within two seconds, at every money
//! service, while any of the services is killed or restarted.

use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::json;
use tokio::task::JoinHandle;

use super::{SETTINGS, inside::Inside, person_with};
use crate::support::{
    Client, Person,
    cluster::{Cluster, Node, Shape},
    person::unique,
    process::PATIENCE,
};

/// How soon money must follow an account.
const SOON: Duration = Duration::from_secs(2);

/// Watches one person's money.
struct Watch<'a> {
    inside: &'a Inside,
    ann: &'a Person,
    bob: &'a Person,
}

impl Watch<'_> {
    /// What this money service does with money to and from her.
    async fn try_out(&self, money: &Client) -> Found {
        let (ann, bob) = (self.ann, self.bob);
        let ways = [(ann, bob, "wallet_frozen"), (bob, ann, "receiver_wallet_frozen")];
        let mut found = Found::Refuses;
        for (from, to, code) in ways {
            let key = format!("one-{}", unique());
            match self.inside.transfer(money, [from, to], &key, 1).await {
                Some(answer) if answer.status == 201 => return Found::Moves,
                Some(answer) if answer.status == 503 => found = Found::Absent,
                Some(answer) => assert_eq!((answer.status, answer.code()), (422, code)),
                None => found = Found::Absent,
            }
        }
        found
    }

    /// Asks every money service until all of them refuse. None may move money once it is too late.
    async fn until_refused(&self, moneys: &[Client], deactivated: Instant) -> Duration {
        let mut moved_last = Duration::ZERO;
        loop {
            let mut refusing = 0;
            for money in moneys {
                let asked = deactivated.elapsed();
                match self.try_out(money).await {
                    Found::Refuses => refusing += 1,
                    Found::Absent => {}
                    Found::Moves => {
                        assert!(asked < SOON, "money moved {asked:?} after the deactivation");
                        moved_last = asked;
                    }
                }
            }
            if refusing == moneys.len() {
                return moved_last;
            }
            assert!(deactivated.elapsed() < PATIENCE, "{refusing} money services refuse");
        }
    }
}

/// What a money service does.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Moves,
    Refuses,
    /// It cannot be asked now.
    Absent,
}

/// What happens meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    OneAccountRestarted,
    OneAccountKilled,
    AllAccountsKilled,
    OneMoneyRestarted,
    OneMoneyKilled,
    AllMoneysKilled,
    /// Killed, and not there before it is too late to move money once more.
    AllMoneysAway,
}

impl Fault {
    /// Whether it may strike before the deactivation is answered. A deactivation that its service
    /// took to the grave would be no deactivation.
    fn is_early(self) -> bool {
        !matches!(self, Self::OneAccountKilled | Self::AllAccountsKilled)
    }

    /// Whom it strikes: the first so many.
    fn victims(self, cluster: &mut Cluster) -> (&mut Vec<Node>, usize) {
        let Cluster { accounts, moneys, .. } = cluster;
        let (all_accounts, all_moneys) = (accounts.len(), moneys.len());
        match self {
            Self::Nothing => (accounts, 0),
            Self::OneAccountRestarted | Self::OneAccountKilled => (accounts, 1),
            Self::AllAccountsKilled => (accounts, all_accounts),
            Self::OneMoneyRestarted | Self::OneMoneyKilled => (moneys, 1),
            Self::AllMoneysKilled | Self::AllMoneysAway => (moneys, all_moneys),
        }
    }

    /// Ends the victims, or, if they end as a service manager ends them, begins to; and starts them
    /// again in the background.
    fn strike(self, cluster: &mut Cluster) -> JoinHandle<Vec<Node>> {
        let (nodes, count) = self.victims(cluster);
        let mut victims: Vec<_> = nodes.drain(..count).collect();
        let is_gentle = matches!(self, Self::OneAccountRestarted | Self::OneMoneyRestarted);
        if !is_gentle {
            victims.iter_mut().for_each(Node::kill);
        }
        tokio::task::spawn_blocking(move || {
            if self == Self::AllMoneysAway {
                std::thread::sleep(SOON + SOON / 2);
            }
            for node in &mut victims {
                if is_gentle {
                    assert_eq!(node.terminate().code(), Some(0));
                }
                node.start_again();
            }
            victims
        })
    }
}

/// Deactivates somebody's account while that happens, and watches her money.
async fn check(inside: &Inside, cluster: &mut Cluster, fault: Fault) {
    let ann = person_with(cluster, "Ann", 10_000).await;
    let bob = person_with(cluster, "Bob", 10_000).await;
    let moneys: Vec<_> = cluster.moneys.iter().map(Node::client).collect();
    let watch = Watch { inside, ann: &ann, bob: &bob };
    for money in &moneys {
        assert_eq!(watch.try_out(money).await, Found::Moves);
    }
    let client = cluster.client();
    let struck = fault.is_early().then(|| fault.strike(cluster));
    let path = format!("/accounts/v1/accounts/{}", ann.account_id);
    let body = json!({"name": "Ann", "email": ann.email, "isValid": false});
    let answer = client.call(Method::PUT, &path).token(&ann.token).json(&body).send().await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let deactivated = Instant::now();
    let struck = struck.unwrap_or_else(|| fault.strike(cluster));
    let moved_last = watch.until_refused(&moneys, deactivated).await;
    eprintln!("{fault:?}: money moved last after {moved_last:?}");
    let victims = struck.await.unwrap();
    // The others come first next time.
    fault.victims(cluster).0.extend(victims);
    cluster.wait_until_ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deactivated_account_moves_no_money_soon_whatever_dies() {
    let mut cluster = Cluster::start_with(Shape::default(), &SETTINGS).await;
    let inside = Inside::new();
    for fault in [
        Fault::Nothing,
        Fault::OneAccountKilled,
        Fault::OneAccountRestarted,
        Fault::AllAccountsKilled,
        Fault::OneMoneyKilled,
        Fault::OneMoneyRestarted,
        Fault::AllMoneysKilled,
        Fault::AllMoneysAway,
    ] {
        check(&inside, &mut cluster, fault).await;
    }
    cluster.stop().await;
}
