//! Inputs and tables in a store that speaks S3.

use millpond_testkit::MiniStack;

use crate::pond::{APP_CONFIG, Pond, app_log, summary};

fn pond_on(server: &MiniStack, config: &str) -> Pond {
    let mut pond = Pond::with_app();
    pond.write("millpond.toml", config);
    for (key, value) in server.environment() {
        pond.set(key, &value);
    }
    pond
}

#[test]
fn objects_of_a_bucket_are_run_once() {
    let Some(server) = MiniStack::start() else { return };
    server.create_bucket("raw");
    server.put_object("raw", "logs/a.ndjson", app_log(0).as_bytes());
    server.put_object("raw", "logs/deep/b%20c+d.ndjson", app_log(10).as_bytes());
    server.put_object("raw", "other/c.ndjson", app_log(20).as_bytes());
    let pond = pond_on(&server, "[[input]]\nurl = 's3://raw/logs/'\n");
    pond.source("app", &APP_CONFIG.replace("glob", "bucket = 'raw'\nprefix = 'logs/'\nglob"), crate::pond::APP_SQL);
    assert_eq!(summary(&pond.run_once())["files"]["done"], 2);
    assert_eq!(pond.value("select count(*) from app"), 18);
    assert_eq!(pond.value("select count(distinct _file) from app where _file like 's3://raw/logs/%'"), 2);
    assert_eq!(summary(&pond.run_once())["files"]["already_done"], 2);
    // The same key with other bytes is another job.
    server.put_object("raw", "logs/a.ndjson", app_log(30).as_bytes());
    assert_eq!(summary(&pond.run_once())["files"]["done"], 1);
    assert_eq!(pond.value("select sum(bytes) from 's3://raw/other/c.ndjson'"), 245);
}

#[test]
fn a_quoted_url_is_a_table() {
    let Some(server) = MiniStack::start() else { return };
    // A Parquet file to join: one that millpond wrote.
    let other = Pond::with_app();
    other.write("inbox/a.ndjson", app_log(0));
    other.run_once();
    let path = other.value("select outputs[1]['path'] from receipts");
    let parquet = std::fs::read(other.path("lake/app").join(path.as_str().expect("path"))).expect("parquet");
    server.create_bucket("intel");
    server.put_object("intel", "users.parquet", &parquet);
    let pond = pond_on(&server, "[[input]]\nurl = 'inbox'\n[tables]\nallow = ['s3://intel/**']\n");
    let sql = "select i.user, u.bytes as known from input i left join 's3://intel/users.parquet' u on u.user = i.user";
    pond.source("app", APP_CONFIG, &sql.replace("select", "select i.ts as time,"));
    pond.write("inbox/b.ndjson", app_log(0).replace("hal", "new"));
    pond.run_once();
    assert_eq!(pond.value("select count(*) - count(known) from app"), 2, "`noise` and `new` are not known");
}
