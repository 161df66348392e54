//! The bodies that clients send: how each is read, and how the document describes it.

use service::http::fields::{Fields, FromFields, TextRule};
use utoipa::ToSchema;

use crate::{
    AccountChange, Login, NewAccount, PasswordChange, ResetOf,
    accounts::NAME_LENGTH_MAX,
    email::{EMAIL_LENGTH_MAX, Email},
    password::{NewPassword, PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN},
};

const NAME: TextRule = TextRule::new(1, NAME_LENGTH_MAX);
const EMAIL: TextRule = TextRule::new(3, EMAIL_LENGTH_MAX);
const NEW_PASSWORD: TextRule = TextRule::new(PASSWORD_LENGTH_MIN, PASSWORD_LENGTH_MAX).verbatim();
/// At a login, what could never have been registered is merely wrong.
const LOGIN_EMAIL: TextRule = TextRule::new(1, EMAIL_LENGTH_MAX);
const PASSWORD: TextRule = TextRule::new(1, PASSWORD_LENGTH_MAX).verbatim();
const ONE_TIME_TOKEN: TextRule = TextRule::new(1, 128).verbatim();

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

/// All of what an owner can change. Every field but the password is required.
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
    /// The account's password. Required for another email or another spelling of it, and not looked
    /// at otherwise.
    #[schema(value_type = Option<String>, format = Password, min_length = 1,
        max_length = 128, example = "correct horse battery staple")]
    current_password: Option<String>,
}

/// The password until now, and the next.
#[derive(Debug, ToSchema)]
#[schema(as = ChangePassword)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ChangePassword {
    /// The password until now, exactly.
    #[schema(format = Password, min_length = 1, max_length = 128,
        example = "correct horse battery staple")]
    current_password: String,
    /// As for a new account: any characters but control characters, kept exactly. Refused if it is
    /// among the commonest (`too_common`), or equals the email (`equals_email`) or the name
    /// (`equals_name`).
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128,
        example = "another horse battery staple")]
    new_password: NewPassword,
}

/// The account whose password is to be reset, by its email or by its id.
#[derive(Debug, ToSchema)]
#[schema(as = IssueReset)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct IssueReset {
    /// As registered, in any spelling of the address. Required unless `accountId` is given.
    #[schema(min_length = 1, max_length = 254, example = "ada@example.com")]
    email: Option<String>,
    /// Required unless `email` is given.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 10001)]
    account_id: Option<i64>,
}

/// A reset token, to be used this once, and the next password.
#[derive(Debug, ToSchema)]
#[schema(as = RedeemReset)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RedeemReset {
    /// As the account's owner got it.
    #[schema(
        min_length = 1,
        max_length = 128,
        example = "mpp_Wm5tKc0pXeZ7rVqJ2uYbHs8LdNf3oGa6Ti9xQk1RlEw"
    )]
    pub(super) token: String,
    /// As for a new account: any characters but control characters, kept exactly. Refused if it is
    /// among the commonest (`too_common`), or equals the email (`equals_email`) or the name
    /// (`equals_name`).
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128,
        example = "another horse battery staple")]
    pub(super) new_password: NewPassword,
}

/// What confirms that an account is to be closed.
#[derive(Debug, ToSchema)]
#[schema(as = CloseAccount)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct CloseAccount {
    /// The account's password, exactly. Required of people, and not looked at if an API key closes
    /// the account.
    #[schema(format = Password, min_length = 1, max_length = 128,
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
        let password = read_new_password(fields, "password", name.as_deref(), email.as_ref());
        Some(Self { name: name?, email: email?, password: password? })
    }
}

impl FromFields for ReplaceAccount {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.text("name", &NAME);
        let email = read_email(fields);
        let is_valid = fields.boolean("isValid");
        let current_password = fields.optional_text("currentPassword", &PASSWORD);
        Some(Self {
            name: name?,
            email: email?,
            is_valid: is_valid?,
            current_password: current_password?,
        })
    }
}

impl FromFields for ChangePassword {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let current_password = fields.text("currentPassword", &PASSWORD);
        let new_password = read_new_password(fields, "newPassword", None, None);
        Some(Self { current_password: current_password?, new_password: new_password? })
    }
}

impl FromFields for IssueReset {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let email = fields.optional_text("email", &LOGIN_EMAIL);
        let account_id = fields.optional_integer("accountId", 1..=9_007_199_254_740_991);
        let (email, account_id) = (email?, account_id?);
        match (&email, account_id) {
            (None, None) => fields.fail("email", "required", "is required unless `accountId` is"),
            (Some(_), Some(_)) => {
                fields.fail("accountId", "one_of_two", "must not be given beside `email`");
            }
            (Some(_), None) | (None, Some(_)) => return Some(Self { email, account_id }),
        }
        None
    }
}

impl FromFields for RedeemReset {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let token = fields.text("token", &ONE_TIME_TOKEN);
        let new_password = read_new_password(fields, "newPassword", None, None);
        Some(Self { token: token?, new_password: new_password? })
    }
}

impl FromFields for CloseAccount {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let current_password = fields.optional_text("currentPassword", &PASSWORD);
        Some(Self { current_password: current_password? })
    }
}

impl FromFields for LogIn {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let email = fields.text("email", &LOGIN_EMAIL);
        let password = fields.text("password", &PASSWORD);
        Some(Self { email: email?, password: password? })
    }
}

impl FromFields for RefreshTokens {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { refresh_token: fields.text("refreshToken", &ONE_TIME_TOKEN)? })
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

/// A password that may be set, as far as name and email are known.
fn read_new_password(
    fields: &mut Fields<'_>,
    field: &'static str,
    name: Option<&str>,
    email: Option<&Email>,
) -> Option<NewPassword> {
    let password = fields.text(field, &NEW_PASSWORD)?;
    let accepted = NewPassword::accept(password, name, email);
    accepted.inspect_err(|unfit| fields.fail(field, unfit.code(), unfit.to_string())).ok()
}

impl From<CreateAccount> for NewAccount {
    fn from(CreateAccount { name, email, password }: CreateAccount) -> Self {
        Self { name, email, password }
    }
}

impl From<ReplaceAccount> for AccountChange {
    fn from(request: ReplaceAccount) -> Self {
        let ReplaceAccount { name, email, is_valid, current_password } = request;
        Self { name, email, is_valid, current_password }
    }
}

impl From<ChangePassword> for PasswordChange {
    fn from(ChangePassword { current_password, new_password }: ChangePassword) -> Self {
        Self { current: current_password, new: new_password }
    }
}

impl From<IssueReset> for ResetOf {
    fn from(IssueReset { email, account_id }: IssueReset) -> Self {
        match (email, account_id) {
            (Some(email), _) => Self::Email(email),
            (None, id) => Self::Account(id.expect("one of the two was given")),
        }
    }
}

impl From<LogIn> for Login {
    fn from(LogIn { email, password }: LogIn) -> Self {
        Self { email, password }
    }
}
