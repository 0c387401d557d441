//! What a session tells functions of the file that its job reads.

use datafusion::common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion::common::{DataFusionError, Result};

/// When the file was last changed, in microseconds since 1970: years that were not written follow from it.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileTime {
    pub(crate) modified_us: Option<i64>,
}

impl ConfigExtension for FileTime {
    const PREFIX: &'static str = "millpond";
}

impl ExtensionOptions for FileTime {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn std::any::Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _: &str) -> Result<()> {
        Err(DataFusionError::Configuration(format!("`millpond.{key}` cannot be set")))
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
}
