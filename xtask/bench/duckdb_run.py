"""Runs one SQL statement over each file with DuckDB and writes one Parquet file for each.

usage: duckdb_run.py SQL OUT INPUT

`{file}` in the file SQL is an input file, `{out}` its output, `{bytes}` an upper limit of the size of one JSON document.
One thread, and at most half of the memory that is free, so that a query that wants too much fails and nothing else does.
"""

import os
import sys

import duckdb


def main(sql_file, out, inputs):
    with open(sql_file, encoding="utf-8") as opened:
        sql = opened.read()
    os.makedirs(out, exist_ok=True)
    connection = duckdb.connect()
    connection.execute("set threads = 1")
    connection.execute(f"set memory_limit = '{memory_limit()}B'")
    for name in sorted(os.listdir(inputs)):
        file = os.path.join(inputs, name)
        values = {"file": file, "out": os.path.join(out, name + ".parquet"), "bytes": document_bytes(file)}
        connection.execute(fill(sql, values))


def fill(sql, values):
    for key, value in values.items():
        sql = sql.replace("{" + key + "}", str(value))
    return sql


def document_bytes(file):
    """gzip ends with the decompressed size; DuckDB's default is 16 MiB."""
    with open(file, "rb") as opened:
        opened.seek(-4, os.SEEK_END)
        size = int.from_bytes(opened.read(4), "little") if file.endswith(".gz") else 0
    return max(size + 1024, 16 << 20)


def memory_limit():
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return free // 2


main(*sys.argv[1:])
