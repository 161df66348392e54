"""Calls of the API as a good client makes them: whatever moves money has a key, and is sent again
under the same key as long as its outcome is unknown, a bounded number of times."""

import gevent

from tokens import TOKENS

TRIES_MAX = 5
# Answers after which the same request may be sent again: nothing was done, or nobody knows.
AGAIN = {0, 429, 502, 503, 504}
# Refusals that are part of the game.
EXPECTED = {"insufficient_balance"}


def pause_after(status, retry_after, attempt):
    """Seconds to wait before the next try: what the answer asks for, else longer each time."""
    if status in (429, 503) and retry_after is not None:
        try:
            return min(float(retry_after), 10.0)
        except ValueError:
            pass
    return min(0.1 * 2**attempt, 2.0)


def call(user, method, path, name, account=None, body=None, key=None, token=None):
    """Sends a request until it is answered, and returns status and document. Each try is counted. With an
    account it has that account's token, which is renewed once if it is refused."""
    headers, is_renewed = {}, False

    def log_in(path, body):
        return call(user, "POST", path, "POST auths", body=body)

    if key:
        headers["Idempotency-Key"] = key
    is_repeatable = method == "GET" or key is not None
    status, document = 0, {}
    for attempt in range(TRIES_MAX):
        if account is not None:
            token = TOKENS.get(account, log_in)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        is_again = False
        with user.client.request(method, path, json=body, headers=headers, name=name, catch_response=True) as answer:
            status = answer.status_code or 0
            document = parse(answer)
            code = document.get("code", "") if status >= 400 else ""
            if status == 401 and account is not None and not is_renewed:
                # Not carried out, and so no failure if there is another token.
                is_renewed = is_again = TOKENS.renew(account, token, log_in)
            if 200 <= status < 300 or code in EXPECTED or is_again:
                answer.success()
            else:
                answer.failure(f"{status} {code}".strip() if status else "no answer")
            retry_after = answer.headers.get("Retry-After") if status else None
        if is_again:
            continue
        if status not in AGAIN or not is_repeatable:
            break
        gevent.sleep(pause_after(status, retry_after, attempt))
    return status, document


def move(user, kind, body, account, key):
    """Moves money once, however often it has to ask."""
    return call(user, "POST", f"/money/v1/{kind}", f"POST {kind}", account, body, key)


def parse(answer):
    try:
        document = answer.json() if answer.status_code else {}
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
