//! The bodies that clients send: how each is read, and how the document describes it.

use service::http::fields::{Fields, FromFields, TextRule};
use utoipa::ToSchema;

use crate::{
    Login, NewAccount,
    accounts::NAME_LENGTH_MAX,
    email::{EMAIL_LENGTH_MAX, Email},
    password::{NewPassword, PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN},
    store::UpdateAccount,
};

const NAME: TextRule = TextRule::new(1, NAME_LENGTH_MAX);
const EMAIL: TextRule = TextRule::new(3, EMAIL_LENGTH_MAX);
const NEW_PASSWORD: TextRule = TextRule::new(PASSWORD_LENGTH_MIN, PASSWORD_LENGTH_MAX).verbatim();
/// At a login, what could never have been registered is merely wrong.
const LOGIN_EMAIL: TextRule = TextRule::new(1, EMAIL_LENGTH_MAX);
const LOGIN_PASSWORD: TextRule = TextRule::new(1, PASSWORD_LENGTH_MAX).verbatim();
const REFRESH_TOKEN: TextRule = TextRule::new(1, 128).verbatim();

/// A person who wants an account.
#[derive(Debug, ToSchema)]
#[schema(as = CreateAccount)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateAccount {
    /// What the person is called, in any script. White space around it is removed. Refused are
    /// control characters (`control_character`), characters that change the direction of text
    /// (`direction_control`), noncharacters (`noncharacter`), joiners that join nothing
    /// (`stray_joiner`), and text of which nothing is visible (`invisible`).
    #[schema(min_length = 1, max_length = 100, example = "Ada Lovelace")]
    name: String,
    /// Must not be any other account's. Spellings of one address are one: letter case, Unicode
    /// composition and compatibility forms, U-labels or A-labels in the domain, and needless quotes
    /// do not count. White space around it is removed.
    #[schema(value_type = String, format = "idn-email", min_length = 3, max_length = 254,
        example = "ada@example.com")]
    email: Email,
    /// Any characters of any script but control characters, kept exactly. Refused if it is among
    /// the commonest (`too_common`), or equals the email (`equals_email`) or the name
    /// (`equals_name`).
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128,
        example = "correct horse battery staple")]
    password: NewPassword,
}

/// All of what an owner can change. Every field is required.
#[derive(Debug, ToSchema)]
#[schema(as = UpdateAccount)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ReplaceAccount {
    /// What the person is called, in any script. White space around it is removed. Refused are
    /// control characters (`control_character`), characters that change the direction of text
    /// (`direction_control`), noncharacters (`noncharacter`), joiners that join nothing
    /// (`stray_joiner`), and text of which nothing is visible (`invisible`).
    #[schema(min_length = 1, max_length = 100, example = "Ada King")]
    name: String,
    /// Must not be any other account's. Spellings of one address are one: letter case, Unicode
    /// composition and compatibility forms, U-labels or A-labels in the domain, and needless quotes
    /// do not count. White space around it is removed.
    #[schema(value_type = String, format = "idn-email", min_length = 3, max_length = 254,
        example = "ada.king@example.com")]
    email: Email,
    /// `false` suspends the account: every token ends, logins are refused, and money neither leaves
    /// nor reaches its wallets, until an operator enables it again.
    #[schema(example = true)]
    is_valid: bool,
}

/// What confirms that an account is to be closed.
#[derive(Debug, ToSchema)]
#[schema(as = CloseAccount)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct CloseAccount {
    /// The account's password, exactly. Required of people, and not looked at if an API key closes
    /// the account.
    #[schema(format = Password, nullable = false, min_length = 1, max_length = 128,
        example = "correct horse battery staple")]
    pub(super) current_password: Option<String>,
}

/// An email and a password.
#[derive(Debug, ToSchema)]
#[schema(as = LogIn)]
#[serde(deny_unknown_fields)]
pub(super) struct LogIn {
    /// As registered, in any spelling of the address.
    #[schema(min_length = 1, max_length = 254, example = "ada@example.com")]
    email: String,
    /// As registered, exactly.
    #[schema(format = Password, min_length = 1, max_length = 128,
        example = "correct horse battery staple")]
    password: String,
}

/// A refresh token, to be used this once.
#[derive(Debug, ToSchema)]
#[schema(as = Refresh)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RefreshTokens {
    /// From the latest login or refresh of the session.
    #[schema(
        min_length = 1,
        max_length = 128,
        example = "mpr_9yTq3mZcXwV1bNfKp0sRdLhGuJ7eAo2Ci5xHtQk8WEM"
    )]
    pub(super) refresh_token: String,
}

impl FromFields for CreateAccount {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.text("name", &NAME);
        let email = read_email(fields);
        let password = fields.text("password", &NEW_PASSWORD).and_then(|password| {
            NewPassword::accept(password, name.as_deref(), email.as_ref())
                .inspect_err(|unfit| fields.fail("password", unfit.code(), unfit.to_string()))
                .ok()
        });
        Some(Self { name: name?, email: email?, password: password? })
    }
}

impl FromFields for ReplaceAccount {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.text("name", &NAME);
        let email = read_email(fields);
        let is_valid = fields.boolean("isValid");
        Some(Self { name: name?, email: email?, is_valid: is_valid? })
    }
}

impl FromFields for CloseAccount {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let current_password = fields.optional_text("currentPassword", &LOGIN_PASSWORD);
        Some(Self { current_password: current_password? })
    }
}

impl FromFields for LogIn {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let email = fields.text("email", &LOGIN_EMAIL);
        let password = fields.text("password", &LOGIN_PASSWORD);
        Some(Self { email: email?, password: password? })
    }
}

impl FromFields for RefreshTokens {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { refresh_token: fields.text("refreshToken", &REFRESH_TOKEN)? })
    }
}

fn read_email(fields: &mut Fields<'_>) -> Option<Email> {
    let text = fields.text("email", &EMAIL)?;
    let email = Email::parse(&text).ok();
    if email.is_none() {
        let message = "must be an email address, such as ada@example.com";
        fields.fail("email", "invalid_email", message);
    }
    email
}

impl From<CreateAccount> for NewAccount {
    fn from(CreateAccount { name, email, password }: CreateAccount) -> Self {
        Self { name, email, password }
    }
}

impl From<ReplaceAccount> for UpdateAccount {
    fn from(ReplaceAccount { name, email, is_valid }: ReplaceAccount) -> Self {
        Self { name, email, is_valid }
    }
}

impl From<LogIn> for Login {
    fn from(LogIn { email, password }: LogIn) -> Self {
        Self { email, password }
    }
}
