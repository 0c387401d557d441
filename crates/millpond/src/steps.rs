//! Steps: numbered documents in which somebody writes down what is decided before it is done.
//!
//! A document is created only if it is not there, so whoever writes a step down has decided it, for everybody. What a step
//! adds to tables is committed together with its number, as Delta's application transaction: a table that holds the number
//! is passed over. So a crash anywhere leaves a step that is carried out again, and any number may work at the same time.

use arrow::datatypes::Schema;
use millpond_core::{Error, Kind, Result};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::committer::documents::{delete, list, put_new, read_json};
use crate::lake::{Lake, LakeFile};

/// Others that may be first in a row before it is an error.
pub(crate) const TRIES_MAX: usize = 20;

/// The steps of one kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steps {
    /// Where they lie in the lake.
    pub(crate) folder: &'static str,
    /// Whose they are, for messages.
    pub(crate) name: &'static str,
    /// The name under which tables record their numbers.
    pub(crate) application: &'static str,
}

impl Steps {
    fn path(self, number: i64) -> Path {
        Path::from(format!("{}/{number:020}.json", self.folder))
    }

    /// The numbers of the steps that lie there: one, and those that nobody has cleared up yet.
    async fn numbers(self, lake: &Lake) -> Result<Vec<i64>> {
        let listed = list(lake, self.folder, None, usize::MAX, u64::MAX).await?;
        let number = |path: &Path| path.filename()?.strip_suffix(".json")?.parse().ok();
        Ok(listed.iter().filter_map(|listed| number(&listed.path)).collect())
    }

    /// The number of the newest step; 0: there is none.
    pub(crate) async fn newest_number(self, lake: &Lake) -> Result<i64> {
        Ok(self.numbers(lake).await?.into_iter().max().unwrap_or(0))
    }

    /// The newest step, if there is one.
    pub(crate) async fn newest<T: for<'de> Deserialize<'de>>(self, lake: &Lake) -> Result<Option<T>> {
        for _ in 0..TRIES_MAX {
            let number = self.newest_number(lake).await?;
            if number == 0 {
                return Ok(None);
            }
            // One that is gone was followed by another.
            if let Some(step) = read_json(lake, &self.path(number)).await? {
                return Ok(Some(step));
            }
        }
        Err(Error::conflict(format!("the steps of {} change faster than they can be read", self.name)))
    }

    /// Writes a step down; says whether it is the one that counts.
    pub(crate) async fn put(self, lake: &Lake, number: i64, step: &impl Serialize) -> Result<bool> {
        if !put_new(lake, &self.path(number), step).await? {
            return Ok(false);
        }
        // A process that was slow may write down a step that is long cleared up.
        if self.newest_number(lake).await? > number {
            delete(lake, &[self.path(number)]).await?;
            return Ok(false);
        }
        Ok(true)
    }

    /// Adds a step's files to a table that does not hold them yet.
    pub(crate) async fn commit(
        self,
        lake: &Lake,
        table: &str,
        schema: &Schema,
        adds: Vec<LakeFile>,
        number: i64,
    ) -> Result<()> {
        let marks = [(self.application.to_owned(), number)];
        let mut conflicts = 0;
        loop {
            let committed = async {
                let opened = lake.table_for(table, schema).await?;
                if lake.mark(table, &opened, self.application).await?.is_some_and(|done| done >= number) {
                    return Ok(());
                }
                lake.append_marked(table, &opened, adds.clone(), &marks).await.map(|_| ())
            };
            match committed.await {
                Err(error) if error.kind() == Kind::Conflict && conflicts < TRIES_MAX => conflicts += 1,
                other => return other,
            }
        }
    }

    /// Clears up what came before a step that is carried out, and documents that nobody needs then.
    pub(crate) async fn clear_up(self, lake: &Lake, number: i64, documents: &[String]) -> Result<()> {
        let mut over: Vec<Path> = documents.iter().map(|path| Path::from(path.as_str())).collect();
        let before = self.numbers(lake).await?.into_iter().filter(|other| *other < number);
        over.extend(before.map(|number| self.path(number)));
        delete(lake, &over).await
    }
}
