//! `my-pay admin api-key` beside the running program: the first key, its rotation, its end, and
//! that its secret is on standard output and nowhere else.

use std::time::Duration;

use expect_test::expect;
use tempfile::TempDir;

use super::{folded, refusal};
use crate::support::{
    Backend, eventually,
    process::{Ended, Program, my_pay, run_my_pay},
};

const KEYS: &str = "/accounts/v1/api-keys";

/// How soon a key that a command has ended must be refused.
const SECOND: Duration = Duration::from_secs(1);

fn api_key(folder: &TempDir, arguments: &[&str]) -> Ended {
    let ended = run_my_pay(folder.path(), &of(arguments));
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    ended
}

fn of<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["admin", "api-key"], arguments, &["--data-dir", "data"]].concat()
}

/// The secret, which is all that is printed.
fn secret(ended: &Ended) -> String {
    let key = ended.stdout.strip_suffix('\n').unwrap().to_owned();
    assert!(key.starts_with("mpk_") && key.len() == 47, "{key}");
    assert!(!ended.stderr.contains(&key[4..]), "{}", ended.stderr);
    key
}

#[tokio::test]
async fn keys_are_managed_beside_the_service_and_their_secrets_are_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(&mut Program::command(folder.path()));
    let backend = |key: &str| Backend { client: program.client(), key: key.to_owned() };
    let scopes = "keys:write,wallets:read";
    let created = api_key(&folder, &["create", "--name", "First", "--scopes", scopes]);
    expect![[r#"
        my-pay: API key 1 (wallets:read keys:write) is created. The secret is shown this
            once; store it now.
    "#]]
    .assert_eq(&folded(&created.stderr));
    let first = secret(&created);
    let by_first = backend(&first).create(&["wallets:read"]).await;
    let rotated = api_key(&folder, &["rotate", "1", "--overlap-seconds", "3600"]);
    assert!(rotated.stderr.contains("API key 1 (wallets:read keys:write) has another secret."));
    assert!(rotated.stderr.contains("The secret of before is valid until 2"), "{}", rotated.stderr);
    let second = secret(&rotated);
    for key in [&first, &second] {
        assert_eq!(backend(key).get(KEYS).send().await.status, 200);
    }
    // A third secret ends the first, one without an overlap the second as well.
    let is_refused = async |key: &str| backend(key).get(KEYS).send().await.status == 401;
    let third = secret(&api_key(&folder, &["rotate", "1"]));
    eventually(SECOND, async || is_refused(&first).await).await;
    assert!(!is_refused(&second).await);
    let fourth = secret(&api_key(&folder, &["rotate", "1", "--overlap-seconds", "0"]));
    eventually(SECOND, async || is_refused(&second).await && is_refused(&third).await).await;
    assert!(!is_refused(&fourth).await);

    let list = || api_key(&folder, &["list"]).stdout;
    eventually(Duration::from_secs(20), async || {
        let list = list();
        let line = list.lines().last().unwrap();
        let cells: Vec<_> = line.split_whitespace().collect();
        assert_eq!((cells[0], cells[1], cells[3], cells[4]), ("1", "active", "command", "-"));
        assert_eq!(cells[6..], ["wallets:read,keys:write", "First"]);
        // The last use is written soon, and not before the list may be read.
        cells[5].starts_with('2')
    })
    .await;
    let revoked = api_key(&folder, &["revoke", "1"]);
    assert_eq!((revoked.stdout.as_str(), revoked.stderr.as_str()), ("API key 1 is revoked\n", ""));
    eventually(SECOND, async || is_refused(&fourth).await).await;
    assert!(list().lines().last().unwrap().starts_with("1   revoked "), "{}", list());
    assert!(list().contains("key 1 "), "the key that key 1 has created:\n{}", list());

    let mut kept = Vec::new();
    for entry in std::fs::read_dir(folder.path().join("data")).unwrap() {
        kept.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    assert!(kept.windows(5).any(|bytes| bytes == b"First"), "these are the files with the keys");
    let log = program.stop();
    kept.extend(log.stdout.bytes().chain(log.stderr.bytes()));
    for key in [&first, &second, &third, &fourth, &by_first.key] {
        let random = &key.as_bytes()[4..];
        assert!(!kept.windows(random.len()).any(|bytes| bytes == random));
    }
}

#[test]
fn mistakes_are_told_at_once_and_make_nothing() {
    let folder = tempfile::tempdir().unwrap();
    Program::start(&mut Program::command(folder.path())).stop();
    let refuse = |arguments: &[&str]| refusal(&mut my_pay(folder.path(), &of(arguments)));
    let scopes = "mint,operate,operate";
    let expires = "2020-01-01";
    let create = ["create", "--name", " ", "--scopes", scopes, "--expires", expires];
    expect![[r#"
        my-pay: --name must have at least 1 character; --scopes has `mint`; the scopes
            are accounts:read, accounts:write, wallets:read, wallets:write, money:send,
            money:fund, books:read, operate, keys:write; --scopes must name `operate`
            once; --expires must be in the future
    "#]]
    .assert_eq(&refuse(&create));
    expect![[r#"
        my-pay: --overlap-seconds must be from 0 to 2592000
    "#]]
    .assert_eq(&refuse(&["rotate", "1", "--overlap-seconds", "2592001"]));
    for arguments in [["rotate", "1"], ["revoke", "1"]] {
        assert_eq!(refuse(&arguments), "my-pay: there is no such API key\n");
    }
    api_key(&folder, &["create", "--name", "a", "--scopes", "operate"]);
    api_key(&folder, &["revoke", "1"]);
    assert_eq!(refuse(&["rotate", "1"]), "my-pay: the API key is revoked\n");
    api_key(&folder, &["revoke", "1"]);
    assert_eq!(api_key(&folder, &["list"]).stdout.lines().count(), 2);
}
