"""What must hold after a run: money is conserved, as the service's own metric says, and as the
balances of the seeded accounts say, which send money among themselves only."""

import json
import re
import time
import urllib.parse
import urllib.request

from tokens import RAN_OUT

IMBALANCE = "mypay_money_conservation_imbalance_minor"
CHECKED = "mypay_money_conservation_checked_timestamp_seconds"
# Longer than the pause between two checks where one takes three seconds.
PATIENCE_SECONDS = 180


class Conservation:
    """Reads the metric from Prometheus, or straight from operations ports."""

    def __init__(self, prometheus=None, operations=()):
        self.prometheus = prometheus
        self.operations = list(operations)

    def is_configured(self):
        return bool(self.prometheus or self.operations)

    def wait(self, after, now=time.time, sleep=time.sleep):
        """The imbalance by currency, from a check that ended after this time; None if none does in time."""
        deadline = now() + PATIENCE_SECONDS
        while now() < deadline:
            checked, imbalance = self.look()
            if checked and min(checked) > after:
                return imbalance
            sleep(0.5)
        return None

    def look(self):
        if self.prometheus:
            checked = [float(row["value"][1]) for row in self.query(CHECKED)]
            rows = self.query(f"max by (currency) (abs({IMBALANCE}))")
            return checked, {row["metric"]["currency"]: float(row["value"][1]) for row in rows}
        checked, imbalance = [], {}
        for url in self.operations:
            with urllib.request.urlopen(url, timeout=10) as answer:
                found, sums = read_metrics(answer.read().decode())
            checked += found
            for currency, value in sums.items():
                imbalance[currency] = max(abs(value), imbalance.get(currency, 0))
        return checked, imbalance

    def query(self, query):
        url = f"{self.prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]["result"]


def read_metrics(text):
    """When conservation was checked, and the sum by currency, from a page of metrics."""
    checked = [float(value) for value in re.findall(rf"^{CHECKED} (\S+)$", text, re.MULTILINE)]
    found = re.findall(rf'^{IMBALANCE}\{{currency="(\w+)"\}} (\S+)$', text, re.MULTILINE)
    return checked, {currency: float(value) for currency, value in found}


def verdict(imbalance, before, after, deposited):
    """What is wrong, as lines; none if all is well. Sums are None where nobody asked."""
    wrong = []
    if imbalance is None:
        wrong.append("conservation was not checked in time")
    else:
        wrong += [f"the sum of {currency} is off by {value:.0f}" for currency, value in imbalance.items() if value]
    if before is not None and after is not None and after != before + deposited:
        wrong.append(f"seeded wallets held {before}, got {deposited}, and hold {after}")
    return wrong


def ran_out(stats):
    """One line if requests were refused because their tokens had ended and could not be renewed."""
    refused = sum(error.occurrences for error in stats.errors.values() if str(error.error).startswith("401"))
    if not refused:
        return []
    return [f"{RAN_OUT}: {refused} requests were refused (401); make new accounts with `my-pay seed`"]
