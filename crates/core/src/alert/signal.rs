//! A signal as alerts read it: a row of the table `signals`.

use crate::source::Severity;

/// The kind of rows that are there for correlations alone: no alert takes them.
pub const SIGMA_BASE: &str = "sigma_base";

/// A row of the table `signals`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignalRow {
    /// The source.
    pub source: String,
    /// The rule.
    pub rule: String,
    /// What a person reads first.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// MITRE ATT&CK technique.
    pub technique: Option<String>,
    /// Who or what it is about.
    pub entity: Option<String>,
    /// When, microseconds since 1970 in UTC; `None`: the query did not say.
    pub time_us: Option<i64>,
    /// One sentence for a person.
    pub message: Option<String>,
    /// The query's other columns, one JSON object.
    pub fields: Option<String>,
    /// The object.
    pub file: String,
    /// The record in it.
    pub row: Option<i64>,
    /// What kind of signal it is, where the rule says.
    pub kind: Option<String>,
    /// What tells it from others of its rule, where the rule says.
    pub key: Option<String>,
    /// What to do about it, where the rule says.
    pub runbook: Option<String>,
    /// Where to read about it, where the rule says.
    pub references: Option<String>,
}

/// Columns that a policy's key can name; also `fields.NAME`.
pub(super) const KEY_COLUMNS: [&str; 8] = ["source", "rule", "severity", "technique", "entity", "kind", "key", "file"];

impl SignalRow {
    /// What is the same when a file is processed again: it tells a signal that is new from one that was replaced by
    /// itself. Without a row, what the signal says stands for it.
    pub fn identity(&self) -> String {
        let row = self.row.map(|row| row.to_string()).unwrap_or_default();
        let time = self.time_us.map(|us| us.to_string()).unwrap_or_default();
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        let said = match self.row {
            Some(_) => [String::new(), String::new(), String::new()],
            None => [time, optional(&self.message), optional(&self.fields)],
        };
        let [time, message, fields] = &said;
        let (entity, key) = (optional(&self.entity), optional(&self.key));
        super::hash(
            [&self.source, &self.rule, &entity, &key, &self.file, &row, time, message, fields].map(String::as_str),
        )
    }

    /// The value of a column that a key can name; empty where there is none.
    pub(super) fn column(&self, name: &str) -> String {
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        match name {
            "source" => self.source.clone(),
            "rule" => self.rule.clone(),
            "severity" => self.severity.name().to_owned(),
            "technique" => optional(&self.technique),
            "entity" => optional(&self.entity),
            "kind" => optional(&self.kind),
            "key" => optional(&self.key),
            "file" => self.file.clone(),
            other => self.field(other.strip_prefix("fields.").unwrap_or(other)),
        }
    }

    fn field(&self, name: &str) -> String {
        let fields = self.fields.as_deref().and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
        match fields.as_ref().and_then(|fields| fields.get(name)) {
            None | Some(serde_json::Value::Null) => String::new(),
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }
}
