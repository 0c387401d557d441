//! Which columns a hunt reads: all text, also inside structs, lists and maps.

use arrow::datatypes::SchemaRef;
use millpond_core::units::nearest;
use millpond_core::{Error, Result};
use millpond_engine::leaves::{Leaf, is_within, leaves};

/// Which columns are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Columns {
    /// Every text, but for columns that millpond adds, whose names begin with `_`.
    #[default]
    Text,
    /// Those that a source names as `indicators`, which have bloom filters in compacted files.
    Indexed,
    /// Those of these names: a column with all that is in it, or one field of it, `request.host`.
    Named(Vec<String>),
}

impl Columns {
    /// Whether a text is read; `indexed` are the columns that sources name as `indicators`.
    pub(super) fn holds(&self, path: &str, indexed: &[String]) -> bool {
        let is_among = |names: &[String]| names.iter().any(|name| is_within(path, name));
        match self {
            Self::Text => !path.starts_with('_'),
            Self::Indexed => is_among(indexed),
            Self::Named(names) => is_among(names),
        }
    }

    /// Makes sure that each named column is a text of one of the tables.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) with the nearest name for one that is not.
    pub(super) fn check<'a>(&self, schemas: impl Iterator<Item = &'a SchemaRef>) -> Result<()> {
        let Self::Named(names) = self else { return Ok(()) };
        let leaves: Vec<Leaf> = schemas.flat_map(|schema| leaves(schema)).filter(|leaf| leaf.is_text).collect();
        for name in names {
            let one = Self::Named(vec![name.clone()]);
            if !leaves.iter().any(|leaf| one.holds(&leaf.path, &[])) {
                let error = Error::bad_config(format!("no table that is looked at has a text column `{name}`"));
                return Err(match nearest(name, leaves.iter().map(|leaf| leaf.path.as_str())) {
                    Some(near) => error.hint(format!("did you mean `{near}`? names are matched exactly")),
                    None => error.hint("`millpond query \"describe TABLE\"` lists a table's columns"),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_what_is_in_it() {
        let paths = ["a", "peers.host", "tags.key", "tags.value", "_file"];
        let held = |columns: &Columns| paths.iter().filter(|path| columns.holds(path, &["a".into()])).count();
        let named = |name: &str| Columns::Named(vec![name.to_owned()]);
        assert_eq!((held(&Columns::Text), held(&Columns::Indexed), held(&named("tags"))), (4, 1, 2));
        assert_eq!((held(&named("peers.host")), held(&named("peer")), held(&named("_file"))), (1, 0, 1));
    }
}
