"""The parts of the load test that can be wrong without anybody noticing."""

import collections
import pathlib
import tempfile
import unittest
import uuid
from unittest import mock

import books
import calls
import checks
import people
import report
import tokens


ANN = people.Account(1, "a", 11, "ann@example.com", "ann's secret")


class Answer:
    """An answer, and what Locust would be told of it."""

    def __init__(self, status, document, headers=()):
        self.status_code, self.document, self.headers = status, document, dict(headers)
        self.told = None

    def json(self):
        return self.document

    def success(self):
        self.told = "success"

    def failure(self, reason):
        self.told = reason

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


class Client:
    """Answers what it is told to, and remembers the keys."""

    def __init__(self, *answers):
        self.answers, self.keys, self.tokens, self.paths = list(answers), [], [], []

    def request(self, method, path, **options):
        self.keys.append(options["headers"].get("Idempotency-Key"))
        self.tokens.append(options["headers"].get("Authorization", "").removeprefix("Bearer "))
        self.paths.append(path)
        return self.answers[min(len(self.keys), len(self.answers)) - 1]


class User:
    def __init__(self, *answers):
        self.client = Client(*answers)


class Calls(unittest.TestCase):
    def setUp(self):
        self.pauses = []
        for patch in (
            mock.patch.object(calls.gevent, "sleep", self.pauses.append),
            mock.patch.object(calls, "TOKENS", tokens.Tokens(now=lambda: self.now, chance=lambda: 0.5)),
        ):
            patch.start()
            self.addCleanup(patch.stop)
        self.now = 0.0

    def test_an_unknown_outcome_is_asked_again_under_the_same_key(self):
        lost, busy = Answer(0, {}), Answer(503, {"code": "unavailable"}, {"Retry-After": "1"})
        done = Answer(201, {"id": "x"})
        user = User(lost, busy, done)
        status, document = calls.move(user, "transfers", {"amount": 1}, ANN, "key")
        self.assertEqual((status, document), (201, {"id": "x"}))
        self.assertEqual(user.client.keys, ["key"] * 3)
        self.assertEqual(self.pauses, [0.1, 1.0])
        self.assertEqual([lost.told, busy.told, done.told], ["no answer", "503 unavailable", "success"])

    def test_it_ends_after_a_bounded_number_of_tries(self):
        user = User(Answer(503, {"code": "unavailable"}))
        self.assertEqual(calls.move(user, "transfers", {}, ANN, "key")[0], 503)
        self.assertEqual(len(user.client.keys), calls.TRIES_MAX)

    def test_what_must_not_be_sent_twice_is_not(self):
        user = User(Answer(503, {"code": "unavailable"}))
        calls.call(user, "POST", "/accounts/v1/accounts", "POST accounts", body={})
        self.assertEqual(len(user.client.keys), 1)

    def test_a_refusal_is_final_and_an_expected_one_is_no_failure(self):
        poor, strange = Answer(422, {"code": "insufficient_balance"}), Answer(404, {"code": "not_found"})
        self.assertEqual(calls.move(User(poor), "transfers", {}, ANN, "k")[0], 422)
        self.assertEqual(calls.move(User(strange), "transfers", {}, ANN, "k")[0], 404)
        self.assertEqual((poor.told, strange.told), ("success", "404 not_found"))
        self.assertEqual(self.pauses, [])

    def test_pauses_follow_the_answer_within_bounds(self):
        self.assertEqual(calls.pause_after(429, "3", 0), 3.0)
        self.assertEqual(calls.pause_after(429, "3000", 0), 10.0)
        self.assertEqual(calls.pause_after(503, "soon", 1), 0.2)
        self.assertEqual(calls.pause_after(502, "3", 10), 2.0)


    def test_a_token_is_renewed_before_it_ends(self):
        ann = people.Account(1, "a", 11, "ann@example.com", "ann's secret", expires_at=100.0)
        done = Answer(200, {})
        logged_in = Answer(201, {"accessToken": "b", "expiredAt": "1970-01-01T00:05:00Z"})
        user = User(done, logged_in, done, done)
        for self.now in (0.0, 69.0, 71.0, 100.0):
            self.assertEqual(calls.call(user, "GET", "/x", "GET x", ann)[0], 200)
            if self.now == 0.0:
                user.client.answers = [done, done, logged_in, done]
        self.assertEqual(user.client.paths, ["/x", "/x", tokens.LOG_IN, "/x", "/x"])
        self.assertEqual(user.client.tokens, ["a", "a", "", "b", "b"])

    def test_a_refused_token_is_renewed_once_and_the_same_request_sent_again(self):
        refused, done = Answer(401, {"code": "invalid_token"}), Answer(201, {"id": "x"})
        logged_in = Answer(201, {"accessToken": "b", "expiredAt": "1970-01-01T00:05:00Z"})
        user = User(refused, logged_in, done)
        self.assertEqual(calls.move(user, "transfers", {}, ANN, "key"), (201, {"id": "x"}))
        self.assertEqual(user.client.keys, ["key", None, "key"])
        self.assertEqual(user.client.tokens, ["a", "", "b"])
        self.assertEqual(refused.told, "success")
        again = User(refused, logged_in, refused)
        calls.TOKENS = tokens.Tokens(now=lambda: self.now)
        self.assertEqual(calls.move(again, "transfers", {}, ANN, "key")[0], 401)
        self.assertEqual((len(again.client.keys), refused.told), (3, "401 invalid_token"))

    def test_a_token_that_cannot_be_renewed_is_a_failure(self):
        refused = Answer(401, {"code": "invalid_token"})
        nobody = people.Account(2, "n", 12)
        user = User(refused)
        self.assertEqual(calls.call(user, "GET", "/x", "GET x", nobody)[0], 401)
        self.assertEqual((len(user.client.keys), refused.told), (1, "401 invalid_token"))
        user = User(refused, Answer(401, {"code": "invalid_credentials"}))
        self.assertEqual(calls.call(user, "GET", "/x", "GET x", ANN)[0], 401)
        self.assertEqual((len(user.client.keys), refused.told), (2, "401 invalid_token"))

    def test_one_renewal_serves_all_who_were_refused(self):
        held = tokens.Tokens(now=lambda: 0.0)
        asked = []

        def log_in(path, body):
            asked.append(body)
            return 201, {"accessToken": "b", "expiredAt": "1970-01-01T00:05:00.000001Z"}

        self.assertTrue(held.renew(ANN, "a", log_in) and held.renew(ANN, "a", log_in))
        self.assertEqual(asked, [{"email": "ann@example.com", "password": "ann's secret"}])
        self.assertEqual(held.get(ANN, log_in), "b")
        for bad in ((201, {}), (201, None), (201, {"accessToken": "c", "expiredAt": "soon"}), (503, {})):
            self.assertFalse(tokens.Tokens().renew(ANN, "a", lambda path, body: bad))


class People(unittest.TestCase):
    def test_popular_people_are_picked_as_often_as_zipf_says(self):
        zipf = people.Zipf(100, 1.0)
        picks = collections.Counter(zipf.pick(step / 100_000) for step in range(100_000))
        self.assertAlmostEqual(picks[0] / picks[1], 2.0, places=2)
        self.assertAlmostEqual(picks[0] / picks[9], 10.0, places=1)
        self.assertEqual(sorted(picks), list(range(100)))
        self.assertEqual(people.Zipf(3, 0.0).pick(0.999999), 2)
        self.assertRaises(ValueError, people.Zipf, 0)

    def test_keys_are_uuids_of_version_7_in_order_of_time(self):
        with mock.patch("people.time.time", side_effect=[1_000.0, 1_000.001]):
            first, second = people.new_key(), people.new_key()
        for key in (first, second):
            self.assertEqual((uuid.UUID(key).version, uuid.UUID(key).variant), (7, uuid.RFC_4122))
        self.assertLess(first, second)
        self.assertEqual(uuid.UUID(first).int >> 80, 1_000_000)

    def test_a_bad_seed_file_is_refused_clearly(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "seed.jsonl")
            with self.assertRaisesRegex(people.SeedError, "there is no seed file"):
                people.read_seed(file)
            for text, problem in (("", "has 0 accounts"), ("{}", "not a seed file"), ("[1]", "not a seed file")):
                file.write_text(text)
                with self.assertRaisesRegex(people.SeedError, problem):
                    people.read_seed(file)
            row = '{"accountId": 7, "accessToken": "mpa_x", "walletId": 9, "currency": "KRW"}\n'
            file.write_text(row * 4)
            self.assertEqual(people.read_seed(file)[3], people.Account(7, "mpa_x", 9))
            more = '"email": "a@example.com", "password": "p", "expiredAt": "1970-01-01T01:00:00.5Z"'
            file.write_text(row.replace('"currency": "KRW"', more) * 4)
            expected = people.Account(7, "mpa_x", 9, "a@example.com", "p", 3600.5)
            self.assertEqual(people.read_seed(file)[3], expected)


PAGE = """mypay_money_conservation_imbalance_minor{currency="KRW"} 0
mypay_money_conservation_imbalance_minor{currency="EUR"} -7
mypay_money_conservation_checked_timestamp_seconds 1000.5
# EOF
"""


class Checks(unittest.TestCase):
    def test_a_page_of_metrics_is_read(self):
        self.assertEqual(checks.read_metrics(PAGE), ([1000.5], {"KRW": 0.0, "EUR": -7.0}))

    def test_only_a_newer_check_counts_and_waiting_ends(self):
        conservation = checks.Conservation(operations=["unused"])
        looks = [([], {}), ([9.0], {"KRW": 1.0}), ([11.0, 9.0], {}), ([11.0, 12.0], {"KRW": 0.0})]
        with mock.patch.object(conservation, "look", side_effect=looks):
            found = conservation.wait(10.0, now=lambda: 0.0, sleep=lambda _: None)
        self.assertEqual(found, {"KRW": 0.0})
        clock = iter(range(0, 1_000, 10))
        with mock.patch.object(conservation, "look", return_value=([9.0], {"KRW": 0.0})):
            self.assertIsNone(conservation.wait(10.0, now=lambda: next(clock), sleep=lambda _: None))

    def test_what_is_wrong_is_said(self):
        self.assertEqual(checks.verdict({"KRW": 0.0}, 100, 150, 50), [])
        self.assertEqual(checks.verdict({}, None, None, 50), [])
        self.assertEqual(
            checks.verdict({"KRW": 7.0}, 100, 149, 50),
            ["the sum of KRW is off by 7", "seeded wallets held 100, got 50, and hold 149"],
        )
        self.assertEqual(checks.verdict(None, None, None, 0), ["conservation was not checked in time"])


    def test_tokens_that_ran_out_are_one_line(self):
        error = collections.namedtuple("Error", "occurrences error")
        stats = mock.Mock(errors={1: error(3, "401 invalid_token"), 2: error(4, "401"), 3: error(9, "503 x")})
        expected = "tokens ran out: 7 requests were refused (401); make new accounts with `my-pay seed`"
        self.assertEqual(checks.ran_out(stats), [expected])
        self.assertEqual(checks.ran_out(mock.Mock(errors={})), [])


class Bank(books.Books):
    """Answers what it is told to, without a network."""

    def __init__(self, answers):
        self.answers = answers

    def get(self, path, account):
        return self.answers[path]


class TheBooks(unittest.TestCase):
    def test_balances_and_late_deposits_are_added_up(self):
        ann, bob = people.Account(1, "a", 11), people.Account(2, "b", 12)
        bank = Bank(
            {
                "/money/v1/wallets/11": (200, {"balance": 30}),
                "/money/v1/wallets/12": (200, {"balance": 12}),
                "/money/v1/transfers?idempotencyKey=made": (200, {"status": "completed"}),
                "/money/v1/transfers?idempotencyKey=refused": (200, {"status": "failed"}),
                "/money/v1/transfers?idempotencyKey=lost": (404, {}),
            }
        )
        self.assertEqual(bank.balances([ann, bob]), 42)
        self.assertEqual(bank.deposited([(ann, "made", 5), (ann, "refused", 7), (bob, "lost", 9)]), 5)

    def test_what_cannot_be_read_is_no_zero(self):
        ann = people.Account(1, "a", 11)
        bank = Bank({"/money/v1/wallets/11": (401, {}), "/money/v1/transfers?idempotencyKey=k": (401, {})})
        with mock.patch("sys.stderr") as stderr:
            with self.assertRaisesRegex(RuntimeError, "^tokens ran out$"):
                bank.balances([ann])
            with self.assertRaisesRegex(RuntimeError, "^tokens ran out$"):
                bank.deposited([(ann, "k", 5)])
        stderr.write.assert_not_called()
        bank.answers = {path: (500, {}) for path in bank.answers}
        with self.assertRaisesRegex(RuntimeError, "wallet 11 cannot be read: 500"):
            bank.balances([ann])
        with self.assertRaisesRegex(RuntimeError, "deposit cannot be read: 500"):
            bank.deposited([(ann, "k", 5)])


class Report(unittest.TestCase):
    def test_counts_by_milliseconds_become_buckets(self):
        buckets, total = report.histogram({1: 2, 30: 1, 20_000: 1})
        by_limit = dict(buckets)
        found = [by_limit[limit] for limit in ("0.0005", "0.001", "0.02", "0.05", "10.0", "+Inf")]
        self.assertEqual(found, [0, 2, 2, 3, 3, 4])
        self.assertAlmostEqual(total, 20.032)


if __name__ == "__main__":
    unittest.main()
