//! Kill -9 while accounts are closed and money arrives: each account ends closed with empty wallets
//! that are closed, too, or open with its money.

use std::{path::Path, time::Duration};

use rusqlite::Connection;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{
    Person, eventually,
    person::unique,
    process::{PATIENCE, Program},
    random::Random,
};

const ROUNDS: usize = 5;
/// Accounts that are closed at once in a round.
const CLOSED_AT_ONCE: usize = 16;
/// After some of the answers: longer than a closing takes.
const MOMENT_US: u64 = 5_000;

/// How many rows a condition on both databases finds.
fn count(folder: &Path, sql: &str) -> i64 {
    let file = |name: &str| folder.join("data").join(name);
    let db = Connection::open(file("account.db")).unwrap();
    db.busy_timeout(Duration::from_secs(30)).unwrap();
    let money = file("money.db").display().to_string();
    db.execute("ATTACH DATABASE ?1 AS money", [money]).unwrap();
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Waits until every closing is settled and the wallets know of it, and looks at all of them.
async fn check_clean(folder: &Path) {
    const OPEN: &str = "SELECT COUNT(*) FROM closings WHERE is_open = 1";
    const APART: &str = "SELECT COUNT(*) FROM accounts AS a
        LEFT JOIN money.account_standings AS s ON s.account_id = a.id
        WHERE (a.closed_at IS NOT NULL) <> (COALESCE(s.status, 'active') = 'closed')";
    const LOST: &str = "SELECT COUNT(*) FROM money.wallets AS w
        JOIN accounts AS a ON a.id = w.account_id
        WHERE a.closed_at IS NOT NULL AND (w.balance <> 0 OR w.status <> 'closed')";
    const OUT_OF_REACH: &str = "SELECT COUNT(*) FROM money.wallets AS w
        JOIN accounts AS a ON a.id = w.account_id
        WHERE a.closed_at IS NULL AND w.status <> 'active'";
    eventually(PATIENCE, async || count(folder, OPEN) == 0).await;
    eventually(PATIENCE, async || count(folder, APART) == 0).await;
    assert_eq!((count(folder, LOST), count(folder, OUT_OF_REACH)), (0, 0));
}

/// Closes the account, beside a transfer to it; says what it was told, if anything.
async fn close(person: &Person, from: &Person) -> Option<String> {
    let path = format!("/accounts/v1/accounts/{}/closure", person.account_id);
    let closing = person.post(&path).json(&json!({"currentPassword": person.password}));
    let body = json!({"receiverWalletId": person.wallet_id, "amount": 1});
    let sending = from.post("/money/v1/transfers").key(&format!("one-{}", unique())).json(&body);
    let (closed, _) = tokio::join!(closing.try_send(), sending.try_send());
    closed.ok().map(|answer| answer.brief())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_closed_or_open_whenever_the_program_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::new();
    let mut command = Program::command(folder.path());
    let mut program = Program::start(&mut command);
    let mut bob = Person::register(program.client(), "Bob").await.with_wallet().await;
    bob.deposit(10_000).await;
    for round in 1..=ROUNDS {
        bob.client = program.client();
        let mut people = Vec::new();
        for _ in 0..CLOSED_AT_ONCE {
            people.push(Person::register(program.client(), "Ann").await.with_wallet().await);
        }
        let mut closings = JoinSet::new();
        for ann in people {
            let bob = bob.clone();
            closings.spawn(async move { (ann.account_id, close(&ann, &bob).await) });
        }
        let mut answers = Vec::new();
        for _ in 0..random.below(4) {
            answers.extend(closings.join_next().await.map(Result::unwrap));
        }
        tokio::time::sleep(Duration::from_micros(random.below(MOMENT_US))).await;
        program.process.kill();
        answers.extend(closings.join_all().await);
        program = Program::start(&mut command);
        check_clean(folder.path()).await;
        let mut told = 0;
        for (id, answer) in answers {
            let sql = format!("SELECT closed_at IS NOT NULL FROM accounts WHERE id = {id}");
            let is_closed = count(folder.path(), &sql) == 1;
            match answer.as_deref() {
                Some("204") => assert!(is_closed, "{id}"),
                Some("409 balances_remain") => assert!(!is_closed, "{id}"),
                Some(other) => panic!("{id}: {other}"),
                None => continue,
            }
            told += 1;
        }
        eprintln!("round {round}: {told} of {CLOSED_AT_ONCE} were told");
    }
    assert_eq!(program.stop().code(), Some(0));
    let report = money::store::sqlite::audit(&folder.path().join("data/money.db")).unwrap();
    assert!(report.is_clean(), "{report}");
}
