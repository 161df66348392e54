"""What the seeded accounts hold. Read beside the load, so that it is no part of its figures."""

import gevent.pool
import requests

from tokens import RAN_OUT, TOKENS

AT_ONCE = 20
TRIES_MAX = 5
TIMEOUT_SECONDS = 30


class Books:
    """Reads as the accounts themselves do."""

    def __init__(self, host):
        self.host = host.rstrip("/")
        self.session = requests.Session()
        self.session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=AT_ONCE))

    def balances(self, accounts):
        """The sum of their wallets."""
        return sum(self.each(self.balance, accounts))

    def balance(self, account):
        status, document = self.get(f"/money/v1/wallets/{account.wallet_id}", account)
        if status == 401:
            raise RuntimeError(RAN_OUT)
        if status != 200:
            raise RuntimeError(f"the balance of wallet {account.wallet_id} cannot be read: {status}")
        return document["balance"]

    def deposited(self, deposits):
        """What of these deposits, (account, key, amount), was made after all."""
        return sum(self.each(self.deposit, deposits))

    def deposit(self, deposit):
        account, key, amount = deposit
        status, document = self.get(f"/money/v1/transfers?idempotencyKey={key}", account)
        if status == 401:
            raise RuntimeError(RAN_OUT)
        if status not in (200, 404):
            raise RuntimeError(f"what became of a deposit cannot be read: {status}")
        return amount if status == 200 and document["status"] == "completed" else 0

    def get(self, path, account):
        is_renewed, failure = False, None
        for attempt in range(TRIES_MAX):
            try:
                token = TOKENS.get(account, self.post)
                headers = {"Authorization": f"Bearer {token}"}
                answer = self.session.get(self.host + path, headers=headers, timeout=TIMEOUT_SECONDS)
                if answer.status_code == 401 and not is_renewed and TOKENS.renew(account, token, self.post):
                    is_renewed = True
                    continue
                if answer.status_code < 500 and answer.status_code != 429:
                    return answer.status_code, answer.json()
                failure = f"{path} answered {answer.status_code}"
            except requests.RequestException as error:
                failure = str(error)
            gevent.sleep(0.2 * 2**attempt)
        raise RuntimeError(failure)

    def post(self, path, body):
        answer = self.session.post(self.host + path, json=body, timeout=TIMEOUT_SECONDS)
        return answer.status_code, answer.json()

    @staticmethod
    def each(read, items):
        """The results. The first failure is raised here: gevent would print the stack of every one."""

        def outcome(item):
            try:
                return read(item), None
            except Exception as error:
                return None, error

        outcomes = list(gevent.pool.Pool(AT_ONCE).imap_unordered(outcome, items))
        failure = next((error for _, error in outcomes if error is not None), None)
        if failure is not None:
            raise failure
        return [result for result, _ in outcomes]
