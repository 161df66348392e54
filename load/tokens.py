"""Access tokens that end during a run: renewed a little before, and once after a 401, by logging in
again. That starts a session of its own, so that several processes and runs can share a seed file."""

import random
import time

from gevent.lock import RLock

from people import read_time

# The share of its remaining life in which a token is renewed, at random: they were made together, and must
# not all be renewed at once.
RENEWED_FROM, RENEWED_TO = 0.5, 0.9
LOG_IN = "/accounts/v1/auths"
RAN_OUT = "tokens ran out"


class Tokens:
    """The tokens of the accounts. `post(path, body)` returns status and document."""

    def __init__(self, now=time.time, chance=random.random):
        self.now, self.chance = now, chance
        # By account: the token, when to renew it, and a lock, so that one renewal serves all who wait.
        self.held = {}

    def get(self, account, post):
        """A token that is good, as far as its time tells."""
        held = self.of(account)
        if held.renew_at is not None and self.now() >= held.renew_at:
            self.renew(account, held.token, post)
        return held.token

    def renew(self, account, old, post):
        """Replaces this token unless it was replaced already. Returns whether there is another one."""
        held = self.of(account)
        with held.lock:
            if held.token != old:
                return True
            if account.email is None or account.password is None:
                return False
            status, document = post(LOG_IN, {"email": account.email, "password": account.password})
            try:
                if status != 201:
                    return False
                held.token = document["accessToken"]
                held.renew_at = self.renew_at(read_time(document["expiredAt"]))
            except (KeyError, TypeError, ValueError):
                return False
            return True

    def of(self, account):
        if account not in self.held:
            self.held[account] = Held(account.token, self.renew_at(account.expires_at))
        return self.held[account]

    def renew_at(self, expires_at):
        if expires_at is None:
            return None
        share = RENEWED_FROM + (RENEWED_TO - RENEWED_FROM) * self.chance()
        return self.now() + (expires_at - self.now()) * share


class Held:
    def __init__(self, token, renew_at):
        self.token, self.renew_at, self.lock = token, renew_at, RLock()


# Those of this process.
TOKENS = Tokens()
