"""Prints how many rows a folder holds and how many of their values are not NULL: a Delta table, whose files delta-rs
names, or plain Parquet files. Both are read with DuckDB; millpond's own columns do not count.

usage: rows.py FOLDER
"""

import os
import sys

import duckdb

OWN_COLUMNS = {"_job", "_day"}


def main(folder):
    files = parquet_files(folder)
    if not files:
        return print(0, 0)
    columns = [row[0] for row in duckdb.execute("describe select * from read_parquet(?)", [files]).fetchall()]
    counts = [f'count("{name}")' for name in columns if name not in OWN_COLUMNS]
    sql = f"select count(*), {' + '.join(counts)} from read_parquet(?)"
    print(*duckdb.execute(sql, [files]).fetchone())


def parquet_files(folder):
    if os.path.isdir(os.path.join(folder, "_delta_log")):
        import deltalake

        return deltalake.DeltaTable(folder).file_uris()
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".parquet")]


main(*sys.argv[1:])
