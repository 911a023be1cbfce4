//! N29: sums of hours equal the rows; usage of the whole node.

use super::*;

type Row = (String, i64, String, String, String, i64, i64, i64, i64, i64);

#[tokio::test]
async fn n29_sums_of_hours_equal_the_rows() {
    let world = World::new().await;
    let mut batch = Vec::new();
    for number in 0..200_u64 {
        let i = i64::try_from(number).unwrap();
        let mut call = admitted(number, START + i * 7 * MINUTE);
        call.namespace = namespace(number % 3).ulid().to_bytes().to_vec();
        call.model_id = format!("model-{}", number % 4);
        call.provider_id = format!("provider-{}", number % 2);
        call.credential = if number.is_multiple_of(5) { "tok_1".to_owned() } else { "keyless".to_owned() };
        batch.push(record(Kind::Admitted(call)));
        if !number.is_multiple_of(7) {
            batch.push(end(number, i));
        }
    }
    for part in batch.chunks(37) {
        world.apply(part).await;
    }
    let mut read = world.store.read().await.unwrap();
    let hours: Vec<Row> = fetch_all!(
        &mut read,
        "SELECT namespace_id, hour, credential_id, provider_id, model_id, request_count, prompt_tokens, completion_tokens,
           cost, charge FROM usage_hours ORDER BY 1, 2, 3, 4, 5"
    )
    .unwrap();
    let rows: Vec<Row> = fetch_all!(
        &mut read,
        "SELECT namespace_id, created_at / 3600000, credential_id, provider_id, model_id, COUNT(*),
           CAST(SUM(prompt_tokens) AS BIGINT), CAST(SUM(completion_tokens) AS BIGINT),
           CAST(SUM(COALESCE(cost, 0)) AS BIGINT), CAST(SUM(COALESCE(charge, 0)) AS BIGINT)
         FROM requests GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"
    )
    .unwrap();
    assert!(hours.len() > 100, "{}", hours.len());
    assert_eq!(hours, rows);
}

#[tokio::test]
async fn the_nodes_usage_is_that_of_each_namespace() {
    let world = World::new().await;
    world
        .change(async |write| {
            execute!(
                write,
                "INSERT INTO persons (id, name, folded_name, display_name, created_at) VALUES ('usr_1', 'a', 'a', 'a', 0)"
            )?;
            for number in 0..3 {
                execute!(
                    write,
                    "INSERT INTO namespaces (id, owner_id, name, created_at, archived_at) VALUES ($1, 'usr_1', $1, 0, $2)",
                    namespace(number).to_string(),
                    (number == 1).then_some(1_i64),
                )?;
            }
            Ok(())
        })
        .await;
    for number in 0..60_u64 {
        let i = i64::try_from(number).unwrap();
        let mut call = admitted(number, START + i * 11 * MINUTE);
        call.namespace = namespace(number % 2).ulid().to_bytes().to_vec();
        world.apply(&[record(Kind::Admitted(call)), end(number, i)]).await;
    }
    for (from, to) in [(0, 700), (13, 14), (13, 40), (1, 59), (61, 119), (500, 1_000), (660, 700)] {
        let (from, to) = (START + from * MINUTE, START + to * MINUTE);
        let window = Window { from: at(from), to: at(to) };
        let found = usage_by_namespace(&mut world.store.read().await.unwrap(), window).await.unwrap();
        let mut expected = Vec::new();
        for number in 0..3 {
            let sums = world.usage(namespace(number), from, to).await;
            if sums != Sums::default() {
                expected.push((namespace(number), sums));
            }
        }
        assert_eq!(found, expected, "{from} {to}");
    }
}

bitrouter_test_postgres::once_more_on_postgres!(
    n29_sums_of_hours_equal_the_rows,
    the_nodes_usage_is_that_of_each_namespace,
);
