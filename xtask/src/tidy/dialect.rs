//! SQL for MySQL, MariaDB and TiDB keeps to what all three understand in the same way. This is the
//! list of what does not belong there, each with its reason.

use super::{Finding, has_extension, source};

/// What is banned below `store/mysql/`, in capitals and single spaces, and why.
const BANNED: &[(&str, &str)] = &[
    ("RETURNING", "MariaDB alone has it; MySQL and TiDB refuse it"),
    ("CREATE SEQUENCE", "MySQL has no sequences"),
    ("NEXTVAL", "MySQL has no sequences"),
    ("NEXT VALUE FOR", "MySQL has no sequences"),
    ("AUTO_INCREMENT", "TiDB hands out its values in another order"),
    ("SKIP LOCKED", "TiDB does not have it"),
    ("LOCK IN SHARE MODE", "TiDB takes no lock for it unless told to"),
    ("FOR SHARE", "TiDB takes no lock for it unless told to"),
    ("AS NEW", "MariaDB has no row alias in ON DUPLICATE KEY UPDATE"),
    ("REPLACE INTO", "it deletes the row and inserts another one"),
    ("INSERT IGNORE", "it turns errors into warnings"),
    ("VALUES ROW", "MariaDB has no ROW() constructor for tables"),
    ("JSON_TABLE", "TiDB does not have it"),
    ("CREATE TRIGGER", "TiDB does not have triggers"),
    ("CREATE PROCEDURE", "TiDB does not have procedures"),
    ("CREATE FUNCTION", "TiDB does not have functions of SQL"),
    ("FOREIGN KEY", "TiDB has them only in new versions, and they lock more than they name"),
    ("FULLTEXT", "TiDB does not have such indexes"),
    ("LOCK TABLES", "TiDB does nothing for it"),
    ("ENGINE =", "TiDB has one engine only, and the others have a good default"),
    ("ENGINE=", "TiDB has one engine only, and the others have a good default"),
    ("LAST_INSERT_ID", "it depends on the connection and on AUTO_INCREMENT"),
    ("FETCH FIRST", "MySQL knows LIMIT only"),
    ("FULL OUTER JOIN", "none of the three but in part"),
    ("EXCEPT ", "MySQL has it only since 8.0.31"),
    ("INTERSECT", "MySQL has it only since 8.0.31"),
    ("UUID_TO_BIN", "MariaDB does not have it"),
    ("ENUM(", "its order and its errors differ; words and CHECK do the same"),
];

/// Looks at migrations and at every string below `store/mysql/`.
pub(crate) fn portable_sql(path: &str, text: &str) -> Vec<Finding> {
    let parts: Vec<&str> = path.split('/').collect();
    if !parts.windows(2).any(|pair| pair == ["store", "mysql"]) {
        return Vec::new();
    }
    if has_extension(path, "sql") {
        let without_comments = text.lines().map(|line| line.split("--").next().unwrap_or_default());
        return (1..).zip(without_comments).flat_map(|(line, sql)| banned(line, sql)).collect();
    }
    if !has_extension(path, "rs") {
        return Vec::new();
    }
    let strings = source::split(text).strings;
    strings.iter().flat_map(|literal| banned(literal.line, &literal.text)).collect()
}

fn banned(line: usize, sql: &str) -> Vec<Finding> {
    let words: Vec<String> =
        sql.replace('\\', " ").split_whitespace().map(str::to_ascii_uppercase).collect();
    let sql = format!("{} ", words.join(" "));
    let found = BANNED.iter().filter(|(banned, _)| sql.contains(banned));
    found.map(|(banned, why)| Finding::new(line, format!("`{}`: {why}", banned.trim()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, lines: &[usize]) {
        let found: Vec<usize> = portable_sql(path, text).iter().map(|found| found.line).collect();
        assert_eq!(found, lines, "{path}: {text:?}");
    }

    #[test]
    fn everything_on_the_list_is_found_in_any_spelling() {
        for (banned, _) in BANNED {
            let sql = format!("SELECT 1\n{}", banned.to_ascii_lowercase());
            check("crates/a/src/store/mysql/migrations/0001.sql", &sql, &[2]);
            let rust = format!("fn a() {{ query(\"x {banned} y\") }}\n");
            check("crates/a/src/store/mysql/b.rs", &rust, &[1]);
        }
        check("crates/a/src/store/mysql/b.rs", "const A: &str = \"a FOR \\\n  SHARE\";", &[1]);
    }

    #[test]
    fn other_databases_comments_and_code_may_say_what_they_like() {
        check("crates/a/src/store/sqlite/b.rs", "const A: &str = \"INSERT x RETURNING y\";", &[]);
        check("crates/a/src/store/mysql/b.rs", "// no RETURNING here\nfn next_value() {}", &[]);
        check("crates/a/src/store/mysql/c.sql", "-- no RETURNING\nSELECT 1 FOR UPDATE", &[]);
    }
}
