//! A machine whose clock is wrong: for one start, while the product runs, and what it leaves. The
//! tests hold the clock.

use std::time::Duration;

use my_pay::{
    config::{Config, Flags, Switch},
    up::Up,
};
use serde_json::{Value, json};
use service::clock::{Clock, Timestamp};
use tempfile::TempDir;

use crate::support::{
    Client, Person, eventually,
    metrics::Scrape,
    process::{PATIENCE, Program, run_my_pay},
};

/// 2026-11-26T12:00:00Z.
const NOON: Timestamp = Timestamp::from_micros(1_795_694_400_000_000);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);
const TWO_YEARS: Duration = Duration::from_hours(2 * 365 * 24);

/// A folder, and the settings to start on it again and again.
struct Place {
    folder: TempDir,
    config: Config,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::load(&Flags::default()).unwrap();
        config.listen = "127.0.0.1:0".parse().unwrap();
        config.server.operations_listen = None;
        config.data_dir = folder.path().join("data");
        config.rate_limit = Switch::Off;
        config.money.self_service_funding = true;
        config.account.password_memory_kib = 64;
        config.account.password_iterations = 1;
        Self { folder, config }
    }

    async fn start(&self, clock: Timestamp) -> Up {
        Up::start(&self.config, Clock::held(clock)).await.unwrap()
    }

    /// With what an operator says of the day, and its end.
    async fn start_on(&self, today: &str, clock: Timestamp) -> anyhow::Result<Up> {
        let mut config = self.config.clone();
        config.clock.today = Some(today.to_owned());
        Up::start(&config, Clock::held(clock)).await
    }

    /// A start that must be refused, and the reason.
    async fn refusal(&self, clock: Timestamp) -> String {
        match Up::start(&self.config, Clock::held(clock)).await {
            Ok(_) => panic!("a start at {clock} was not refused"),
            Err(error) => format!("{error:#}"),
        }
    }

    async fn end(self, up: Up) {
        up.shut_down().await.unwrap();
        let database = self.folder.path().join("data/money.db");
        let report = money::store::sqlite::audit(&database).unwrap();
        assert!(report.is_clean(), "{report}");
    }
}

/// The same person, of the product as it runs now.
fn of(up: &Up, person: &Person) -> Person {
    Person { client: Client::new(up.address()), ..person.clone() }
}

/// The same person, with a new session.
async fn logged_in(up: &Up, person: &Person) -> Person {
    let here = of(up, person);
    let body = json!({"email": here.email, "password": here.password});
    let login = here.client.post("/accounts/v1/auths").json(&body).send().await;
    assert_eq!(login.status, 201, "{}", login.body);
    let token = login.body["accessToken"].as_str().unwrap().to_owned();
    Person { token, ..here }
}

/// The newest line of the person's history.
async fn newest(person: &Person) -> Value {
    let history = person.get("/money/v1/transactions?limit=1").send().await;
    assert_eq!(history.status, 200, "{}", history.body);
    history.body["items"][0].clone()
}

async fn deposit(person: &Person, key: &str) -> Value {
    let made = person.move_money("deposits", key, &json!({"amount": 10})).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.body
}

#[tokio::test]
async fn a_start_far_from_the_newest_time_is_refused_and_leaves_no_trace() {
    let place = Place::new();
    let up = place.start(NOON).await;
    let ann = Person::register(Client::new(up.address()), "Ann").await.with_wallet().await;
    deposit(&ann, "a").await;
    up.shut_down().await.unwrap();

    let ahead = place.refusal(NOON.plus(TWO_YEARS)).await;
    for part in ["2028-11-25T12:00:00", "2026-11-26T12:00:00", "730 days", "--today"] {
        assert!(ahead.contains(part), "{part} in: {ahead}");
    }
    place.refusal(NOON.plus(32 * DAY)).await;
    let behind = place.refusal(Timestamp::from_micros(NOON.as_micros() - 3_600_000_000)).await;
    assert!(behind.contains("60 minutes later"), "{behind}");

    // Neither sessions nor wallets have met any of these times.
    let up = place.start(NOON.plus(MINUTE)).await;
    let ann = of(&up, &ann);
    assert_eq!(deposit(&ann, "b").await["createdAt"], "2026-11-26T12:01:00.000000Z");
    assert_eq!(newest(&ann).await["createdAt"], "2026-11-26T12:01:00.000000Z");
    up.shut_down().await.unwrap();

    // Stopped for a month: nothing is wrong with that.
    let up = place.start(NOON.plus(30 * DAY)).await;
    place.end(up).await;
}

/// Two years too late for one start, which an operator has allowed by mistake; then right again.
#[tokio::test]
async fn what_a_wrong_time_has_touched_is_all_that_it_touches() {
    let place = Place::new();
    let up = place.start(NOON).await;
    let client = Client::new(up.address());
    let ann = Person::register(client.clone(), "Ann").await.with_wallet().await;
    let bob = Person::register(client, "Bob").await.with_wallet().await;
    deposit(&ann, "a").await;
    deposit(&bob, "a").await;
    up.shut_down().await.unwrap();

    let wrong = NOON.plus(TWO_YEARS);
    let today = place.start_on("2026-11-26", wrong).await;
    let refusal = format!("{:#}", today.err().expect("the clock says another day"));
    assert!(refusal.contains("said to be 2026-11-26") && refusal.contains("2028-11-25"));
    let up = place.start_on("2028-11-25", wrong).await.unwrap();
    let late = logged_in(&up, &ann).await;
    assert_eq!(deposit(&late, "late").await["createdAt"], "2028-11-25T12:00:00.000000Z");
    up.shut_down().await.unwrap();

    let behind = place.refusal(NOON.plus(MINUTE)).await;
    assert!(behind.contains("729 days later") || behind.contains("730 days later"), "{behind}");
    let up = place.start_on("2026-11-26", NOON.plus(MINUTE)).await.unwrap();
    // Sessions had ended by the time that was confirmed.
    let (ann, bob) = (logged_in(&up, &ann).await, logged_in(&up, &bob).await);
    let now = "2026-11-26T12:01:00.000000Z";
    // Through the system's wallet, which has met the wrong time.
    assert_eq!(deposit(&bob, "b").await["createdAt"], now);
    assert_eq!(newest(&bob).await["createdAt"], now);
    // From and to a wallet that has met it.
    let body = json!({"receiverWalletId": bob.wallet_id, "amount": 5});
    let sent = ann.move_money("transfers", "t", &body).await;
    assert_eq!((sent.status, &sent.body["createdAt"]), (201, &json!(now)));
    assert_eq!(newest(&bob).await["createdAt"], now);
    assert_eq!(newest(&ann).await["createdAt"], "2028-11-25T12:00:00.000000Z");
    let body = json!({"receiverWalletId": ann.wallet_id, "amount": 5});
    assert_eq!(bob.move_money("transfers", "t", &body).await.body["createdAt"], now);
    assert_eq!(newest(&bob).await["createdAt"], now);
    // A wallet of its own, opened and used.
    let cho = Person::register(bob.client.clone(), "Cho").await.with_wallet().await;
    deposit(&cho, "a").await;
    assert_eq!(newest(&cho).await["createdAt"], now);
    up.shut_down().await.unwrap();
    // From now on every start is an ordinary one.
    let up = place.start(NOON.plus(2 * MINUTE)).await;
    place.end(up).await;
}

#[tokio::test]
async fn a_clock_that_jumps_while_the_product_runs_is_reported_and_not_followed() {
    let mut place = Place::new();
    let operations = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    place.config.server.operations_listen = Some(operations);
    let clock = Clock::held(NOON);
    let up = Up::start(&place.config, clock.clone()).await.unwrap();
    let ann = Person::register(Client::new(up.address()), "Ann").await.with_wallet().await;
    let scraped = async |name: &'static str| {
        let scrape = tokio::task::spawn_blocking(move || Scrape::of(operations)).await.unwrap();
        scrape.count(name)
    };
    assert_eq!(scraped("mypay_clock_jumps_total").await, 0);
    clock.set(NOON.plus(TWO_YEARS));
    clock.advance(MINUTE);
    // The session is as good as before, and money has the time that has passed.
    assert_eq!(deposit(&ann, "a").await["createdAt"], "2026-11-26T12:01:00.000000Z");
    eventually(PATIENCE, async || {
        scraped("mypay_clock_jumps_total").await == 1
            && scraped("mypay_clock_not_followed_seconds").await > 63_000_000
    })
    .await;
    clock.set(NOON.plus(MINUTE));
    eventually(PATIENCE, async || {
        scraped("mypay_clock_jumps_total").await == 2
            && scraped("mypay_clock_not_followed_seconds").await == 0
    })
    .await;
    assert_eq!(deposit(&ann, "b").await["createdAt"], "2026-11-26T12:01:00.000000Z");
    place.end(up).await;
}

/// The program itself, on the machine's clock: the database is what is years away.
#[tokio::test]
async fn the_program_names_both_times_and_an_operator_overrules_it_by_the_date() {
    let folder = tempfile::tempdir().unwrap();
    let ended = Program::start(&mut Program::command(folder.path())).stop();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    let shift = |years: i64| {
        for name in ["account", "money"] {
            let path = folder.path().join(format!("data/{name}.db"));
            let db = rusqlite::Connection::open(path).unwrap();
            let by = years * 365 * 86_400_000_000;
            let sql = "UPDATE service_clock SET newest_at = newest_at + ?1";
            assert_eq!(db.execute(sql, [by]).unwrap(), 1);
        }
    };
    let arguments = ["up", "--listen", "127.0.0.1:0", "--data-dir", "data"];
    let today = Clock::system().now().to_string()[..10].to_owned();
    for (years, word) in [(-2, "earlier"), (4, "later")] {
        shift(years);
        let refused = run_my_pay(folder.path(), &arguments);
        assert_eq!(refused.code(), Some(1), "{refused:?}");
        assert!(refused.stderr.contains("the clock of this machine says"), "{}", refused.stderr);
        assert!(refused.stderr.contains(word), "{}", refused.stderr);
        let with = |date: &str| [&arguments[..], &["--today", date]].concat().join(" ");
        let wrong = with("2020-02-29");
        let wrong = run_my_pay(folder.path(), &wrong.split(' ').collect::<Vec<_>>());
        assert_eq!(wrong.code(), Some(1), "{wrong:?}");
        assert!(wrong.stderr.contains("said to be 2020-02-29"), "{}", wrong.stderr);
        let mut command = Program::command(folder.path());
        let ended = Program::start(command.args(["--today", &today])).stop();
        assert_eq!(ended.code(), Some(0), "{ended:?}");
        assert!(ended.stdout.contains("an operator has confirmed the clock"), "{}", ended.stdout);
        let ended = Program::start(&mut Program::command(folder.path())).stop();
        assert_eq!(ended.code(), Some(0), "{ended:?}");
    }
    let nonsense = run_my_pay(folder.path(), &["up", "--today", "yesterday"]);
    assert!(nonsense.stderr.contains("clock.today must be a date"), "{}", nonsense.stderr);
}
