//! What must hold between wallets, the standings of their accounts, and what operators did with
//! them.

use super::rules::Rule;

/// Stands for the wallets whose newest operation froze them, in the column `wallet_id`.
pub(super) const FROZEN_WALLETS: &str = "{frozen_wallets}";

/// What it stands for.
pub(super) const FROZEN: &str = "SELECT o.wallet_id FROM wallet_operations AS o
     JOIN (SELECT wallet_id, MAX(sequence) AS sequence FROM wallet_operations GROUP BY wallet_id)
         AS newest ON newest.wallet_id = o.wallet_id AND newest.sequence = o.sequence
     WHERE o.action = 'freeze'";

/// What it stands for in a database that has no operations yet.
pub(super) const NONE_FROZEN: &str = "SELECT 0 AS wallet_id";

/// Rules for a database that has operations.
pub(super) const RULES_OF_OPERATIONS: &[Rule] = &[OPERATIONS];

pub(super) const STATUS: Rule = Rule {
    name: "a wallet's status is what its account's standing asks for, or an operator froze it",
    broken: "SELECT w.id, w.account_id, w.status, s.status, f.wallet_id IS NOT NULL
         FROM wallets AS w LEFT JOIN account_standings AS s ON s.account_id = w.account_id
         LEFT JOIN ({frozen_wallets}) AS f ON f.wallet_id = w.id
         WHERE w.status <> CASE
             WHEN f.wallet_id IS NOT NULL AND COALESCE(s.status, 'active') = 'active' THEN 'frozen'
             ELSE COALESCE(s.status, 'active') END",
    says: |row| {
        format!(
            "wallet {} of account {} is {}, the account's standing is {}, and {} operator has \
             frozen the wallet",
            row.get(0),
            row.get(1),
            row.get(2),
            row.get(3),
            if row.get(4) == "1" { "an" } else { "no" }
        )
    },
};

const OPERATIONS: Rule = Rule {
    name: "operations are on a person's wallet, numbered from 1, freezing and unfreezing by turns",
    broken: "SELECT o.wallet_id, o.sequence, o.action, w.account_id, p.action
         FROM wallet_operations AS o LEFT JOIN wallets AS w ON w.id = o.wallet_id
         LEFT JOIN wallet_operations AS p
             ON p.wallet_id = o.wallet_id AND p.sequence = o.sequence - 1
         WHERE w.id IS NULL OR w.account_id <= 9999 OR (o.sequence > 1 AND p.sequence IS NULL)
             OR o.action = COALESCE(p.action, 'unfreeze')",
    says: |row| {
        format!(
            "operation {} on wallet {} of account {} is to {}, and the one before it is to {}",
            row.get(1),
            row.get(0),
            row.get(3),
            row.get(2),
            row.get(4)
        )
    },
};
