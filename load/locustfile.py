"""Load modelled on real use: people who check, top up, send and read; a merchant that everybody pays;
paydays; newcomers. Tokens and wallets come from `my-pay seed`. Settings are variables, see README.md."""

import itertools
import os
import random
import time
import uuid

import gevent
from locust import FastHttpUser, LoadTestShape, between, constant, events, task
from locust.runners import WorkerRunner
from prometheus_client import CollectorRegistry, start_http_server

import checks
import report
from books import Books
from calls import call, move
from people import SeedError, Zipf, new_key, read_seed



def setting(name, default=None):
    """The variable, or the default if it is empty or not there."""
    return os.environ.get(name) or default


SEED_FILE = setting("MY_PAY_SEED_FILE", "seed.jsonl")
ZIPF_EXPONENT = float(setting("LOAD_ZIPF_EXPONENT", "1.0"))
STEPS = [int(users) for users in setting("LOAD_STEPS", "").split(",") if users]
STEP_SECONDS = float(setting("LOAD_STEP_SECONDS", "30"))
METRICS_PORT = int(setting("LOAD_METRICS_PORT", "9646"))
FAILED_SHARE_MAX = float(setting("LOAD_FAILED_SHARE_MAX", "0.01"))
PAYDAY_PEOPLE = int(setting("LOAD_PAYDAY_PEOPLE", "50"))
NEWCOMERS = int(setting("LOAD_NEWCOMERS", "1"))
CONSERVATION = checks.Conservation(
    setting("MY_PAY_PROMETHEUS_URL"), setting("MY_PAY_OPERATIONS_URLS", "").split()
)


class World:
    """The seeded accounts and their parts. The first is the merchant, the second the employer."""

    accounts: list = []
    people: list = []
    receivers = None
    turns = None
    deposited = 0
    # Deposits that nobody has answered yet: their keys, with the account and the amount.
    unknown: dict = {}
    before = None
    # Why they could not be read before the run.
    unread = None
    is_running = False
    # Of the newest run. Until it is shown to be right, it is not.
    wrong: list = []

    @classmethod
    def read(cls):
        cls.accounts = read_seed(SEED_FILE)
        cls.people = cls.accounts[2:]
        cls.turns = None
        cls.receivers = Zipf(len(cls.people), ZIPF_EXPONENT)

    @classmethod
    def next_person(cls, environment):
        """Everybody in turn; each process begins at another place."""
        if cls.turns is None:
            offset = getattr(environment.runner, "worker_index", 0) * 37 % len(cls.people)
            cls.turns = itertools.cycle(cls.people[offset:] + cls.people[:offset])
        return next(cls.turns)

    @classmethod
    def receiver(cls, sender):
        """Somebody else, the popular ones more often."""
        while True:
            receiver = cls.people[cls.receivers.pick()]
            if receiver is not sender:
                return receiver


class Person(FastHttpUser):
    """Looks at the balance, sends a little, reads history, tops up now and then, pays the merchant."""

    weight = 80
    wait_time = between(0.5, 2.0)

    def on_start(self):
        self.account = World.next_person(self.environment)

    @task(4)
    def check_balance(self):
        call(self, "GET", "/money/v1/wallets", "GET wallets", self.account)

    @task(6)
    def send(self):
        self.pay(World.receiver(self.account))

    @task(3)
    def pay_the_merchant(self):
        self.pay(World.accounts[0])

    @task(2)
    def read_history(self):
        read_history(self, self.account, pages=2)

    @task(1)
    def top_up(self):
        body = {"amount": random.randint(1_000, 50_000), "summary": "top-up"}
        key = new_key()
        # Noted first: whatever cuts this off, the deposit is asked after at the end.
        World.unknown[key] = (self.account, body["amount"])
        status, _ = move(self, "deposits", body, self.account, key)
        # Anything else may follow on a try that was carried out.
        if status == 201:
            del World.unknown[key]
            World.deposited += body["amount"]

    def pay(self, receiver):
        body = {"receiverWalletId": receiver.wallet_id, "amount": random.randint(1, 500), "summary": "lunch"}
        move(self, "transfers", body, self.account, new_key())


class Merchant(FastHttpUser):
    """Watches what comes in; its wallet is the hottest of all."""

    weight = 2
    wait_time = between(1.0, 3.0)

    @task
    def read_sales(self):
        call(self, "GET", "/money/v1/wallets", "GET wallets", World.accounts[0])
        read_history(self, World.accounts[0], pages=1)


class Employer(FastHttpUser):
    """Pays many people at once, then rests."""

    fixed_count = 1
    wait_time = constant(15)

    @task
    def payday(self):
        employer = World.accounts[1]
        people = random.sample(World.people, min(PAYDAY_PEOPLE, len(World.people)))

        def pay(person):
            body = {"receiverWalletId": person.wallet_id, "amount": random.randint(10, 100), "summary": "pay"}
            move(self, "transfers", body, employer, new_key())

        paying = [gevent.spawn(pay, person) for person in people]
        try:
            gevent.joinall(paying)
        finally:
            # Whoever ends this user ends what it has begun.
            gevent.killall(paying, block=False)


class Newcomer(FastHttpUser):
    """Registers, logs in, opens a wallet and leaves. Rare, unless there was an advertisement: passwords
    cost the service real work."""

    fixed_count = NEWCOMERS
    wait_time = between(2.0, 5.0)

    @task
    def join(self):
        email = f"new-{uuid.uuid4().hex}@example.com"
        password = uuid.uuid4().hex
        account = {"name": "Newcomer", "email": email, "password": password}
        status, _ = call(self, "POST", "/accounts/v1/accounts", "POST accounts", body=account)
        if status != 201:
            return
        login = {"email": email, "password": password}
        status, tokens = call(self, "POST", "/accounts/v1/auths", "POST auths", body=login)
        if status == 201:
            token = tokens.get("accessToken")
            call(self, "POST", "/money/v1/wallets", "POST wallets", body={}, token=token)


def read_history(user, account, pages):
    path = "/money/v1/transactions?limit=20"
    for _ in range(pages):
        status, page = call(user, "GET", path, "GET transactions", account)
        if status != 200 or not page.get("nextCursor"):
            return
        path = f"/money/v1/transactions?limit=20&cursor={page['nextCursor']}"


if STEPS:

    class StepRamp(LoadTestShape):
        """As many users as LOAD_STEPS says, each number for LOAD_STEP_SECONDS, then the end."""

        def tick(self):
            step = int(self.get_run_time() // STEP_SECONDS)
            return (STEPS[step], max(STEPS[step], 1)) if step < len(STEPS) else None


def is_alone(environment):
    """Whether this process makes all of the load, so that it knows every deposit."""
    return type(environment.runner).__name__ == "LocalRunner"


def books(environment):
    return Books(environment.host or Person.host)


@events.init.add_listener
def on_init(environment, **_):
    try:
        World.read()
    except SeedError as error:
        raise SystemExit(f"error: {error}") from None
    if not isinstance(environment.runner, WorkerRunner):
        registry = CollectorRegistry()
        registry.register(report.Collector(environment))
        start_http_server(METRICS_PORT, registry=registry)


@events.test_start.add_listener
def on_test_start(environment, **_):
    # Tokens may have been made anew since the last run.
    World.read()
    if isinstance(environment.runner, WorkerRunner):
        return
    World.deposited, World.unknown, World.before = 0, {}, None
    World.is_running, World.wrong = True, ["the run was not checked"]
    World.unread = None
    if is_alone(environment):
        try:
            World.before = books(environment).balances(World.accounts)
        except Exception as error:  # the verdict says so
            World.unread = f"the balances before the run could not be read: {error}"


@events.test_stop.add_listener
def on_test_stop(environment, **_):
    if isinstance(environment.runner, WorkerRunner):
        return
    ended, World.is_running = time.time(), False
    print("\n".join(report.lines(environment.stats)), flush=True)
    try:
        World.wrong, by = check(environment, ended)
    except Exception as error:  # whatever it is, Locust would go on as if nothing had happened
        World.wrong, by = [f"the run could not be checked: {error}"], []
        World.wrong += checks.ran_out(environment.stats)
    lines = [f"WRONG: {line}" for line in World.wrong] or [f"money is conserved, say {' and '.join(by)}"]
    print("\n".join(lines), flush=True)


def check(environment, ended):
    """What is wrong after a run, and who was asked."""
    total, by, imbalance, after = environment.stats.total, [], {}, None
    if CONSERVATION.is_configured():
        by.append("the service's check of all wallets")
        imbalance = CONSERVATION.wait(ended)
    if is_alone(environment):
        by.append("the seeded balances")
        if World.before is None:
            unread = World.unread or "the balances before the run are not known"
            return [unread, *checks.ran_out(environment.stats)], by
        unknown = [(account, key, amount) for key, (account, amount) in World.unknown.items()]
        World.deposited += books(environment).deposited(unknown)
        after = books(environment).balances(World.accounts)
    wrong = checks.verdict(imbalance, World.before, after, World.deposited)
    if not by:
        wrong.append("nobody was asked whether money is conserved: see MY_PAY_PROMETHEUS_URL in README.md")
    wrong += checks.ran_out(environment.stats)
    if not total.num_requests:
        wrong.append("no request was made")
    if total.fail_ratio > FAILED_SHARE_MAX:
        wrong.append(f"{total.fail_ratio:.1%} of the requests failed, at most {FAILED_SHARE_MAX:.1%} may")
    return wrong, by


@events.quitting.add_listener
def on_quitting(environment, **_):
    # A run that is cut off is checked like any other.
    if World.is_running:
        environment.runner.stop()
    # Not Locust's own rule, by which one failed request of a million fails the run.
    environment.process_exit_code = 1 if World.wrong else 0
