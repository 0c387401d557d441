//! Explaining one object: what would happen to it, and what did.

use std::fmt::Write as _;
use std::path::Path;

use arrow::json::LineDelimitedWriter;
use futures::StreamExt;
use millpond_core::event::Object;
use millpond_core::plan::plan;
use millpond_core::route::candidates;
use millpond_core::units::{format_bytes, format_count};
use millpond_core::{Error, Result};
use millpond_engine::decode::Decoder;
use millpond_engine::prepare::Prepared;
use millpond_engine::run;
use object_store::{GetOptions, GetResultPayload, ObjectStore};
use serde_json::{Value, json};

use crate::lake::Lake;
use crate::pond::Pond;
use crate::preview::recognise;
use crate::query::Session;
use crate::recognize::Candidates;
use crate::store::{Place, Stores};

/// Bytes of a remote object that are looked at to tell its format.
const LOOK_BYTES: u64 = 1 << 20;

/// Everything that is known about one object under one pond, as JSON: object, routes, plan, columns, format, receipts. Of an object
/// that no route takes: what its content tells.
///
/// # Errors
/// When the object is not there or the lake cannot be read.
pub async fn explain(pond: &Pond, lake: &Lake, stores: &Stores, object: &Object) -> Result<Value> {
    let routes: Vec<Value> = candidates(&pond.sources, object.bucket.as_deref(), &object.key)
        .iter()
        .map(|route| json!({"source": route.source.name, "bucket": route.matched.bucket, "pattern": route.matched.pattern}))
        .collect();
    let prepared = routes.first().and_then(|route| pond.prepared(route["source"].as_str()?));
    let mut told = json!({
        "object": {
            "uri": object.uri, "key": object.key, "bucket": object.bucket,
            "version": object.version, "bytes": object.size_bytes,
        },
        "routes": routes,
        "receipts": receipts(lake, object).await?,
    });
    if let Some(prepared) = prepared {
        told["plan"] = plan_of(prepared);
        told["columns"] = columns_of(prepared);
        told["query_plan"] = run::explain(prepared).await?.into();
        told["format"] = match look(pond, stores, object, prepared).await {
            Ok(format) => format,
            Err(error) => json!({"error": error.report()}),
        };
    } else {
        let candidates = Candidates::of_sources(&pond.sources).and(Candidates::shipped()?);
        told["content"] = match recognise(&candidates, stores, object).await {
            Ok(verdict) => verdict.line().into(),
            Err(error) => error.report().into(),
        };
    }
    Ok(told)
}

/// The object that is named: a file or URL, or a key below one of the pond's inputs. Its key is the one that the inputs
/// list, which routes match.
///
/// # Errors
/// [`Kind::BadInput`](millpond_core::Kind::BadInput) when there is nothing of that name.
pub async fn find(pond: &Pond, stores: &Stores, name: &str, folder: &Path) -> Result<Object> {
    let urls: Vec<&str> = pond.config.place_urls().collect();
    let inputs: Vec<Place> = urls.iter().map(|url| Place::open(stores, url, &pond.root)).collect::<Result<_>>()?;
    let below = urls.iter().map(|url| format!("{}/{name}", url.trim_end_matches('/')));
    let candidates = below.map(|name| (name, pond.root.as_path())).chain([(name.to_owned(), folder)]);
    for (candidate, folder) in candidates {
        let Ok(place) = Place::open(stores, &candidate, folder) else { continue };
        let Ok(mut objects) = place.objects().await else { continue };
        if let Some(mut object) = objects.next().await.transpose()? {
            let known = inputs.iter().find_map(|input| input.key_below(&object.uri));
            object.key = known.unwrap_or(object.key);
            return Ok(object);
        }
    }
    Err(Error::bad_input(format!("nothing at `{name}`")).hint("name a file, a URL, or a key below an input"))
}

/// What does not depend on the object; `memory_bytes` is null where its lane decides.
fn plan_of(prepared: &Prepared) -> Value {
    json!({
        "source_version": prepared.source.version,
        "table": prepared.source.table,
        "engine": prepared.source.engine().name(),
        "memory_bytes": prepared.source.memory_bytes,
        "signals": prepared.source.signals.iter().map(|signal| signal.name.clone()).collect::<Vec<_>>(),
    })
}

fn columns_of(prepared: &Prepared) -> Value {
    let read: Vec<Value> = prepared
        .columns_used
        .iter()
        .map(|column| json!({"name": column.name, "type": column.kind.to_string(), "is_declared": !prepared.undeclared.contains(&column.name)}))
        .collect();
    let output = prepared.output_schema.fields().iter();
    json!({
        "read": read,
        "system": prepared.system_used.iter().map(|column| column.name()).collect::<Vec<_>>(),
        "output": output.map(|field| json!({"name": field.name(), "type": field.data_type().to_string()})).collect::<Vec<_>>(),
    })
}

/// What the decoder makes of the object's first bytes.
async fn look(pond: &Pond, stores: &Stores, object: &Object, prepared: &Prepared) -> Result<Value> {
    let failed = |error| Error::transient(format!("failed to fetch `{}`", object.uri)).because(error);
    let options =
        GetOptions { range: Some((0..object.size_bytes.clamp(1, LOOK_BYTES)).into()), ..GetOptions::default() };
    let found = match object.size_bytes {
        0 => return Ok(json!({"format": "empty", "compression": "none", "why": "the object has no bytes"})),
        _ => {
            let (store, path) = stores.locate(&object.uri)?;
            store.get_opts(&path, options).await.map_err(failed)?
        }
    };
    let bytes: Box<dyn std::io::Read + Send> = match found.payload {
        GetResultPayload::File(file, _) => Box::new(file),
        GetResultPayload::Stream(_) => Box::new(std::io::Cursor::new(found.bytes().await.map_err(failed)?)),
    };
    let request = {
        let plan = plan(&prepared.source, pond.config.job_memory_bytes);
        prepared.decode_request(&plan, &object.uri, object.modified_us)
    };
    let mut decoder = Decoder::open(bytes, request)?;
    decoder.next_batch()?;
    let rejects = decoder.take_rejects().len();
    let summary = decoder.summary();
    let fields = summary.fields();
    Ok(json!({
        "format": summary.format,
        "compression": summary.compression,
        "why": summary.why,
        "records_looked_at": summary.records,
        "rejected": rejects,
        "rescued": summary.rescued,
        "fields": fields.iter().map(|(name, kind)| json!({"name": name, "kind": kind})).collect::<Vec<_>>(),
    }))
}

/// The receipts of an object, newest first.
async fn receipts(lake: &Lake, object: &Object) -> Result<Vec<Value>> {
    let session = Session::new(Some(lake), &std::env::temp_dir()).await?;
    if !session.tables().iter().any(|table| table == crate::ledger::RECEIPTS) {
        return Ok(Vec::new());
    }
    let uri = object.uri.replace('\'', "''");
    let (_, batches) =
        session.collect(&format!("select * from receipts where object = '{uri}' order by started desc")).await?;
    let failed = |error: &dyn std::fmt::Display| Error::bug(format!("failed to write receipts as JSON: {error}"));
    let mut writer = LineDelimitedWriter::new(Vec::new());
    writer.write_batches(&batches.iter().collect::<Vec<_>>()).map_err(|error| failed(&error))?;
    let lines =
        serde_json::Deserializer::from_slice(&writer.into_inner()).into_iter().collect::<Result<Vec<Value>, _>>();
    lines.map_err(|error| failed(&error))
}

/// An explanation as a person reads it.
pub fn to_text(told: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{name:<12} {value}");
    };
    line("object", text(&told["object"]["uri"]));
    line("key", text(&told["object"]["key"]));
    line("size", format_bytes(told["object"]["bytes"].as_u64().unwrap_or(0)));
    let routes = told["routes"].as_array().map_or(&[][..], Vec::as_slice);
    match routes.split_first() {
        None => {
            line("route", "no source wants it".to_owned());
            line("content", text(&told["content"]));
        }
        Some((winner, others)) => {
            line("route", format!("source `{}` by `{}`", text(&winner["source"]), text(&winner["pattern"])));
            for other in others {
                line("", format!("not `{}`: `{}` is less specific", text(&other["source"]), text(&other["pattern"])));
            }
        }
    }
    if !told["plan"].is_null() {
        let plan = &told["plan"];
        let memory = match plan["memory_bytes"].as_u64() {
            Some(bytes) => format!("memory {}", format_bytes(bytes)),
            None => "memory of its lane".to_owned(),
        };
        line(
            "plan",
            format!(
                "version {}, engine {}, {memory}, table `{}`",
                plan["source_version"],
                text(&plan["engine"]),
                text(&plan["table"])
            ),
        );
        let names = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ");
        line("signals", names(&plan["signals"]));
        let format = &told["format"];
        match format["error"].as_str() {
            Some(error) => line("format", error.to_owned()),
            None => line(
                "format",
                format!("{} ({}): {}", text(&format["format"]), text(&format["compression"]), text(&format["why"])),
            ),
        }
        for column in told["columns"]["read"].as_array().into_iter().flatten() {
            let mark = if column["is_declared"] == true { "" } else { " (not declared: read as text)" };
            line("reads", format!("{} {}{mark}", text(&column["name"]), text(&column["type"])));
        }
        line("adds", names(&told["columns"]["system"]));
    }
    let receipts = told["receipts"].as_array().map_or(&[][..], Vec::as_slice);
    if receipts.is_empty() {
        line("receipts", "none: it was not processed yet".to_owned());
    }
    for receipt in receipts {
        line("receipt", receipt_line(receipt));
    }
    out
}

fn receipt_line(receipt: &Value) -> String {
    let count = |name: &str| format_count(receipt[name].as_u64().unwrap_or(0));
    let mut text = format!(
        "{} at {}: {} rows in, {} out, {} filtered, {} deduplicated, {} quarantined, {} signals (job {})",
        receipt["status"].as_str().unwrap_or("?"),
        receipt["started"].as_str().unwrap_or("?"),
        count("rows_in"),
        count("rows_out"),
        count("filtered"),
        count("deduplicated"),
        count("quarantined"),
        count("signals"),
        receipt["job_id"].as_str().unwrap_or("?"),
    );
    if let Some(error) = receipt["error"].as_str() {
        text.push_str(&format!("; {error}"));
    }
    text
}
