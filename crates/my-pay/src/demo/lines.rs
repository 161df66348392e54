//! What the demonstration prints: who is there, and curl lines that work as they are pasted.

use std::{fmt::Write as _, path::Path};

use super::{
    backend::{Key, SCOPES},
    people::{ANN, Away, BOB, Found, Person, Ready, Reason},
    secrets::{self, Secrets},
};

/// A start of the demonstration, as far as its lines depend on it.
pub(super) struct Scene<'a> {
    /// Of the gateway, without a slash at the end.
    pub(super) url: String,
    pub(super) data_dir: &'a Path,
    pub(super) secrets: &'a Secrets,
    pub(super) ann: Found,
    pub(super) bob: Found,
    /// Whether the backend's key is neither revoked nor rotated.
    pub(super) is_key_accepted: bool,
    /// Idempotency key of this start: a line that is pasted twice moves money once, and the next
    /// start's moves it again.
    pub(super) key: String,
}

impl Scene<'_> {
    pub(super) fn lines(&self) -> String {
        let mut text = String::new();
        let file = secrets::file(self.data_dir);
        writeln!(
            text,
            "The demonstration, for this machine only. Its secrets are kept in {}.\n\
             People may top up by themselves here, which makes money out of nothing: it has\n\
             switched on money.self_service_funding, which is off otherwise.\n",
            file.display()
        )
        .expect(WRITES);
        self.introduce(&mut text, &ANN, &self.ann, &self.secrets.ann_password);
        self.introduce(&mut text, &BOB, &self.bob, &self.secrets.bob_password);
        if let Some(key) = &self.secrets.api_key {
            self.introduce_backend(&mut text, key);
        }
        text += "\n";
        self.try_out(&mut text);
        if let Some(key) = self.secrets.api_key.as_ref().filter(|_| self.is_key_accepted) {
            self.try_backend(&mut text, key);
        }
        let url = &self.url;
        writeln!(
            text,
            "API documentation: {url}/money/docs/index.html and\n                   \
             {url}/accounts/docs/index.html"
        )
        .expect(WRITES);
        text
    }

    /// A person with everything that is needed to be that person, or why that does not work.
    fn introduce(&self, text: &mut String, person: &Person, found: &Found, password: &str) {
        let Person { name, email } = person;
        match found {
            Found::Ready(Ready { account_id, token, wallet_id }) => writeln!(
                text,
                "{name}: {email}, password {password}, account {account_id}, wallet {}\n     \
                 access token {}",
                wallet_id.0,
                token.as_str()
            ),
            Found::Away(Away { account_id, reason }) => {
                let reason = self.explain(*account_id, *reason);
                writeln!(text, "{name}: {email}, account {account_id}, {reason}")
            }
        }
        .expect(WRITES);
    }

    fn introduce_backend(&self, text: &mut String, Key { id, secret }: &Key) {
        if self.is_key_accepted {
            writeln!(text, "A company's backend: API key {id}, {secret}\n     scopes {SCOPES}")
        } else {
            let file = secrets::file(self.data_dir);
            writeln!(
                text,
                "A company's backend: API key {id} is revoked, or has another secret than the one \
                 in {}",
                file.display()
            )
        }
        .expect(WRITES);
    }

    fn explain(&self, account_id: i64, reason: Reason) -> String {
        let data_dir = quoted(self.data_dir);
        match reason {
            Reason::Suspended => format!(
                "is suspended and cannot log in. To enable the account:\n     \
                 my-pay admin account enable {account_id} --reason 'it is the demonstration' \
                 --data-dir {data_dir}"
            ),
            Reason::Closed => "is closed, for good. A demonstration in another data directory \
                               (--data-dir) begins at the beginning"
                .to_owned(),
            Reason::OtherPassword => format!(
                "has another password than the one in {}: its owner changed it. Without that \
                 file the next start sets new passwords",
                secrets::file(self.data_dir).display()
            ),
            Reason::Guessed => "cannot log in for the next minute, because many wrong passwords \
                                were tried: start again later"
                .to_owned(),
        }
    }

    fn try_out(&self, text: &mut String) {
        match (&self.ann, &self.bob) {
            (Found::Ready(ann), Found::Ready(bob)) => {
                *text += "Paste a line:\n\n";
                self.send(text, ann, bob);
                self.use_alone(text, &BOB, bob);
            }
            (Found::Away(_), Found::Ready(bob)) => {
                *text += "What works without Ann:\n\n";
                self.use_alone(text, &BOB, bob);
            }
            (Found::Ready(ann), Found::Away(_)) => {
                *text += "What works without Bob:\n\n";
                self.use_alone(text, &ANN, ann);
            }
            (Found::Away(_), Found::Away(_)) => {
                *text += "Neither can log in; anyone on this machine can register:\n\n";
                self.register(text);
            }
        }
        *text += "\n";
    }

    fn send(&self, text: &mut String, ann: &Ready, bob: &Ready) {
        let (url, key, token) = (&self.url, &self.key, ann.token.as_str());
        let (from, to) = (ann.wallet_id.0, bob.wallet_id.0);
        writeln!(
            text,
            "# Ann (wallet {from}) sends 3,000 won to Bob (wallet {to})\n\
             curl -s {url}/money/v1/transfers -H 'Authorization: Bearer {token}' \
             -H 'Content-Type: application/json' -H 'Idempotency-Key: {key}' \
             -d '{{\"receiverWalletId\": {to}, \"amount\": 3000, \"summary\": \"lunch\"}}'\n"
        )
        .expect(WRITES);
    }

    /// What a person does without the other.
    fn use_alone(&self, text: &mut String, person: &Person, ready: &Ready) {
        let (url, key, token, name) = (&self.url, &self.key, ready.token.as_str(), person.name);
        writeln!(
            text,
            "# {name} tops up\n\
             curl -s {url}/money/v1/deposits -H 'Authorization: Bearer {token}' \
             -H 'Content-Type: application/json' -H 'Idempotency-Key: {key}' \
             -d '{{\"amount\": 500, \"summary\": \"out of nothing\"}}'\n\n\
             # {name} reads the wallets and the history of the account\n\
             curl -s {url}/money/v1/wallets -H 'Authorization: Bearer {token}'\n\
             curl -s {url}/money/v1/transactions -H 'Authorization: Bearer {token}'"
        )
        .expect(WRITES);
    }

    /// The backend acts for a person who can log in, if there is one.
    fn try_backend(&self, text: &mut String, key: &Key) {
        let (person, ready) = match (&self.ann, &self.bob) {
            (_, Found::Ready(bob)) => (&BOB, bob),
            (Found::Ready(ann), _) => (&ANN, ann),
            _ => return,
        };
        let (url, name, id) = (&self.url, person.name, ready.account_id);
        let as_backend = format!("-H 'Authorization: Bearer {}'", key.secret);
        let for_person = format!("{as_backend} -H 'My-Pay-Account: {id}'");
        writeln!(
            text,
            "# The backend tops up the wallet of {name}, for whom it acts (My-Pay-Account)\n\
             curl -s {url}/money/v1/deposits {for_person} \
             -H 'Content-Type: application/json' -H 'Idempotency-Key: {}' \
             -d '{{\"amount\": 5000, \"summary\": \"paid by card\"}}'\n\n\
             # It reads the history of {name}\n\
             curl -s {url}/money/v1/transactions {for_person}\n\n\
             # It may not suspend {name}: the key lacks the scope `operate` (403)\n\
             curl -s {url}/accounts/v1/accounts/{id}/operations {as_backend} \
             -H 'Content-Type: application/json' \
             -d '{{\"action\": \"suspend\", \"reason\": \"to try it\"}}'\n",
            self.key
        )
        .expect(WRITES);
    }

    fn register(&self, text: &mut String) {
        let (url, key) = (&self.url, &self.key);
        writeln!(
            text,
            "# Eve registers\n\
             curl -s {url}/accounts/v1/accounts -H 'Content-Type: application/json' \
             -d '{{\"name\": \"Eve\", \"email\": \"eve-{key}@example.com\", \
             \"password\": \"choose another one\"}}'"
        )
        .expect(WRITES);
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

const WRITES: &str = "writing to a string cannot fail";
