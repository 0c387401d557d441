//! The shell of `millpond query`: history, completion of tables, columns and words, statements over several lines.

use std::path::PathBuf;

use millpond::query::Session;
use millpond_core::{Error, Result};
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Config, Context, Editor, Helper, Highlighter, Hinter};

use crate::output::Format;
use crate::query::print;

/// Words that are completed besides names.
const WORDS: [&str; 24] = [
    "select",
    "from",
    "where",
    "group by",
    "order by",
    "limit",
    "having",
    "join",
    "left join",
    "on",
    "as",
    "and",
    "or",
    "not",
    "distinct",
    "count(*)",
    "qualify",
    "unnest",
    "with",
    "case",
    "desc",
    "is null",
    "is not null",
    "between",
];

const HELP: &str = "\
Type SQL and end it with `;`. Files in quotes are tables: select * from 'inbox/a.json.gz' limit 5;
  \\d          list the tables        \\d TABLE    list the columns of a table
  \\format F   table, json or csv     \\q          leave
";

#[derive(Helper, Highlighter, Hinter)]
struct Names {
    names: Vec<String>,
}

impl Completer for Names {
    type Candidate = Pair;

    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '\\';
        let start = line[..position].rfind(|c: char| !is_part(c)).map_or(0, |at| at + 1);
        let typed = &line[start..position];
        let fits = self.names.iter().filter(|name| !typed.is_empty() && name.starts_with(typed));
        let pairs = fits.map(|name| Pair { display: name.clone(), replacement: name.clone() }).collect();
        Ok((start, pairs))
    }
}

impl Validator for Names {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input().trim();
        let is_whole = text.is_empty() || text.ends_with(';') || text.starts_with('\\');
        Ok(if is_whole { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

/// Reads statements until the end of input.
pub(crate) async fn run(session: &Session) -> Result<()> {
    let failed = |error: ReadlineError| Error::transient("failed to open the shell").because(error);
    let config = Config::builder().auto_add_history(true).max_history_size(10_000).map_err(failed)?.build();
    let mut editor: Editor<Names, _> = Editor::with_config(config).map_err(failed)?;
    let mut names = session.tables();
    names.extend(session.columns().await);
    names.extend(WORDS.map(str::to_owned));
    editor.set_helper(Some(Names { names }));
    let history = history_file();
    if let Some(path) = &history
        && path.exists()
    {
        editor.load_history(path).map_err(failed)?;
    }
    eprint!("{HELP}");
    let mut format = Format::Table;
    loop {
        match editor.readline("pond> ") {
            Ok(line) if line.trim() == "\\q" => break,
            Ok(line) => {
                if let Err(error) = obey(session, line.trim(), &mut format).await {
                    eprintln!("error: {}", error.report());
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(failed(error)),
        }
    }
    if let Some(path) = &history {
        editor.save_history(path).map_err(failed)?;
    }
    Ok(())
}

async fn obey(session: &Session, line: &str, format: &mut Format) -> Result<()> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "" => Ok(()),
        "\\d" if rest.trim().is_empty() => {
            eprintln!("{}", session.tables().join("\n"));
            Ok(())
        }
        "\\d" => print(session, &format!("describe {}", rest.trim()), *format).await,
        "\\format" => {
            *format = match rest.trim() {
                "table" => Format::Table,
                "json" => Format::Json,
                "csv" => Format::Csv,
                other => {
                    return Err(Error::bad_config(format!("`{other}` is not a format")).hint("use table, json or csv"));
                }
            };
            Ok(())
        }
        _ if word.starts_with('\\') => {
            eprint!("{HELP}");
            Ok(())
        }
        _ => print(session, line, *format).await,
    }
}

/// The history lies where programs keep their state; without a home there is none.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let folder =
        state.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")))?.join("millpond");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("query_history"))
}
