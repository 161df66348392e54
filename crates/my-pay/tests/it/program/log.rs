//! The log: JSON when asked for, plain text in a pipe, and never anything secret or personal.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    Person,
    process::{PATIENCE, Process, Program, my_pay},
};

/// A session with everything that must not be in a log; returns it all.
async fn use_everything(program: &Program) -> Vec<String> {
    let client = program.client();
    let ann = Person::register(client.clone(), "Annabella").await.with_wallet().await;
    let bob = Person::register(client.clone(), "Bartholomew").await.with_wallet().await;
    ann.deposit(3_000).await;
    let body = json!({"receiverWalletId": bob.wallet_id, "amount": 7, "summary": "a secret lunch"});
    let sent = ann.post("/money/v1/transfers").key("secretly-keyed").json(&body).send().await;
    assert_eq!(sent.status, 201);
    let refresh = json!({"refreshToken": bob.refresh_token});
    let rotated = client.post("/accounts/v1/auths/refresh").json(&refresh).send().await;
    assert_eq!(rotated.status, 201);
    let next = json!({"refreshToken": rotated.body["refreshToken"]});
    let once_more = client.post("/accounts/v1/auths/refresh").json(&next).send().await;
    assert_eq!(once_more.status, 201);
    let reused = client.post("/accounts/v1/auths/refresh").json(&refresh).send().await;
    assert_eq!(reused.status, 401);
    let wrong = json!({"email": ann.email, "password": "a wrong guess at it"});
    assert_eq!(client.post("/accounts/v1/auths").json(&wrong).send().await.status, 401);
    let forged = client.get("/money/v1/wallets").token("mpa_forged-by-somebody").send().await;
    assert_eq!(forged.status, 401);
    let body = "{\"email\": \"half@example.com\", \"password\": \"half a secr";
    let half = client.post("/accounts/v1/auths").header("content-type", "application/json");
    assert_eq!(half.body(body).send().await.status, 400);
    let impostor =
        json!({"name": "Impostor", "email": ann.email, "password": "another long secret"});
    assert_eq!(client.post("/accounts/v1/accounts").json(&impostor).send().await.status, 409);
    let path = "/money/v1/transfers?idempotencyKey=secretly-keyed&token=in-the-address";
    assert_eq!(ann.get(path).send().await.status, 400);
    let token = |name: &str| rotated.body[name].as_str().unwrap().to_owned();
    let mut secrets = vec![token("accessToken"), token("refreshToken")];
    for person in [ann, bob] {
        secrets.extend([person.email, person.password, person.token, person.refresh_token]);
    }
    secrets.extend(
        [
            "Annabella",
            "Bartholomew",
            "Impostor",
            "secret lunch",
            "secretly-keyed",
            "wrong guess",
            "forged-by-somebody",
            "half@example.com",
            "half a secr",
            "another long secret",
            "in-the-address",
        ]
        .map(str::to_owned),
    );
    secrets
}

#[tokio::test]
async fn the_log_holds_no_secret_and_nothing_personal() {
    for levels in ["info", "trace"] {
        let folder = tempfile::tempdir().unwrap();
        let program =
            Program::start(Program::command(folder.path()).env("MY_PAY_LOG_LEVELS", levels));
        let secrets = use_everything(&program).await;
        let ended = program.stop();
        assert_eq!(ended.code(), Some(0));
        let log = ended.stdout + &ended.stderr;
        assert!(log.contains("/money/v1/transfers"), "requests are logged: {log}");
        for secret in secrets {
            let line = log.lines().find(|line| line.contains(&secret));
            assert!(line.is_none(), "`{secret}` is logged at {levels}: {line:?}");
        }
    }
}

#[tokio::test]
async fn every_line_is_a_json_object_with_time_level_and_message() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(&mut Program::command(folder.path()));
    use_everything(&program).await;
    let ended = program.stop();
    assert_eq!(ended.stderr, "");
    assert!(ended.stdout.lines().count() > 10, "{}", ended.stdout);
    for line in ended.stdout.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        for field in ["timestamp", "level", "message"] {
            assert!(event[field].is_string(), "no {field}: {line}");
        }
    }
}

#[test]
fn text_in_a_pipe_is_not_coloured() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["up", "--listen", "127.0.0.1:0", "--data-dir", "data"];
    let mut process = Process::start(&mut my_pay(folder.path(), &arguments));
    process.wait_for(|line| line.contains("my-pay is up").then_some(()));
    process.signal(Signal::TERM);
    let ended = process.wait(PATIENCE);
    assert_eq!(ended.code(), Some(0));
    assert!(!ended.stdout.contains('\x1b'), "{}", ended.stdout);
    let expected = [" INFO my-pay is up listen=127.0.0.1:", " INFO my-pay has stopped"];
    for part in expected {
        assert!(ended.stdout.contains(part), "{}", ended.stdout);
    }
}
