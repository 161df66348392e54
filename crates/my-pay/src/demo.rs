//! `my-pay up --demo`: two people with funded wallets, and curl lines that move their money.

use std::{fmt::Write as _, net::SocketAddr};

use account::{Email, Error as AccountError, Login, NewAccount, NewPassword, Token};
use anyhow::{Context, bail};
use ledger::{
    AccountId, Amount, Command, Currency, IdempotencyKey, Movement, OpeningRejection, WalletId,
};
use money::Answer;
use service::clock::Clock;

use crate::up::Up;

/// A person of the demonstration. The passwords are public, which is why the demonstration is
/// refused on any address but the machine's own.
struct Person {
    name: &'static str,
    email: &'static str,
    password: &'static str,
}

const ANN: Person =
    Person { name: "Ann", email: "ann@example.com", password: "ann's demonstration" };
const BOB: Person =
    Person { name: "Bob", email: "bob@example.com", password: "bob's demonstration" };

/// What each of them has at first, in won.
const FUNDS: i64 = 100_000;

/// A person who is there, with a token and a funded wallet.
struct Ready {
    token: Token,
    wallet_id: WalletId,
}

/// Refuses the demonstration on an address that others can reach. To be asked before anything
/// starts.
pub fn check_address(listen: SocketAddr) -> anyhow::Result<()> {
    if !listen.ip().is_loopback() {
        bail!("--demo makes accounts with public passwords: it needs a loopback address");
    }
    Ok(())
}

/// Makes the two if they are not there yet, logs them in, and returns the lines to print.
pub async fn prepare(up: &Up, clock: &Clock) -> anyhow::Result<String> {
    let ann = ready(up, &ANN).await?;
    let bob = ready(up, &BOB).await?;
    // A key of this start: pasting a line twice moves money once, the next start moves it again.
    let key = format!("demo-{}", clock.now().as_millis());
    Ok(lines(&format!("http://{}", up.address()), &ann, &bob, &key))
}

async fn ready(up: &Up, person: &Person) -> anyhow::Result<Ready> {
    let account = up.account();
    let login = || Login { email: person.email.to_owned(), password: person.password.to_owned() };
    let tokens = match account.log_in(login()).await {
        Err(AccountError::InvalidCredentials) => {
            let email = Email::parse(person.email)?;
            let password = NewPassword::accept(person.password.to_owned(), None, None)?;
            let name = person.name.to_owned();
            account.register(NewAccount { name, email, password }).await?;
            account.log_in(login()).await
        }
        other => other,
    }
    .with_context(|| format!("{} of the demonstration cannot log in", person.email))?;
    let account_id = AccountId(tokens.account.id);
    let wallet_id = funded_wallet(up, account_id).await?;
    Ok(Ready { token: tokens.access, wallet_id })
}

/// The same key every time: the funds are given once.
async fn funded_wallet(up: &Up, account_id: AccountId) -> anyhow::Result<WalletId> {
    let engine = up.money().engine();
    match engine.open_wallet(account_id, Currency::KRW).await? {
        Ok(_) | Err(OpeningRejection::WalletExists) => {}
        Err(OpeningRejection::AccountDisabled) => bail!("the demonstration's account is disabled"),
    }
    let command = Command {
        key: IdempotencyKey { account_id, key: "demo-funds".to_owned() },
        movement: Movement::Deposit { wallet: None },
        amount: Amount::new(FUNDS).expect("the funds are an amount"),
        summary: Some("demonstration".to_owned()),
    };
    match engine.move_money(command).await? {
        Answer::Decided { transfer, .. } => {
            transfer.receiver_wallet_id.context("a deposit has a receiving wallet")
        }
        Answer::Refused(rejection) => bail!("the funds were refused: {}", rejection.code()),
    }
}

fn lines(url: &str, ann: &Ready, bob: &Ready, key: &str) -> String {
    let (ann_token, bob_token) = (ann.token.as_str(), bob.token.as_str());
    let (ann_wallet, bob_wallet) = (ann.wallet_id.0, bob.wallet_id.0);
    let mut text = String::new();
    let mut say = |line: &str| writeln!(text, "{line}").expect("writing to a string cannot fail");
    say("Two people are here. Paste a line:");
    say("");
    say(&format!("# Ann (wallet {ann_wallet}) sends 3,000 won to Bob (wallet {bob_wallet})"));
    say(&format!(
        "curl -s {url}/money/v1/transfers -H 'Authorization: Bearer {ann_token}' \
         -H 'Content-Type: application/json' -H 'Idempotency-Key: {key}' \
         -d '{{\"receiverWalletId\": {bob_wallet}, \"amount\": 3000, \"summary\": \"lunch\"}}'"
    ));
    say("");
    say("# Bob reads his wallets and his history");
    say(&format!("curl -s {url}/money/v1/wallets -H 'Authorization: Bearer {bob_token}'"));
    say(&format!("curl -s {url}/money/v1/transactions -H 'Authorization: Bearer {bob_token}'"));
    say("");
    say(&format!("API documentation: {url}/money/docs/index.html and"));
    say(&format!("                   {url}/accounts/docs/index.html"));
    text
}
