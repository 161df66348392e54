"""Who takes part: the seeded accounts, and whom they send money to."""

import bisect
import itertools
import json
import os
import random
import time
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Account:
    """A seeded account: a line of `my-pay seed`."""

    account_id: int
    token: str
    wallet_id: int
    # With these two a token is renewed; files of older versions lack them.
    email: str | None = None
    password: str | None = None
    # Seconds since 1970; None if it is not known.
    expires_at: float | None = None

    @classmethod
    def of(cls, row):
        expires_at = row.get("expiredAt")
        return cls(
            row["accountId"],
            row["accessToken"],
            row["walletId"],
            row.get("email"),
            row.get("password"),
            None if expires_at is None else read_time(expires_at),
        )


def read_time(text):
    """Seconds since 1970, of a time as the API writes it."""
    return datetime.fromisoformat(text).timestamp()


class SeedError(Exception):
    """The seed file cannot be used."""


def read_seed(path):
    """The accounts of a seed file, in its order."""
    try:
        with open(path, encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines if line.strip()]
        accounts = [Account.of(row) for row in rows]
    except FileNotFoundError:
        raise SeedError(f"there is no seed file {path}: make it with `my-pay seed`") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SeedError(f"{path} is not a seed file: {error!r}") from error
    if len(accounts) < 4:
        raise SeedError(f"{path} has {len(accounts)} accounts: at least 4 are needed")
    return accounts


class Zipf:
    """Picks ranks so that rank k is 1/k^exponent times as likely as rank 1: few are popular, most are
    hardly known, as with people and shops (G. K. Zipf, 1949)."""

    def __init__(self, count, exponent=1.0):
        if count < 1:
            raise ValueError("there must be somebody to pick")
        self.sums = list(itertools.accumulate(1 / rank**exponent for rank in range(1, count + 1)))

    def pick(self, chance=None):
        """An index from 0. `chance` is from 0 to below 1, and random unless given."""
        chance = random.random() if chance is None else chance
        return min(bisect.bisect_right(self.sums, chance * self.sums[-1]), len(self.sums) - 1)


def new_key():
    """An Idempotency-Key: UUIDv7 (RFC 9562), so that the database appends keys instead of scattering them."""
    value = (int(time.time() * 1000) & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
