//! N29: no page and no sum goes through the rows of all time.

use super::{
    super::{history as histories, pages, transactions as entries, usage as sums},
    *,
};

/// How the engine reads (<https://sqlite.org/eqp.html>), a step each.
async fn plan(world: &World, sql: &str) -> Vec<String> {
    let sql = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let rows: Vec<(i64, i64, i64, String)> = fetch_all!(&mut world.store.read().await.unwrap(), sql).unwrap();
    rows.into_iter().map(|row| row.3).collect()
}

#[tokio::test]
async fn n29_pages_and_sums_are_found_by_an_index() {
    let world = World::new().await;
    for (sql, sorts) in [
        (sums::OF_NAMESPACE, false),
        (sums::BY_NAMESPACE, false),
        (pages::PAGE, false),
        (pages::CHANGES, false),
        (pages::MEANT, true),
        (pages::OPEN, false),
        (entries::OF_ALL, false),
        (entries::OF_ONE, false),
    ] {
        let plan = plan(&world, sql).await;
        // Namespaces are few; what was meant is two rows at most.
        let goes_through =
            |step: &&String| step.starts_with("SCAN") && !step.starts_with("SCAN n ") && *step != "SCAN meant";
        assert_eq!(plan.iter().find(goes_through), None, "{plan:#?} of {sql}");
        assert_eq!(plan.iter().any(|step| step.contains("TEMP B-TREE")), sorts, "{plan:#?} of {sql}");
    }
    let scans = plan(&world, "SELECT COUNT(*) FROM requests WHERE status = 'failed'").await;
    assert!(scans.iter().any(|step| step.starts_with("SCAN requests")), "{scans:?}");
}

#[tokio::test]
async fn n29_what_somebody_has_spent_is_found_by_its_credentials() {
    let world = World::new().await;
    for of in [&histories::OF_KEY, &histories::OF_SESSION, &histories::OF_CLIENT, &histories::OF_PERSON] {
        for sql in [of.rows, of.hours] {
            let plan = plan(&world, sql).await;
            // Only the list of credentials is gone through.
            let goes_through =
                |step: &&String| step.starts_with("SCAN") && !step.contains(" s") && !step.contains("CONSTANT ROW");
            assert_eq!(plan.iter().find(goes_through), None, "{plan:#?} of {sql}");
            let hours = plan.iter().filter(|step| step.starts_with("SEARCH u "));
            for step in hours {
                assert!(step.contains("usage_hours_credential"), "{plan:#?} of {sql}");
            }
        }
    }
}
