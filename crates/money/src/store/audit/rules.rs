//! What must hold between the rows, each rule with the rows that break it. One SQL for every
//! database: the queries read and hold nothing back, so that memory stays bounded.

use super::{Row, standings::STATUS};

/// Something that every row must comply with.
pub(in crate::store) struct Rule {
    pub(super) name: &'static str,
    /// Selects the rows that do not, whatever other rule finds them too. For
    /// [`CREATED_AT_MILLIS_HEX`] each database has an expression of its own.
    pub(in crate::store) broken: &'static str,
    /// What is said of one of them.
    pub(super) says: fn(&Row) -> String,
}

/// Stands for a transfer's time in milliseconds, as twelve hexadecimal digits in capitals.
pub(in crate::store) const CREATED_AT_MILLIS_HEX: &str = "{created_at_millis_hex}";

/// Stands for the API key that asked for the transfer `t`.
pub(in crate::store) const API_KEY_ID: &str = "{api_key_id}";

/// In the order in which they are told: what is wrong with a wallet's balance first.
pub(in crate::store) const RULES: &[Rule] = &[
    OVERDRAWN,
    BALANCE,
    NEWEST,
    CHAIN,
    LEGS,
    AGREEMENT,
    FAILED,
    ORPHANS,
    KEYS,
    KEYS_ALONE,
    MARKS,
    MARKS_ALONE,
    STATUS,
    COUNTERS,
];

const OVERDRAWN: Rule = Rule {
    name: "a person's balance is never negative",
    broken: "SELECT id, account_id, balance FROM wallets WHERE balance < 0 AND account_id > 9999",
    says: |row| format!("wallet {} of account {} holds {}", row.get(0), row.get(1), row.get(2)),
};

const BALANCE: Rule = Rule {
    name: "a wallet's balance is the sum of its transactions, and it counts them right",
    broken: "SELECT w.id, w.account_id, w.balance, w.transaction_count,
             COALESCE(t.total, 0), COALESCE(t.legs, 0)
         FROM wallets AS w LEFT JOIN (
             SELECT wallet_id, COUNT(*) AS legs,
                 SUM(CASE direction WHEN 'credit' THEN amount ELSE -amount END) AS total
             FROM transactions GROUP BY wallet_id
         ) AS t ON t.wallet_id = w.id
         WHERE w.balance <> COALESCE(t.total, 0) OR w.transaction_count <> COALESCE(t.legs, 0)",
    says: |row| {
        format!(
            "wallet {} of account {} holds {} and counts {} transactions; they come to {} and are \
             {}",
            row.get(0),
            row.get(1),
            row.get(2),
            row.get(3),
            row.get(4),
            row.get(5)
        )
    },
};

const NEWEST: Rule = Rule {
    name: "a wallet names its newest transaction",
    broken: "SELECT w.id, w.account_id, w.transaction_count, w.balance, w.newest_transaction_id,
             t.sequence, t.balance_after, t.created_at, w.updated_at
         FROM wallets AS w
         LEFT JOIN transactions AS t ON t.id = w.newest_transaction_id AND t.wallet_id = w.id
         WHERE (w.transaction_count = 0) <> (w.newest_transaction_id IS NULL)
             OR (w.transaction_count > 0 AND (t.id IS NULL OR t.sequence <> w.transaction_count
                 OR t.balance_after <> w.balance OR t.created_at > w.updated_at))",
    says: |row| {
        format!(
            "wallet {} of account {} counts {} transactions and holds {} since {}; the one that it \
             names, {}, is its number {} at {} and leaves {}",
            row.get(0),
            row.get(1),
            row.get(2),
            row.get(3),
            row.time(8),
            row.get(4),
            row.get(5),
            row.time(7),
            row.get(6)
        )
    },
};

const CHAIN: Rule = Rule {
    name: "every transaction continues the one before it in its wallet",
    broken: "SELECT t.id, t.wallet_id, t.sequence, t.balance_after, t.created_at, t.direction,
             t.amount, t.previous_transaction_id, p.sequence, p.balance_after, p.created_at
         FROM transactions AS t
         LEFT JOIN transactions AS p
             ON p.id = t.previous_transaction_id AND p.wallet_id = t.wallet_id
         WHERE t.sequence <> COALESCE(p.sequence, 0) + 1
             OR (t.previous_transaction_id IS NOT NULL AND p.id IS NULL)
             OR t.created_at < COALESCE(p.created_at, t.created_at)
             OR t.balance_after <> COALESCE(p.balance_after, 0)
                 + CASE t.direction WHEN 'credit' THEN t.amount ELSE -t.amount END",
    says: |row| {
        format!(
            "transaction {} of wallet {}, its number {} at {}, a {} of {} that leaves {}, comes \
             after transaction {}, number {} at {}, which leaves {}",
            row.get(0),
            row.get(1),
            row.get(2),
            row.time(4),
            row.get(5),
            row.get(6),
            row.get(3),
            row.get(7),
            row.get(8),
            row.time(10),
            row.get(9)
        )
    },
};

const LEGS: Rule = Rule {
    name: "every completed transfer is one debit and one credit of its amount",
    broken: "SELECT LOWER(HEX(t.id)), t.account_id, t.amount, t.debit_transaction_id,
             d.direction, d.amount, LOWER(HEX(d.transfer_id)),
             c.direction, c.amount, LOWER(HEX(c.transfer_id))
         FROM transfers AS t
         LEFT JOIN transactions AS d ON d.id = t.debit_transaction_id
         LEFT JOIN transactions AS c ON c.id = t.debit_transaction_id + 1
         WHERE t.transfer_status = 'completed' AND (d.id IS NULL OR c.id IS NULL
             OR d.transfer_id <> t.id OR c.transfer_id <> t.id
             OR d.direction <> 'debit' OR c.direction <> 'credit'
             OR d.amount <> t.amount OR c.amount <> t.amount)",
    says: |row| {
        format!(
            "transfer {} of account {} over {} names transaction {}, a {} of {} for transfer {}, \
             and with it the next, a {} of {} for transfer {}",
            row.id(0),
            row.get(1),
            row.get(2),
            row.get(3),
            row.get(4),
            row.get(5),
            row.id(6),
            row.get(7),
            row.get(8),
            row.id(9)
        )
    },
};

/// What a transfer and its two transactions both say, and the wallets that they name.
const AGREED: &[&str] = &[
    "type",
    "status",
    "summary",
    "time",
    "sender",
    "receiver",
    "currency",
    "who ordered it",
    "balance afterwards",
];

/// Summaries are compared by length too: collations take trailing spaces for equal. A transaction
/// may be later than its transfer, if its wallet is, but not earlier; and a transfer is not earlier
/// than the time in its id, a `UUIDv7`.
const AGREEMENT: Rule = Rule {
    name: "a completed transfer, its transactions and their wallets say the same",
    broken: "SELECT * FROM (SELECT LOWER(HEX(t.id)), t.account_id, t.debit_transaction_id,
             d.wallet_id AS debited, c.wallet_id AS credited,
             (t.transfer_type NOT IN ('deposit', 'withdrawal', 'transfer')
                 OR d.transaction_type <> t.transfer_type
                 OR c.transaction_type <> t.transfer_type) AS kind_differs,
             (d.transaction_status <> 'completed'
                 OR c.transaction_status <> 'completed') AS status_differs,
             ((d.summary IS NULL) <> (t.summary IS NULL)
                 OR (c.summary IS NULL) <> (t.summary IS NULL)
                 OR COALESCE(d.summary <> t.summary OR LENGTH(d.summary) <> LENGTH(t.summary), 0)
                 OR COALESCE(c.summary <> t.summary OR LENGTH(c.summary) <> LENGTH(t.summary), 0)
                 ) AS summary_differs,
             (d.created_at < t.created_at OR c.created_at < t.created_at
                 OR SUBSTR(HEX(t.id), 1, 12) > {created_at_millis_hex}) AS time_differs,
             (CASE t.transfer_type
                 WHEN 'deposit' THEN t.sender_wallet_id IS NOT NULL OR dw.account_id > 9999
                 ELSE COALESCE(t.sender_wallet_id <> d.wallet_id, 1) OR dw.account_id <= 9999
                 END OR dw.id IS NULL) AS sender_differs,
             (CASE t.transfer_type
                 WHEN 'withdrawal' THEN t.receiver_wallet_id IS NOT NULL OR cw.account_id > 9999
                 ELSE COALESCE(t.receiver_wallet_id <> c.wallet_id, 1) OR cw.account_id <= 9999
                 END OR cw.id IS NULL OR d.receiver_wallet_id <> c.wallet_id
                 OR c.receiver_wallet_id <> c.wallet_id) AS receiver_differs,
             COALESCE(dw.currency <> t.currency OR cw.currency <> t.currency, 0)
                 AS currency_differs,
             COALESCE(t.account_id <> CASE t.transfer_type WHEN 'deposit' THEN cw.account_id
                 ELSE dw.account_id END, 0) AS owner_differs,
             (t.balance_after <> CASE t.transfer_type WHEN 'deposit' THEN c.balance_after
                 ELSE d.balance_after END) AS balance_differs
         FROM transfers AS t
         JOIN transactions AS d ON d.id = t.debit_transaction_id
         JOIN transactions AS c ON c.id = t.debit_transaction_id + 1
         LEFT JOIN wallets AS dw ON dw.id = d.wallet_id
         LEFT JOIN wallets AS cw ON cw.id = c.wallet_id
         WHERE t.transfer_status = 'completed'
         ) AS compared
         WHERE kind_differs OR status_differs OR summary_differs OR time_differs OR sender_differs
             OR receiver_differs OR currency_differs OR owner_differs OR balance_differs",
    says: |row| {
        format!(
            "transfer {} of account {}, its transactions {} and the next, and their wallets {} and \
             {} contradict each other: {}",
            row.id(0),
            row.get(1),
            row.get(2),
            row.get(3),
            row.get(4),
            row.named(5, AGREED)
        )
    },
};

const FAILED: Rule = Rule {
    name: "a failed transfer was ordered by the owner of its wallet, in its currency",
    broken: "SELECT LOWER(HEX(t.id)), t.account_id, t.currency, w.id, w.account_id, w.currency
         FROM transfers AS t
         LEFT JOIN wallets AS w ON w.id = CASE t.transfer_type
             WHEN 'deposit' THEN t.receiver_wallet_id ELSE t.sender_wallet_id END
         WHERE t.transfer_status = 'failed' AND (w.id IS NULL
             OR w.account_id <> t.account_id OR w.currency <> t.currency)",
    says: |row| {
        format!(
            "transfer {} of account {} in {} is about wallet {} of account {} in {}",
            row.id(0),
            row.get(1),
            row.get(2),
            row.get(3),
            row.get(4),
            row.get(5)
        )
    },
};

const ORPHANS: Rule = Rule {
    name: "there is no transaction without its completed transfer and its wallet",
    broken: "SELECT t.id, t.wallet_id, LOWER(HEX(t.transfer_id)), t.direction, t.amount,
             f.transfer_status, f.debit_transaction_id, w.account_id
         FROM transactions AS t
         LEFT JOIN transfers AS f ON f.id = t.transfer_id
         LEFT JOIN wallets AS w ON w.id = t.wallet_id
         WHERE f.id IS NULL OR f.transfer_status <> 'completed' OR w.id IS NULL
             OR (t.id <> f.debit_transaction_id AND t.id <> f.debit_transaction_id + 1)",
    says: |row| {
        format!(
            "transaction {} of wallet {} (of account {}), a {} of {}, is for transfer {} (status \
             {}), whose transactions are {} and the next",
            row.get(0),
            row.get(1),
            row.get(7),
            row.get(3),
            row.get(4),
            row.id(2),
            row.get(5),
            row.get(6)
        )
    },
};

/// The account of a transfer in this column and, if one is in the next, the API key that asked.
fn asked(row: &Row, column: usize) -> String {
    match &row.0[column + 1] {
        Some(api_key) => format!("{} by API key {api_key}", row.get(column)),
        None => row.get(column).to_owned(),
    }
}

/// A transfer's asker is compared as `idempotency_keys` holds it: minus the API key's id, or the
/// account's.
const KEYS: Rule = Rule {
    name: "every transfer is found by its key",
    broken: "SELECT LOWER(HEX(t.id)), t.account_id, {api_key_id}, LOWER(HEX(k.transfer_id))
         FROM transfers AS t
         LEFT JOIN idempotency_keys AS k ON k.idempotency_key = t.idempotency_key
             AND k.account_id = COALESCE(-{api_key_id}, t.account_id)
         WHERE k.transfer_id IS NULL OR k.transfer_id <> t.id",
    says: |row| {
        format!(
            "the key of transfer {} of account {} leads to transfer {}",
            row.id(0),
            asked(row, 1),
            row.id(3)
        )
    },
};

const KEYS_ALONE: Rule = Rule {
    name: "every key leads to its transfer",
    broken: "SELECT CASE WHEN k.account_id < 0 THEN 'API key' ELSE 'account' END,
             ABS(k.account_id), k.idempotency_key, LOWER(HEX(k.transfer_id)),
             t.account_id, {api_key_id}, t.idempotency_key
         FROM idempotency_keys AS k LEFT JOIN transfers AS t ON t.id = k.transfer_id
         WHERE t.id IS NULL OR k.account_id <> COALESCE(-{api_key_id}, t.account_id)
             OR t.idempotency_key <> k.idempotency_key",
    says: |row| {
        format!(
            "key `{}` of {} {} leads to transfer {}, which is of account {} under key `{}`",
            row.get(2),
            row.get(0),
            row.get(1),
            row.id(3),
            asked(row, 4),
            row.get(6)
        )
    },
};

const MARKS: Rule = Rule {
    name: "every 256th transaction of a wallet has a mark",
    broken: "SELECT t.id, t.wallet_id, t.sequence, m.transaction_id
         FROM transactions AS t
         LEFT JOIN transaction_marks AS m ON m.wallet_id = t.wallet_id
             AND m.created_at = t.created_at AND m.sequence = t.sequence
         WHERE t.sequence % 256 = 0 AND (m.transaction_id IS NULL OR m.transaction_id <> t.id)",
    says: |row| {
        format!(
            "transaction {} of wallet {}, its number {}, has a mark for transaction {}",
            row.get(0),
            row.get(1),
            row.get(2),
            row.get(3)
        )
    },
};

const MARKS_ALONE: Rule = Rule {
    name: "every mark is of the transaction that it names",
    broken: "SELECT m.wallet_id, m.sequence, m.created_at, m.transaction_id,
             t.wallet_id, t.sequence, t.created_at
         FROM transaction_marks AS m LEFT JOIN transactions AS t ON t.id = m.transaction_id
         WHERE t.id IS NULL OR t.wallet_id <> m.wallet_id OR t.sequence <> m.sequence
             OR t.created_at <> m.created_at OR m.sequence % 256 <> 0",
    says: |row| {
        format!(
            "the mark of wallet {} for its number {} at {} names transaction {}, which is number \
             {} of wallet {} at {}",
            row.get(0),
            row.get(1),
            row.time(2),
            row.get(3),
            row.get(5),
            row.get(4),
            row.time(6)
        )
    },
};

const COUNTERS: Rule = Rule {
    name: "the next id is greater than every id",
    broken: "SELECT * FROM (SELECT name, next_value, CASE name
                 WHEN 'wallet' THEN (SELECT MAX(id) FROM wallets)
                 WHEN 'transaction' THEN (SELECT MAX(id) FROM transactions) END AS newest
             FROM id_blocks) AS compared
         WHERE next_value <= newest",
    says: |row| {
        format!(
            "the next {} gets id {}, and there is {} already",
            row.get(0),
            row.get(1),
            row.get(2)
        )
    },
};
