//! What ends a statement of PostgreSQL that does not end by itself.

use std::{io, time::Duration};

use super::{link::Link, postgres::failed};

/// How long a statement may take. Where the server does not answer at all, the lock's connection shows it sooner.
const STATEMENT: Duration = Duration::from_secs(15);

/// The bounds of one statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds<'l> {
    pub(super) link: &'l Link,
    /// It may take as long as the server can be reached.
    pub(super) is_patient: bool,
}

impl Bounds<'_> {
    /// Runs one statement, as long as the server can be reached.
    pub(crate) async fn bounded<T>(
        &self,
        statement: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let too_long = async {
            if self.is_patient {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(STATEMENT).await;
        };
        tokio::select! {
            biased;
            done = statement => done,
            () = self.link.cut() => Err(failed(io::ErrorKind::ConnectionAborted, "the connection to the server is lost")),
            () = too_long => Err(failed(io::ErrorKind::TimedOut, "the server does not answer")),
        }
    }
}

#[cfg(test)]
mod tests {
    use bitrouter_test_postgres::database;

    use super::{
        super::{super::PostgresUrl, Store, fetch_optional, link::LinkState},
        *,
    };

    async fn ended(link: &Link, is_patient: bool) -> io::ErrorKind {
        let statement = std::future::pending::<Result<(), sqlx::Error>>();
        match (Bounds { link, is_patient }).bounded(statement).await {
            Err(sqlx::Error::Io(error)) => error.kind(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_statement_ends_in_time_and_a_patient_one_with_the_server_alone() {
        let link = Link::default();
        assert_eq!(ended(&link, false).await, io::ErrorKind::TimedOut);
        let lost = async {
            tokio::time::sleep(STATEMENT * 100).await;
            link.set(LinkState::Lost("it is gone".to_owned()));
        };
        assert_eq!(tokio::join!(ended(&link, true), lost).0, io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn the_server_is_patient_too_and_only_for_that_transaction() {
        let database = database();
        let store = Store::postgres(&PostgresUrl::parse(database.url().into()).unwrap()).await.unwrap();
        let mut write = store.write().await.unwrap();
        let asked = async |write: &mut super::super::Write| -> String {
            let row: Option<(String,)> = fetch_optional!(write, "SELECT current_setting('statement_timeout')").unwrap();
            row.unwrap().0
        };
        assert_eq!(asked(&mut write).await, "15s");
        write.be_patient().await.unwrap();
        assert_eq!(asked(&mut write).await, "0");
        write.commit().await.unwrap();
        assert_eq!(asked(&mut store.write().await.unwrap()).await, "15s");
        store.close().await;
    }
}
