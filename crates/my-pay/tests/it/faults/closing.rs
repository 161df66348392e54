//! Accounts that are closed while services are killed or stand still: whenever that happens, an
//! account ends closed with empty wallets that are closed, too, or open with its money.

use std::time::Duration;

use service::{
    clock::Clock,
    contract::{
        closing::{ClosesWallets as _, Closing, ClosingAnswer, ClosingFailure},
        identity::{Keys, Party, Signer},
        internal::MoneyClient,
    },
    installation::Installation,
};
use tokio::task::JoinSet;

use super::{SETTINGS, person_with};
use crate::support::{
    Person, Response,
    cluster::{Cluster, IDENTITY_KEY, Node, Shape},
    eventually,
    person::unique,
    process::PATIENCE,
    random::Random,
};

/// Accounts that are closed at once in a round. Every second one receives money at the same time.
const CLOSED_AT_ONCE: usize = 12;
/// Rounds for each way to fail.
const ROUNDS: usize = 2;
/// After some of the answers: longer than a closing takes.
const MOMENT_US: u64 = 20_000;

/// Whom it strikes.
#[derive(Debug, Clone, Copy)]
enum Victims {
    OneMoney,
    AllMoneys,
    OneAccount,
    AllAccounts,
}

impl Victims {
    fn of(self, cluster: &mut Cluster) -> &mut [Node] {
        match self {
            Self::OneMoney => &mut cluster.moneys[..1],
            Self::AllMoneys => &mut cluster.moneys,
            Self::OneAccount => &mut cluster.accounts[..1],
            Self::AllAccounts => &mut cluster.accounts,
        }
    }
}

/// How many rows a condition on both schemas finds.
fn count(cluster: &Cluster, sql: &str) -> u64 {
    cluster.mariadb.execute(sql).trim().parse().unwrap()
}

/// Waits until every closing is settled and the wallets know of it.
async fn until_settled(cluster: &Cluster) {
    const OPEN: &str = "SELECT COUNT(*) FROM account.closings WHERE is_open = 1";
    const APART: &str = "SELECT COUNT(*) FROM account.accounts AS a
        LEFT JOIN money.account_standings AS s ON s.account_id = a.id
        WHERE (a.closed_at IS NOT NULL) <> (COALESCE(s.status, 'active') = 'closed')";
    eventually(PATIENCE, async || count(cluster, OPEN) == 0).await;
    eventually(PATIENCE, async || count(cluster, APART) == 0).await;
}

fn is_closed(cluster: &Cluster, person: &Person) -> bool {
    let id = person.account_id;
    let sql =
        format!("SELECT COUNT(*) FROM account.accounts WHERE closed_at IS NOT NULL AND id = {id}");
    count(cluster, &sql) == 1
}

/// No account has ended in between.
fn check_clean(cluster: &Cluster) {
    const LOST: &str = "SELECT COUNT(*) FROM money.wallets AS w
        JOIN account.accounts AS a ON a.id = w.account_id
        WHERE a.closed_at IS NOT NULL AND (w.balance <> 0 OR w.status <> 'closed')";
    const OUT_OF_REACH: &str = "SELECT COUNT(*) FROM money.wallets AS w
        JOIN account.accounts AS a ON a.id = w.account_id
        WHERE a.closed_at IS NULL AND w.status <> 'active'";
    assert_eq!((count(cluster, LOST), count(cluster, OUT_OF_REACH)), (0, 0));
}

/// One answer, or none.
async fn close(person: &Person) -> Option<Response> {
    let path = format!("/accounts/v1/accounts/{}/closure", person.account_id);
    let body = serde_json::json!({"currentPassword": person.password});
    person.post(&path).json(&body).try_send().await.ok()
}

/// Sends 1 won, whatever comes of it.
async fn send_one(from: &Person, to: &Person) -> Option<Response> {
    let body = serde_json::json!({"receiverWalletId": to.wallet_id, "amount": 1});
    let call = from.post("/money/v1/transfers").key(&format!("one-{}", unique())).json(&body);
    call.try_send().await.ok()
}

/// Closes accounts while these services are killed, and looks at how each of them ends.
async fn check(cluster: &mut Cluster, bob: &Person, victims: Victims, random: &mut Random) {
    let mut people = Vec::new();
    for _ in 0..CLOSED_AT_ONCE {
        people.push(Person::register(cluster.client(), "Ann").await.with_wallet().await);
    }
    let mut closings = JoinSet::new();
    for (n, person) in people.iter().cloned().enumerate() {
        let bob = bob.clone();
        closings.spawn(async move {
            let receives = async { if n % 2 == 0 { send_one(&bob, &person).await } else { None } };
            let (closed, _) = tokio::join!(close(&person), receives);
            (n, closed)
        });
    }
    let mut answers = Vec::new();
    for _ in 0..random.below(CLOSED_AT_ONCE as u64) {
        answers.extend(closings.join_next().await.map(Result::unwrap));
    }
    tokio::time::sleep(Duration::from_micros(random.below(MOMENT_US))).await;
    victims.of(cluster).iter_mut().for_each(Node::kill);
    answers.extend(closings.join_all().await);
    victims.of(cluster).iter_mut().for_each(Node::start_again);
    cluster.wait_until_ready().await;
    until_settled(cluster).await;
    check_clean(cluster);
    let [mut closed, mut open, mut unsaid] = [0; 3];
    for (n, answer) in answers {
        let is_closed = is_closed(cluster, &people[n]);
        closed += u32::from(is_closed);
        open += u32::from(!is_closed);
        match answer.map(|answer| answer.brief()).as_deref() {
            Some("204") => assert!(is_closed, "{n}"),
            Some("409 balances_remain") => assert!(!is_closed, "{n}"),
            _ => unsaid += 1,
        }
    }
    eprintln!("{victims:?}: {closed} closed, {open} open, {unsaid} not told");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_closed_or_open_whatever_dies() {
    let mut random = Random::new();
    let mut cluster = Cluster::start_with(Shape::default(), &SETTINGS).await;
    let bob = person_with(&cluster, "Bob", 10_000).await;
    for victims in
        [Victims::OneMoney, Victims::AllMoneys, Victims::OneAccount, Victims::AllAccounts]
    {
        for _ in 0..ROUNDS {
            check(&mut cluster, &bob, victims, &mut random).await;
        }
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closing_without_money_services_does_nothing_and_is_not_done_later() {
    let shape = Shape { gateways: 1, accounts: 1, moneys: 2 };
    let mut cluster = Cluster::start_with(shape, &SETTINGS).await;
    let ann = Person::register(cluster.client(), "Ann").await.with_wallet().await;
    cluster.moneys.iter_mut().for_each(Node::kill);
    let refused = close(&ann).await.unwrap();
    assert_eq!(refused.brief(), "503 unavailable", "{}", refused.body);
    assert_eq!(count(&cluster, "SELECT COUNT(*) FROM account.closings WHERE is_open = 1"), 0);
    cluster.moneys.iter_mut().for_each(Node::start_again);
    cluster.wait_until_ready().await;
    ann.deposit(5).await;
    assert_eq!(close(&ann).await.unwrap().brief(), "409 balances_remain");
    cluster.stop().await;
}

/// Those that stand still have the message, and read it when they wake up.
#[tokio::test(flavor = "multi_thread")]
async fn a_closing_that_money_services_answer_too_late_is_settled() {
    let shape = Shape { gateways: 1, accounts: 2, moneys: 2 };
    let mut cluster = Cluster::start_with(shape, &SETTINGS).await;
    let ann = Person::register(cluster.client(), "Ann").await.with_wallet().await;
    let bob = person_with(&cluster, "Bob", 100).await;
    cluster.moneys.iter_mut().for_each(Node::suspend);
    let unknown = close(&ann).await.unwrap();
    assert_eq!(unknown.brief(), "503 outcome_unknown", "{}", unknown.body);
    cluster.moneys.iter_mut().for_each(Node::resume);
    cluster.wait_until_ready().await;
    until_settled(&cluster).await;
    assert!(is_closed(&cluster, &ann));
    check_clean(&cluster);
    let refused = send_one(&bob, &ann).await.unwrap();
    assert_eq!(refused.brief(), "422 receiver_wallet_closed");
    cluster.stop().await;
}

/// A message that was on its way while the owner was told that the account stays open, and took the
/// money out of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_arrives_late_closes_nothing() {
    let shape = Shape { gateways: 1, accounts: 1, moneys: 1 };
    let cluster = Cluster::start_with(shape, &SETTINGS).await;
    let ann = person_with(&cluster, "Ann", 7).await;
    let bob = person_with(&cluster, "Bob", 7).await;
    assert_eq!(close(&ann).await.unwrap().brief(), "409 balances_remain");
    let out = ann.move_money("withdrawals", "out", &serde_json::json!({"amount": 7})).await;
    assert_eq!(out.status, 201, "{}", out.body);
    let attempt = i64::try_from(count(&cluster, "SELECT attempt FROM account.closings")).unwrap();
    let installation = "SELECT installation_id FROM account.installation";
    let installation = cluster.mariadb.execute(installation).trim().to_owned();
    let installation: Installation = installation.parse().unwrap();

    let signer =
        Signer::new(Keys::parse(&[IDENTITY_KEY]).unwrap(), Party::Account, Clock::system());
    let address = cluster.moneys[0].address.to_string();
    let money = MoneyClient::new(&[address], signer, Clock::system()).unwrap();
    let late = Closing { account_id: ann.account_id, attempt, installation };
    let answer = money.close(late).await.unwrap();
    assert_eq!(answer, ClosingAnswer::Refused { holding: Vec::new() });
    // Nor does the account service of another installation close anything, whatever it has of ours.
    let stranger = Installation::from_u128(1);
    let strange = Closing { attempt: attempt + 1, installation: stranger, ..late };
    let answer = money.close(strange).await;
    assert!(matches!(answer, Err(ClosingFailure::NotDone(_))), "{answer:?}");
    assert_eq!(send_one(&bob, &ann).await.unwrap().status, 201);
    assert_eq!(ann.balance().await, 1);
    cluster.stop().await;
}
