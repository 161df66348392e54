"""Calls of the API as a good client makes them: whatever moves money has a key, and is sent again
under the same key as long as its outcome is unknown, a bounded number of times."""

import gevent

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


def call(user, method, path, name, token=None, body=None, key=None):
    """Sends a request until it is answered, and returns status and document. Each try is counted."""
    headers = {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if key:
        headers["Idempotency-Key"] = key
    is_repeatable = method == "GET" or key is not None
    status, document = 0, {}
    for attempt in range(TRIES_MAX):
        with user.client.request(method, path, json=body, headers=headers, name=name, catch_response=True) as answer:
            status = answer.status_code or 0
            document = parse(answer)
            code = document.get("code", "") if status >= 400 else ""
            if 200 <= status < 300 or code in EXPECTED:
                answer.success()
            else:
                answer.failure(f"{status} {code}".strip() if status else "no answer")
            retry_after = answer.headers.get("Retry-After") if status else None
        if status not in AGAIN or not is_repeatable:
            break
        gevent.sleep(pause_after(status, retry_after, attempt))
    return status, document


def move(user, kind, body, token, key):
    """Moves money once, however often it has to ask."""
    return call(user, "POST", f"/money/v1/{kind}", f"POST {kind}", token, body, key)


def parse(answer):
    try:
        document = answer.json() if answer.status_code else {}
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
