//! One instance whose clock is years away from what the others have written: it does not start, the
//! others go on, and nothing is stamped by it.

use std::process::Command;

use crate::support::{
    Person,
    cluster::{Cluster, Shape},
    process::{PATIENCE, Process},
};

/// Moves what is known of the time in a service's schema.
fn shift(cluster: &Cluster, schema: &str, years: i64) {
    let micros = years * 365 * 86_400_000_000;
    cluster.mariadb.execute(&format!(
        "UPDATE {schema}.service_clock SET newest_at = newest_at + {micros} WHERE id = 1;"
    ));
}

fn refused(command: &mut Command) -> String {
    let ended = Process::start(command).wait(PATIENCE);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    ended.stderr
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_with_a_clock_years_away_does_not_start_and_the_others_go_on() {
    let shape = Shape { gateways: 1, accounts: 2, moneys: 2 };
    let mut cluster = Cluster::start_with(shape, &[]).await;
    let ann = Person::register(cluster.client(), "Ann").await.with_wallet().await;
    ann.deposit(5).await;
    let accounts = cluster.accounts[0].address.to_string();
    let listen = ["--listen", "127.0.0.1:0"];
    let money = [&["money"], &listen[..], &["--account-upstream", &accounts]].concat();
    let account = [&["account"], &listen[..]].concat();
    assert_eq!(cluster.moneys[1].terminate().code(), Some(0));
    assert_eq!(cluster.accounts[1].terminate().code(), Some(0));
    for (schema, arguments) in [("money", &money), ("account", &account)] {
        // A time that is later than any that is written here stays.
        shift(&cluster, schema, 2);
        let refusal = refused(&mut cluster.command(arguments));
        assert!(refusal.contains("the clock of this machine says"), "{refusal}");
        assert!(refusal.contains(" days later") && refusal.contains("--today"), "{refusal}");
        let confirmed = [&arguments[..], &["--today", "2020-02-29"]].concat();
        let refusal = refused(&mut cluster.command(&confirmed));
        assert!(refusal.contains("said to be 2020-02-29"), "{refusal}");
        shift(&cluster, schema, -2);
    }
    ann.deposit(6).await;
    assert_eq!(ann.balance().await, 11);
    cluster.moneys[1].start_again();
    cluster.accounts[1].start_again();
    cluster.wait_until_ready().await;
    ann.deposit(7).await;
    cluster.stop().await;
}
