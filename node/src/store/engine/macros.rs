//! One text of a query, run by whichever engine there is.

/// Every row of `$sql` as a tuple.
macro_rules! fetch_all {
    ($on:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $crate::store::engine::Queryable::engine($on) {
            $crate::store::engine::EngineRef($crate::store::engine::Connection::Sqlite(connection), place) => {
                sqlx::query_as($sql)$(.bind($bind))*.fetch_all(connection).await.map_err(|error| place.failed(error))
            }
            $crate::store::engine::EngineRef($crate::store::engine::Connection::Postgres(held), place) => {
                match held.statement() {
                    Ok((connection, bounds)) => {
                        let done = bounds.bounded(sqlx::query_as($sql)$(.bind($bind))*.fetch_all(connection)).await;
                        held.done(place, done)
                    }
                    Err(error) => Err(error),
                }
            }
        }
    };
}

/// The row of `$sql` as a tuple, where there is one.
macro_rules! fetch_optional {
    ($on:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $crate::store::engine::Queryable::engine($on) {
            $crate::store::engine::EngineRef($crate::store::engine::Connection::Sqlite(connection), place) => {
                sqlx::query_as($sql)$(.bind($bind))*.fetch_optional(connection).await.map_err(|error| place.failed(error))
            }
            $crate::store::engine::EngineRef($crate::store::engine::Connection::Postgres(held), place) => {
                match held.statement() {
                    Ok((connection, bounds)) => {
                        let done = bounds.bounded(sqlx::query_as($sql)$(.bind($bind))*.fetch_optional(connection)).await;
                        held.done(place, done)
                    }
                    Err(error) => Err(error),
                }
            }
        }
    };
}

/// Runs `$sql`; the number of rows that it changed.
macro_rules! execute {
    ($on:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $crate::store::engine::Queryable::engine($on) {
            $crate::store::engine::EngineRef($crate::store::engine::Connection::Sqlite(connection), place) => {
                sqlx::query($sql)$(.bind($bind))*
                    .execute(connection)
                    .await
                    .map(|done| done.rows_affected())
                    .map_err(|error| place.failed(error))
            }
            $crate::store::engine::EngineRef($crate::store::engine::Connection::Postgres(held), place) => {
                match held.statement() {
                    Ok((connection, bounds)) => {
                        let done = bounds.bounded(sqlx::query($sql)$(.bind($bind))*.execute(connection)).await;
                        held.done(place, done.map(|done| done.rows_affected()))
                    }
                    Err(error) => Err(error),
                }
            }
        }
    };
}

/// Runs the statement `$many` of several rows with what `$bound` binds to `$query`; the number of rows that it changed.
macro_rules! execute_bound {
    ($on:expr, $many:expr, $query:ident => $bound:expr) => {
        match $crate::store::engine::Queryable::engine($on) {
            $crate::store::engine::EngineRef($crate::store::engine::Connection::Sqlite(connection), place) => {
                let $query = sqlx::query($many.sqlite());
                let done = $bound.execute(connection).await;
                done.map(|done| done.rows_affected()).map_err(|error| place.failed(error))
            }
            $crate::store::engine::EngineRef($crate::store::engine::Connection::Postgres(held), place) => {
                match held.statement() {
                    Ok((connection, bounds)) => {
                        let $query = sqlx::query($many.postgres());
                        let done = bounds.bounded($bound.execute(connection)).await;
                        held.done(place, done.map(|done| done.rows_affected()))
                    }
                    Err(error) => Err(error),
                }
            }
        }
    };
}

/// Every row of the statement `$many` of several rows, with what `$bound` binds to `$query`, as a tuple.
macro_rules! fetch_all_bound {
    ($on:expr, $many:expr, $query:ident => $bound:expr) => {
        match $crate::store::engine::Queryable::engine($on) {
            $crate::store::engine::EngineRef($crate::store::engine::Connection::Sqlite(connection), place) => {
                let $query = sqlx::query_as($many.sqlite());
                $bound.fetch_all(connection).await.map_err(|error| place.failed(error))
            }
            $crate::store::engine::EngineRef($crate::store::engine::Connection::Postgres(held), place) => {
                match held.statement() {
                    Ok((connection, bounds)) => {
                        let $query = sqlx::query_as($many.postgres());
                        let done = bounds.bounded($bound.fetch_all(connection)).await;
                        held.done(place, done)
                    }
                    Err(error) => Err(error),
                }
            }
        }
    };
}

/// A row with more columns than a tuple has, each read by its name.
macro_rules! columns {
    ($(#[$meta:meta])* $name:ident { $($column:ident: $kind:ty),* $(,)? }) => {
        $(#[$meta])*
        struct $name {
            $($column: $kind),*
        }

        $crate::store::engine::columns!(@of sqlx::sqlite::SqliteRow, $name { $($column),* });
        $crate::store::engine::columns!(@of sqlx::postgres::PgRow, $name { $($column),* });
    };
    (@of $row:ty, $name:ident { $($column:ident),* }) => {
        impl<'r> sqlx::FromRow<'r, $row> for $name {
            fn from_row(row: &'r $row) -> Result<Self, sqlx::Error> {
                use sqlx::Row as _;
                Ok(Self { $($column: row.try_get(stringify!($column))?),* })
            }
        }
    };
}

pub(crate) use {columns, execute, execute_bound, fetch_all, fetch_all_bound, fetch_optional};
