//! The rule that keeps SQL for MySQL, MariaDB and TiDB to what all three of them have.

use super::{Finding, has_extension, is_test, rust, source};

/// Words that stand next to each other in a statement, in capitals, and why they must not.
const BANNED: &[(&str, &str)] = &[
    ("RETURNING", "MySQL and TiDB do not have it"),
    ("CREATE SEQUENCE", "MySQL does not have it: take ids from `id_blocks`"),
    ("NEXTVAL", "MySQL does not have it: take ids from `id_blocks`"),
    ("NEXT VALUE", "MySQL does not have it: take ids from `id_blocks`"),
    ("AUTO_INCREMENT", "TiDB hands them out in no order: take ids from `id_blocks`"),
    ("AUTO_RANDOM", "only TiDB has it"),
    ("SKIP LOCKED", "TiDB does not have it"),
    ("FOR SHARE", "MariaDB does not have it, and TiDB takes no lock for it"),
    ("IN SHARE MODE", "TiDB takes no lock for it"),
    ("LOCK TABLES", "TiDB does not take the lock"),
    ("LATERAL", "MariaDB and TiDB do not have it"),
    ("FULLTEXT", "TiDB does not have it"),
    ("SPATIAL", "TiDB does not have it"),
    ("TRIGGER", "TiDB does not have it"),
    ("PROCEDURE", "TiDB does not have it"),
    ("CREATE FUNCTION", "TiDB does not have it"),
    ("CREATE EVENT", "TiDB does not have it"),
    ("SYSTEM VERSIONING", "only MariaDB has it"),
    ("FOREIGN KEY", "TiDB before 8.5 does not check it, and it locks a row of the other table"),
    ("REFERENCES", "TiDB before 8.5 does not check it, and it locks a row of the other table"),
    ("JSON", "in MariaDB it is text"),
    ("UUID", "only MariaDB has the type: BINARY(16)"),
    ("INET6", "only MariaDB has it"),
    ("VECTOR", "each has its own"),
    ("TIMESTAMP", "it depends on the session's time zone: BIGINT of microseconds"),
    ("DATETIME", "it has no time zone: BIGINT of microseconds"),
    ("NOW", "time comes from service::clock::Clock"),
    ("CURRENT_TIMESTAMP", "time comes from service::clock::Clock"),
    ("UNIX_TIMESTAMP", "time comes from service::clock::Clock"),
    ("FLOAT", "nothing here is inexact"),
    ("DOUBLE", "nothing here is inexact"),
    ("INSERT IGNORE", "it ignores every error, not only a duplicate"),
    ("REPLACE INTO", "it deletes first, and fires what depends on that"),
    ("SET GLOBAL", "a service has no rights over the whole server"),
    ("UTF8MB3", "it has no room for every character"),
];

/// Parts of a statement that are no words.
const BANNED_PARTS: &[(&str, &str)] = &[
    ("_0900_", "only MySQL and TiDB have these collations: utf8mb4_bin, or VARBINARY"),
    ("UCA1400", "only MariaDB has these collations: utf8mb4_bin, or VARBINARY"),
    ("/*!", "a comment that some servers run"),
    ("/*M!", "a comment that some servers run"),
    ("/*T!", "a comment that some servers run"),
    ("/*+", "a hint that each server reads in its own way"),
];

/// Every migration and every string below `store/mysql/`, tests apart.
pub(crate) fn banned_in_mysql(path: &str, text: &str) -> Vec<Finding> {
    if !path.contains("/store/mysql/") || is_test(path) {
        return Vec::new();
    }
    if has_extension(path, "sql") {
        let lines = source::numbered(text);
        return lines
            .filter(|(_, line)| !line.trim_start().starts_with("--"))
            .flat_map(|(number, line)| findings(number, &line.to_uppercase()))
            .collect();
    }
    if !has_extension(path, "rs") {
        return Vec::new();
    }
    let source = source::split(text);
    let tests = rust::tests_start(&source.code);
    let literals = source.strings.iter().filter(|literal| literal.line < tests);
    literals
        .flat_map(|literal| {
            let mut found = findings(literal.line, &literal.text);
            if rust::is_statement(&literal.text) && is_several(&literal.text) {
                let reason = "several statements in one string: not every proxy takes them";
                found.push(Finding::new(literal.line, reason));
            }
            found
        })
        .collect()
}

fn findings(line: usize, sql: &str) -> Vec<Finding> {
    let words: Vec<&str> = sql
        .split(|character: char| !character.is_alphanumeric() && character != '_')
        .filter(|word| !word.is_empty())
        .collect();
    let has_words = |banned: &str| {
        let banned: Vec<&str> = banned.split(' ').collect();
        words.windows(banned.len()).any(|window| window == banned)
    };
    let by_words = BANNED.iter().filter(|(banned, _)| has_words(banned));
    let by_parts = BANNED_PARTS.iter().filter(|(part, _)| sql.contains(part));
    by_words
        .chain(by_parts)
        .map(|(banned, reason)| Finding::new(line, format!("`{banned}` in SQL: {reason}")))
        .collect()
}

fn is_several(statement: &str) -> bool {
    statement.split_once(';').is_some_and(|(_, rest)| !rest.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIGRATION: &str = "crates/money/src/store/mysql/migrations/0001_a.sql";
    const SOURCE: &str = "crates/money/src/store/mysql/reads.rs";

    #[track_caller]
    fn check(path: &str, text: &str, lines: &[usize]) {
        let found: Vec<usize> =
            banned_in_mysql(path, text).iter().map(|finding| finding.line).collect();
        assert_eq!(found, lines, "{text}");
    }

    #[test]
    fn everything_banned_is_found_in_migrations_and_in_strings() {
        for (banned, _) in BANNED.iter().chain(BANNED_PARTS) {
            check(MIGRATION, &format!("-- why\nCREATE TABLE a (x {banned});\n"), &[2]);
            check(MIGRATION, &format!("a {}\n", banned.to_lowercase()), &[1]);
            check(SOURCE, &format!("const A: &str =\n    \"SELECT {banned}, b\";\n"), &[2]);
        }
    }

    #[test]
    fn what_all_three_have_is_left_alone() {
        check(MIGRATION, "-- no RETURNING\nCREATE TABLE a (uuid_of BINARY(16) NOT NULL);\n", &[]);
        check(SOURCE, "// RETURNING\nconst A: &str = \"nothing is returning\";\n", &[]);
        check(SOURCE, "const A: &str = \"SELECT sequence FROM a FOR UPDATE;\";\n", &[]);
        check(SOURCE, "#[cfg(test)]\nmod tests {\n    const A: &str = \"SELECT NOW()\";\n}\n", &[]);
        check("crates/money/src/store/sqlite/a.rs", "const A: &str = \"x RETURNING y\";\n", &[]);
        check("crates/money/src/store/mysql/tests.rs", "const A: &str = \"SELECT NOW()\";\n", &[]);
    }

    #[test]
    fn a_string_is_one_statement() {
        check(SOURCE, "const A: &str = \"DELETE FROM a; DELETE FROM b\";\n", &[1]);
        check(SOURCE, "const A: &str = \"no statement; only words\";\n", &[]);
    }
}
