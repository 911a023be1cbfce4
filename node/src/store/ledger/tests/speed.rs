//! N29: no page and no sum is read by going through rows.

use super::*;

/// How the engine reads: each step of its plan.
async fn plan(world: &World, sql: &str) -> Vec<String> {
    // Leaked once a test: the text of a plan is none of the fixed ones.
    let sql: &'static str = Box::leak(format!("EXPLAIN QUERY PLAN {sql}").into_boxed_str());
    let rows: Vec<(i64, i64, i64, String)> = fetch_all!(&mut world.store.read().await.unwrap(), sql).unwrap();
    rows.into_iter().map(|row| row.3).collect()
}

#[tokio::test]
async fn n29_every_query_of_a_page_or_sum_goes_by_an_index() {
    let world = World::new().await;
    for sql in STATEMENTS {
        let plan = plan(&world, sql).await;
        for step in &plan {
            let scans = step.starts_with("SCAN")
                && !["SCAN n", "SCAN (subquery", "SCAN meant", "SCAN v", "SCAN CONSTANT"]
                    .iter()
                    .any(|ok| step.starts_with(ok));
            assert!(!scans, "{step} of {plan:?} in {sql}");
        }
    }
}
