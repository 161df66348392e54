"""Tokens for Schemathesis, and the rules that a schema cannot say."""

import itertools
import json
import os
import secrets
import urllib.request

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import RejectedPositiveData, UseAfterFree

URL = os.environ["API_CHECK_URL"]
# Lines of `my-pay seed`: all of them, and the one of this run.
with open("seed.jsonl") as lines:
    SEEDED = [json.loads(line) for line in lines]
ACCOUNT = json.loads(os.environ["API_CHECK_ACCOUNT"])
NUMBERS = itertools.count()
# A company's backend, with every scope.
KEY, KEY_ID = os.environ["API_CHECK_KEY"], os.environ["API_CHECK_KEY_ID"]
ACTS_FOR = "My-Pay-Account"
TURNS = itertools.count()


def post(path, body, token=None):
    """What the service answers to a request that must succeed."""
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(URL + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def log_in(credentials):
    """A new token."""
    return post("/accounts/v1/auths", credentials)["accessToken"]


# The token of each account that a request of the test has made. An account is seen by itself only.
MADE = {}


def is_for(operation, scheme):
    """Whether the document lets people (`bearer`) or backends (`api_key`) make the call."""
    declared = operation.definition.raw.get("security", [])
    return any(scheme in requirement for requirement in declared)


def new_account():
    """The id and a token of an account that was made for one request."""
    credentials = {
        "email": f"ended-{os.getpid()}-{next(NUMBERS)}@example.com",
        "password": secrets.token_urlsafe(),
    }
    made = post("/accounts/v1/accounts", {"name": "Ended", **credentials})
    return made["id"], log_in(credentials)


@schemathesis.auth(refresh_interval=None)
class Asker:
    """Who makes a request: the API key where only backends may, and otherwise the key and a person in
    turn. The key acts for the account that the person would be.

    A person is the account in the path, if a request made it, or else the seeded account. Calls that
    end sessions get an account of their own.
    """

    def get(self, case, context):
        operation = context.operation
        account, token = ACCOUNT["accountId"], ACCOUNT["accessToken"]
        id = str((case.path_parameters or {}).get("id"))
        if id in MADE and operation.path.startswith("/accounts/v1/accounts/"):
            account, token = int(id), MADE[id]
        elif operation.method.upper() == "DELETE" and operation.path.startswith("/accounts/v1/auths"):
            account, token = new_account()
        people, keys = is_for(operation, "bearer"), is_for(operation, "api_key")
        if keys and (not people or next(TURNS) % 2):
            return KEY, account
        return token, account

    def set(self, case, data, context):
        token, account = data
        case.headers["Authorization"] = f"Bearer {token}"
        # Most accounts that are drawn are none. Values that are to be refused stay.
        drawn = str(case.headers.get(ACTS_FOR))
        if token == KEY and drawn.isdecimal() and 1 <= int(drawn) < 2**53:
            case.headers[ACTS_FOR] = str(account)


# What would end the accounts and the key that the other requests are made with: the call, and what is
# spared. Another one takes the place.
SPARED = {
    "/accounts/v1/accounts/{id}/closure": [str(account["accountId"]) for account in SEEDED],
    "/accounts/v1/accounts/{id}/operations": [str(account["accountId"]) for account in SEEDED],
    "/accounts/v1/api-keys/{id}": [KEY_ID],
    "/accounts/v1/api-keys/{id}/rotations": [KEY_ID],
}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Spares what is needed by other requests."""
    id = str((case.path_parameters or {}).get("id"))
    if case.operation.method.upper() != "GET" and id in SPARED.get(case.operation.path, []):
        if case.operation.path.startswith("/accounts/v1/accounts/"):
            account, token = new_account()
            MADE[str(account)] = token
        else:
            new = {"name": "spare", "scopes": ["wallets:read"]}
            account = post("/accounts/v1/api-keys", new, KEY)["apiKey"]["id"]
        case.path_parameters["id"] = account
        if str((case.headers or {}).get(ACTS_FOR)) == id:
            case.headers[ACTS_FOR] = str(account)


@schemathesis.hook
def after_call(context, case, response):
    """Logs a new account in."""
    if case.operation.method.upper() == "POST" and response.status_code == 201:
        if case.operation.path == "/accounts/v1/accounts":
            credentials = {name: case.body[name] for name in ("email", "password")}
            MADE[str(response.json()["id"])] = log_in(credentials)


def is_fraction(value):
    """Whether a number was written with a fraction, as `12.0`: an integer to JSON Schema."""
    return isinstance(value, float)


def always(value):
    return True


# What a request that fits the schema can still be refused for: the field, the error's code, and
# what the value looks like then. The descriptions in the documents say each of them.
BEYOND_SCHEMA = {
    ("amount", "not_an_integer"): is_fraction,
    ("walletId", "not_an_integer"): is_fraction,
    ("overlapSeconds", "not_an_integer"): is_fraction,
    ("receiverWalletId", "not_an_integer"): is_fraction,
    # Ends of API keys are compared with the clock.
    ("expiresAt", "not_in_future"): always,
    # Without an account, which only a header names, a wallet must be.
    ("walletId", "required"): always,
    # Calls about all accounts are about no single one.
    ("My-Pay-Account", "unexpected_account"): always,
    # Cursors are good for the wallet that gave them.
    ("cursor", "invalid_cursor"): always,
    # Passwords are compared with a list of common ones and with the other fields.
    ("password", "too_common"): always,
    ("password", "equals_email"): always,
    ("password", "equals_name"): always,
    ("newPassword", "too_common"): always,
    ("newPassword", "equals_email"): always,
    ("newPassword", "equals_name"): always,
    # People confirm a closing and another email by it, and API keys do not.
    ("currentPassword", "required"): always,
    # A reset names its account by one of the two.
    ("email", "required"): always,
    ("accountId", "one_of_two"): always,
}


def is_beyond_schema(error, sent):
    """Whether one of a problem's errors is a rule that the schema does not say."""
    field = error["field"]
    rule = BEYOND_SCHEMA.get((field, error["code"]))
    return rule is not None and rule(sent.get(field))


# What it adds to the headers of a request that is to be invalid.
UNKNOWN_HEADER = "x-schemathesis-unknown-property"

# White space around these is removed before their length counts; a schema counts it. The longest.
TRIMMED = {"name": 100, "summary": 200, "email": 254}


def is_long_before_trimming(name, value):
    """Whether a text is too long for the schema and not for the service."""
    longest = TRIMMED.get(name)
    if longest is None or not isinstance(value, str):
        return False
    return len(value.strip()) <= longest < len(value)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """False for a failure that is a rule of BEYOND_SCHEMA or TRIMMED, and nothing else."""
    body = case.body if isinstance(case.body, dict) else {}
    if isinstance(failure, AcceptedNegativeData):
        # A request may have any header: one that no document names changes nothing.
        if UNKNOWN_HEADER in {name.lower() for name in case.headers or {}}:
            return False
        return not any(is_long_before_trimming(name, value) for name, value in body.items())
    if isinstance(failure, UseAfterFree):
        # A revoked key is shown as such.
        return not case.operation.path.startswith("/accounts/v1/api-keys/")
    if not isinstance(failure, RejectedPositiveData) or response.status_code != 400:
        return True
    sent = {**(case.query or {}), **body}
    problem = response.json()
    # The header that an API key needs is one that people may leave out.
    if problem.get("code") == "account_required":
        return ACTS_FOR in (case.headers or {})
    errors = problem.get("errors", [])
    return not errors or not all(is_beyond_schema(error, sent) for error in errors)
