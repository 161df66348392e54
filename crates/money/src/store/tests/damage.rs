//! Books in which one row was changed by hand, and what an audit says of each: the same on every
//! database.

use crate::store::audit::AuditReport;

/// The system's wallet (1), Ann's (2), Bob's (3); a deposit of 100 by Ann, her transfer of 40 to
/// Bob, his withdrawal of 10, and one of 50 that API key 3 asked for and that failed.
pub(crate) const BOOKS: &[&str] = &[
    "INSERT INTO wallets (id, account_id, currency, balance, status, newest_transaction_id,
        transaction_count, created_at, updated_at)
    VALUES (1, 1, 'KRW', -90, 'active', 6, 2, 1000, 7000),
        (2, 10001, 'KRW', 60, 'active', 3, 2, 1000, 6000),
        (3, 10002, 'KRW', 30, 'active', 5, 2, 1000, 7000)",
    "INSERT INTO transfers (id, account_id, idempotency_key, transfer_type, transfer_status,
        rejection, debit_transaction_id, sender_wallet_id, receiver_wallet_id, amount, currency,
        summary, balance_after, created_at, api_key_id)
    VALUES (x'00000000000570008000000000000001', 10001, 'a', 'deposit', 'completed',
            NULL, 1, NULL, 2, 100, 'KRW', NULL, 100, 5000, NULL),
        (x'00000000000670008000000000000002', 10001, 'b', 'transfer', 'completed',
            NULL, 3, 2, 3, 40, 'KRW', 'rent', 60, 6000, NULL),
        (x'00000000000770008000000000000003', 10002, 'c', 'withdrawal', 'completed',
            NULL, 5, 3, NULL, 10, 'KRW', NULL, 30, 7000, NULL),
        (x'00000000000870008000000000000004', 10002, 'd', 'withdrawal', 'failed',
            'insufficient_balance', NULL, 3, NULL, 50, 'KRW', NULL, 30, 8000, 3)",
    "INSERT INTO transactions (id, wallet_id, receiver_wallet_id, transfer_id, transaction_type,
        transaction_status, direction, amount, balance_after, sequence, previous_transaction_id,
        summary, created_at, updated_at)
    VALUES (1, 1, 2, x'00000000000570008000000000000001', 'deposit', 'completed',
            'debit', 100, -100, 1, NULL, NULL, 5000, 5000),
        (2, 2, 2, x'00000000000570008000000000000001', 'deposit', 'completed',
            'credit', 100, 100, 1, NULL, NULL, 5000, 5000),
        (3, 2, 3, x'00000000000670008000000000000002', 'transfer', 'completed',
            'debit', 40, 60, 2, 2, 'rent', 6000, 6000),
        (4, 3, 3, x'00000000000670008000000000000002', 'transfer', 'completed',
            'credit', 40, 40, 1, NULL, 'rent', 6000, 6000),
        (5, 3, 1, x'00000000000770008000000000000003', 'withdrawal', 'completed',
            'debit', 10, 30, 2, 4, NULL, 7000, 7000),
        (6, 1, 1, x'00000000000770008000000000000003', 'withdrawal', 'completed',
            'credit', 10, -90, 2, 1, NULL, 7000, 7000)",
    "INSERT INTO idempotency_keys (idempotency_key, account_id, transfer_id)
    VALUES ('a', 10001, x'00000000000570008000000000000001'),
        ('b', 10001, x'00000000000670008000000000000002'),
        ('c', 10002, x'00000000000770008000000000000003'),
        ('d', -3, x'00000000000870008000000000000004')",
    "UPDATE id_blocks SET next_value = 100 WHERE name IN ('wallet', 'transaction')",
];

/// Makes room for the books again.
pub(crate) const EMPTY: &[&str] = &[
    "DELETE FROM wallets",
    "DELETE FROM transfers",
    "DELETE FROM transactions",
    "DELETE FROM transaction_marks",
    "DELETE FROM idempotency_keys",
    "DELETE FROM account_standings",
    "DELETE FROM wallet_operations",
];

const SUM: &str = "the sum over all wallets";
const OVERDRAWN: &str = "is never negative";
const BALANCE: &str = "is the sum of its transactions";
const NEWEST: &str = "names its newest";
const CHAIN: &str = "continues the one before";
const LEGS: &str = "one debit and one credit";
const AGREEMENT: &str = "say the same";
const FAILED: &str = "a failed transfer was ordered by";
const ORPHANS: &str = "without its completed transfer";
const KEYS: &str = "found by its key";
const KEYS_ALONE: &str = "every key leads to its transfer";
const MARKS: &str = "every 256th";
const MARKS_ALONE: &str = "every mark is of";
const STATUS: &str = "or an operator froze it";
const COUNTERS: &str = "the next id is greater";
const OPERATIONS: &str = "freezing and unfreezing by turns";

/// A change of one row, and each rule that it breaks with a part of what is said of the row.
type Case = (&'static str, &'static [(&'static str, &'static str)]);

/// `$1` to `$4` are the four transfers.
pub(crate) const CASES: &[Case] = &[
    ("", &[]),
    (
        "UPDATE wallets SET balance = 61 WHERE id = 2",
        &[
            (SUM, "the sum of KRW is 1"),
            (
                BALANCE,
                "wallet 2 of account 10001 holds 61 and counts 2 transactions; they come to 60",
            ),
            (NEWEST, "wallet 2 of account 10001 counts 2 transactions and holds 61"),
        ],
    ),
    (
        "UPDATE wallets SET balance = -30 WHERE id = 3",
        &[
            (SUM, "the sum of KRW is -60"),
            (OVERDRAWN, "wallet 3 of account 10002 holds -30"),
            (BALANCE, "wallet 3"),
            (NEWEST, "wallet 3"),
        ],
    ),
    (
        "UPDATE wallets SET transaction_count = 3 WHERE id = 3",
        &[(BALANCE, "counts 3 transactions; they come to 30 and are 2"), (NEWEST, "wallet 3")],
    ),
    (
        "UPDATE wallets SET newest_transaction_id = NULL WHERE id = 2",
        &[(NEWEST, "the one that it names, none")],
    ),
    (
        "UPDATE wallets SET newest_transaction_id = 2 WHERE id = 2",
        &[(NEWEST, "the one that it names, 2, is its number 1")],
    ),
    ("UPDATE wallets SET account_id = 10003 WHERE id = 2", &[(AGREEMENT, "who ordered it")]),
    (
        "UPDATE wallets SET account_id = 10003 WHERE id = 3",
        &[
            (AGREEMENT, "transfer $3 of account 10002, its transactions 5 and the next"),
            (FAILED, "transfer $4 of account 10002 in KRW is about wallet 3 of account 10003"),
        ],
    ),
    (
        "UPDATE wallets SET currency = 'USD' WHERE id = 2",
        &[
            (SUM, "the sum of KRW is -60"),
            (AGREEMENT, "their wallets 1 and 2 contradict each other: currency"),
        ],
    ),
    (
        "UPDATE wallets SET status = 'frozen' WHERE id = 3",
        &[(
            STATUS,
            "wallet 3 of account 10002 is frozen, the account's standing is none, and no operator",
        )],
    ),
    (
        "INSERT INTO account_standings (account_id, status) VALUES (10001, 'closed')",
        &[(STATUS, "wallet 2 of account 10001 is active, the account's standing is closed")],
    ),
    (
        "INSERT INTO wallet_operations (wallet_id, sequence, action, reason, user_name, created_at)
            VALUES (2, 1, 'freeze', 'theft', 'ops', 9000)",
        &[(
            STATUS,
            "wallet 2 of account 10001 is active, the account's standing is none, and an operator",
        )],
    ),
    (
        "INSERT INTO wallet_operations (wallet_id, sequence, action, reason, user_name, created_at)
            VALUES (2, 1, 'freeze', 'theft', 'ops', 9000), (2, 3, 'unfreeze', 'found', 'ops', 9001)",
        &[(OPERATIONS, "operation 3 on wallet 2 of account 10001 is to unfreeze")],
    ),
    (
        "INSERT INTO wallet_operations (wallet_id, sequence, action, reason, user_name, created_at)
            VALUES (3, 1, 'unfreeze', 'found', 'ops', 9000)",
        &[(OPERATIONS, "is to unfreeze, and the one before it is to none")],
    ),
    (
        "INSERT INTO wallet_operations (wallet_id, sequence, action, reason, user_name, created_at)
            VALUES (1, 1, 'freeze', 'theft', 'ops', 9000), (1, 2, 'unfreeze', 'found', 'ops', 9000),
                (4, 1, 'freeze', 'theft', 'ops', 9000), (4, 2, 'unfreeze', 'found', 'ops', 9000)",
        &[(OPERATIONS, "on wallet")],
    ),
    (
        "UPDATE wallets SET updated_at = 6999 WHERE id = 3",
        &[(NEWEST, "holds 30 since 1970-01-01T00:00:00.006999Z")],
    ),
    (
        "DELETE FROM wallets WHERE id = 3",
        &[
            (SUM, "the sum of KRW is -30"),
            (AGREEMENT, "transfer $2"),
            (FAILED, "transfer $4 of account 10002 in KRW is about wallet none"),
            (ORPHANS, "transaction 4 of wallet 3 (of account none)"),
        ],
    ),
    (
        "UPDATE transactions SET amount = 41 WHERE id = 4",
        &[
            (BALANCE, "wallet 3"),
            (CHAIN, "transaction 4 of wallet 3"),
            (LEGS, "transfer $2 of account 10001 over 40 names transaction 3, a debit of 40"),
        ],
    ),
    (
        "UPDATE transactions SET balance_after = 99 WHERE id = 2",
        &[
            (CHAIN, "transaction 2 of wallet 2, its number 1 at 1970-01-01T00:00:00.005000Z"),
            (
                AGREEMENT,
                "transfer $1 of account 10001, its transactions 1 and the next, and their wallets 1 and 2 contradict each other: balance afterwards",
            ),
        ],
    ),
    (
        "UPDATE transactions SET sequence = 3 WHERE id = 5",
        &[(NEWEST, "wallet 3"), (CHAIN, "transaction 5 of wallet 3, its number 3")],
    ),
    (
        "UPDATE transactions SET sequence = 256 WHERE id = 5",
        &[
            (NEWEST, "wallet 3"),
            (CHAIN, "transaction 5"),
            (MARKS, "transaction 5 of wallet 3, its number 256, has a mark for transaction none"),
        ],
    ),
    (
        "UPDATE transactions SET previous_transaction_id = 2 WHERE id = 5",
        &[(CHAIN, "comes after transaction 2, number none")],
    ),
    (
        "UPDATE transactions SET direction = 'credit' WHERE id = 5",
        &[(BALANCE, "wallet 3"), (CHAIN, "transaction 5"), (LEGS, "transfer $3")],
    ),
    (
        "UPDATE transactions SET transaction_type = 'deposit' WHERE id = 3",
        &[(
            AGREEMENT,
            "transfer $2 of account 10001, its transactions 3 and the next, and their wallets 2 and 3 contradict each other: type",
        )],
    ),
    (
        "UPDATE transactions SET transaction_status = 'failed' WHERE id = 6",
        &[(AGREEMENT, "contradict each other: status")],
    ),
    (
        "UPDATE transactions SET summary = 'Rent' WHERE id = 3",
        &[(AGREEMENT, "contradict each other: summary")],
    ),
    (
        "UPDATE transactions SET summary = 'rent ' WHERE id = 4",
        &[(AGREEMENT, "contradict each other: summary")],
    ),
    (
        "UPDATE transactions SET summary = NULL WHERE id = 4",
        &[(AGREEMENT, "contradict each other: summary")],
    ),
    ("UPDATE transactions SET summary = 'new' WHERE id = 1", &[(AGREEMENT, "transfer $1")]),
    (
        "UPDATE transactions SET created_at = 5999 WHERE id = 3",
        &[(AGREEMENT, "contradict each other: time")],
    ),
    (
        "UPDATE transactions SET created_at = 7001 WHERE id = 4",
        &[(CHAIN, "transaction 5 of wallet 3")],
    ),
    (
        "UPDATE transactions SET created_at = 7001 WHERE id = 5",
        &[(NEWEST, "the one that it names, 5, is its number 2 at 1970-01-01T00:00:00.007001Z")],
    ),
    (
        "UPDATE transactions SET receiver_wallet_id = 1 WHERE id = 3",
        &[(AGREEMENT, "contradict each other: receiver")],
    ),
    (
        "UPDATE transactions SET wallet_id = 3, receiver_wallet_id = 3 WHERE id = 2",
        &[
            (BALANCE, "wallet 2"),
            (CHAIN, "transaction 3 of wallet 2"),
            (
                AGREEMENT,
                "transfer $1 of account 10001, its transactions 1 and the next, and their wallets 1 and 3 contradict each other: receiver, who ordered it",
            ),
        ],
    ),
    (
        "UPDATE transactions SET transfer_id = x'00000000000670008000000000000002' WHERE id = 2",
        &[
            (LEGS, "transfer $1"),
            (
                ORPHANS,
                "transaction 2 of wallet 2 (of account 10001), a credit of 100, is for transfer $2 (status completed)",
            ),
        ],
    ),
    (
        "DELETE FROM transactions WHERE id = 6",
        &[
            (
                BALANCE,
                "wallet 1 of account 1 holds -90 and counts 2 transactions; they come to -100 and are 1",
            ),
            (NEWEST, "wallet 1 of account 1"),
            (
                LEGS,
                "transfer $3 of account 10002 over 10 names transaction 5, a debit of 10 for transfer $3, and with it the next, a none of none",
            ),
        ],
    ),
    (
        "UPDATE transfers SET amount = 101 WHERE idempotency_key = 'a'",
        &[(LEGS, "transfer $1 of account 10001 over 101")],
    ),
    (
        "UPDATE transfers SET transfer_type = 'transfer' WHERE idempotency_key = 'a'",
        &[(AGREEMENT, "type, sender, who ordered it, balance afterwards")],
    ),
    (
        "UPDATE transfers SET transfer_type = 'gift' WHERE idempotency_key = 'b'",
        &[(AGREEMENT, "contradict each other: type")],
    ),
    (
        "UPDATE transfers SET summary = 'loan' WHERE idempotency_key = 'b'",
        &[(AGREEMENT, "transfer $2")],
    ),
    (
        "UPDATE transfers SET created_at = 6001 WHERE idempotency_key = 'b'",
        &[(AGREEMENT, "contradict each other: time")],
    ),
    (
        "UPDATE transfers SET created_at = 5999 WHERE idempotency_key = 'b'",
        &[(AGREEMENT, "contradict each other: time")],
    ),
    (
        "UPDATE transfers SET sender_wallet_id = 3 WHERE idempotency_key = 'b'",
        &[(AGREEMENT, "contradict each other: sender")],
    ),
    (
        "UPDATE transfers SET sender_wallet_id = 1 WHERE idempotency_key = 'a'",
        &[(AGREEMENT, "contradict each other: sender")],
    ),
    (
        "UPDATE transfers SET sender_wallet_id = NULL WHERE idempotency_key = 'c'",
        &[(AGREEMENT, "contradict each other: sender")],
    ),
    (
        "UPDATE transfers SET receiver_wallet_id = 2 WHERE idempotency_key = 'b'",
        &[(AGREEMENT, "contradict each other: receiver")],
    ),
    (
        "UPDATE transfers SET receiver_wallet_id = 1 WHERE idempotency_key = 'c'",
        &[(AGREEMENT, "contradict each other: receiver")],
    ),
    (
        "UPDATE transfers SET currency = 'USD' WHERE idempotency_key = 'b'",
        &[(AGREEMENT, "contradict each other: currency")],
    ),
    (
        "UPDATE transfers SET balance_after = 0 WHERE idempotency_key = 'b'",
        &[(AGREEMENT, "contradict each other: balance afterwards")],
    ),
    (
        "UPDATE transfers SET account_id = 10002 WHERE idempotency_key = 'b'",
        &[
            (
                AGREEMENT,
                "transfer $2 of account 10002, its transactions 3 and the next, and their wallets 2 and 3 contradict each other: who ordered it",
            ),
            (KEYS, "the key of transfer $2 of account 10002 leads to transfer none"),
            (
                KEYS_ALONE,
                "key `b` of account 10001 leads to transfer $2, which is of account 10002",
            ),
        ],
    ),
    (
        "UPDATE transfers SET sender_wallet_id = 2 WHERE idempotency_key = 'd'",
        &[(FAILED, "is about wallet 2 of account 10001")],
    ),
    (
        "UPDATE transfers SET currency = 'USD' WHERE idempotency_key = 'd'",
        &[(FAILED, "in USD is about wallet 3 of account 10002 in KRW")],
    ),
    (
        "UPDATE transfers SET debit_transaction_id = 4 WHERE idempotency_key = 'b'",
        &[
            (LEGS, "transfer $2"),
            (AGREEMENT, "transfer $2"),
            (ORPHANS, "transaction 3 of wallet 2"),
        ],
    ),
    (
        "UPDATE transfers SET transfer_status = 'failed', rejection = 'x',
            debit_transaction_id = NULL WHERE idempotency_key = 'b'",
        &[(
            ORPHANS,
            "transaction 3 of wallet 2 (of account 10001), a debit of 40, is for transfer $2 (status failed)",
        )],
    ),
    (
        "DELETE FROM transfers WHERE idempotency_key = 'b'",
        &[
            (ORPHANS, "(status none)"),
            (KEYS_ALONE, "key `b` of account 10001 leads to transfer $2, which is of account none"),
        ],
    ),
    (
        "DELETE FROM idempotency_keys WHERE idempotency_key = 'c'",
        &[(KEYS, "the key of transfer $3 of account 10002 leads to transfer none")],
    ),
    (
        "UPDATE idempotency_keys SET transfer_id = x'00000000000570008000000000000001'
            WHERE idempotency_key = 'b'",
        &[
            (KEYS, "the key of transfer $2 of account 10001 leads to transfer $1"),
            (KEYS_ALONE, "key `b` of account 10001 leads to transfer $1"),
        ],
    ),
    (
        "UPDATE transfers SET api_key_id = 10002 WHERE idempotency_key = 'c'",
        &[
            (
                KEYS,
                "the key of transfer $3 of account 10002 by API key 10002 leads to transfer none",
            ),
            (
                KEYS_ALONE,
                "key `c` of account 10002 leads to transfer $3, which is of account 10002 by API key 10002 under key `c`",
            ),
        ],
    ),
    (
        "UPDATE transfers SET api_key_id = NULL WHERE idempotency_key = 'd'",
        &[
            (KEYS, "the key of transfer $4 of account 10002 leads to transfer none"),
            (
                KEYS_ALONE,
                "key `d` of API key 3 leads to transfer $4, which is of account 10002 under key `d`",
            ),
        ],
    ),
    (
        "UPDATE transfers SET api_key_id = 4 WHERE idempotency_key = 'd'",
        &[
            (KEYS, "the key of transfer $4 of account 10002 by API key 4 leads to transfer none"),
            (
                KEYS_ALONE,
                "key `d` of API key 3 leads to transfer $4, which is of account 10002 by API key 4",
            ),
        ],
    ),
    (
        "UPDATE idempotency_keys SET account_id = 10002 WHERE idempotency_key = 'd'",
        &[
            (KEYS, "the key of transfer $4 of account 10002 by API key 3 leads to transfer none"),
            (
                KEYS_ALONE,
                "key `d` of account 10002 leads to transfer $4, which is of account 10002 by API key 3",
            ),
        ],
    ),
    (
        "INSERT INTO idempotency_keys (idempotency_key, account_id, transfer_id)
            VALUES ('e', 10001, x'00000000000570008000000000000001')",
        &[(
            KEYS_ALONE,
            "key `e` of account 10001 leads to transfer $1, which is of account 10001 under key `a`",
        )],
    ),
    (
        "INSERT INTO transaction_marks (wallet_id, created_at, sequence, transaction_id)
            VALUES (3, 7000, 256, 5)",
        &[(
            MARKS_ALONE,
            "the mark of wallet 3 for its number 256 at 1970-01-01T00:00:00.007000Z names transaction 5, which is number 2",
        )],
    ),
    (
        "UPDATE id_blocks SET next_value = 3 WHERE name = 'wallet'",
        &[(COUNTERS, "the next wallet gets id 3, and there is 3 already")],
    ),
    (
        "UPDATE id_blocks SET next_value = 6 WHERE name = 'transaction'",
        &[(COUNTERS, "the next transaction gets id 6, and there is 6 already")],
    ),
];

/// Whether a report says of a case what it should, and nothing else.
pub(crate) fn check((change, expected): &Case, report: &AuditReport) {
    assert_eq!(report.violations.len(), expected.len(), "{change}\n{report}");
    for (violation, (rule, row)) in report.violations.iter().zip(*expected) {
        let row = (1..=4).fold((*row).to_owned(), |row, n| {
            row.replace(
                &format!("${n}"),
                &format!("00000000-000{}-7000-8000-00000000000{n}", n + 4),
            )
        });
        assert!(violation.rule.contains(rule), "{change}\n{report}");
        assert!(violation.named[0].contains(&row), "{change}\n{report}\nexpected: {row}");
        assert_eq!(violation.rows, violation.named.len(), "{change}");
    }
}
