"""Tokens for Schemathesis, and the rules that a schema cannot say."""

import itertools
import json
import os
import secrets
import urllib.request

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import RejectedPositiveData

URL = os.environ["API_CHECK_URL"]
# A line of `my-pay seed`.
ACCOUNT = json.loads(os.environ["API_CHECK_ACCOUNT"])
NUMBERS = itertools.count()


def post(path, body):
    """What the service answers to a request that must succeed."""
    request = urllib.request.Request(
        URL + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def log_in(credentials):
    """A new token."""
    return post("/accounts/v1/auths", credentials)["accessToken"]


# The token of each account that a request of the test has made. An account is seen by itself only.
MADE = {}


@schemathesis.auth(refresh_interval=None)
class Token:
    """The token of the account in the path, if a request made it, or else the seeded account's.

    Calls that end sessions get the token of an account of their own.
    """

    def get(self, case, context):
        token = MADE.get(str((case.path_parameters or {}).get("id")))
        if token is not None and context.operation.path.startswith("/accounts/"):
            return token
        if context.operation.method.upper() != "DELETE":
            return ACCOUNT["accessToken"]
        credentials = {
            "email": f"ended-{os.getpid()}-{next(NUMBERS)}@example.com",
            "password": secrets.token_urlsafe(),
        }
        post("/accounts/v1/accounts", {"name": "Ended", **credentials})
        return log_in(credentials)

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


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
    ("receiverWalletId", "not_an_integer"): is_fraction,
    # Cursors are good for the wallet that gave them.
    ("cursor", "invalid_cursor"): always,
    # Passwords are compared with a list of common ones and with the other fields.
    ("password", "too_common"): always,
    ("password", "equals_email"): always,
    ("password", "equals_name"): always,
    # People confirm a closing by it, and API keys do not.
    ("currentPassword", "required"): always,
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
    if not isinstance(failure, RejectedPositiveData) or response.status_code != 400:
        return True
    sent = {**(case.query or {}), **body}
    errors = response.json().get("errors", [])
    return not errors or not all(is_beyond_schema(error, sent) for error in errors)
