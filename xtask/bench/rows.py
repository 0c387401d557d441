"""Prints how many rows a folder holds: a Delta table, read with delta-rs, or plain Parquet files, read with DuckDB.

usage: rows.py FOLDER
"""

import os
import sys

folder = sys.argv[1]
if os.path.isdir(os.path.join(folder, "_delta_log")):
    import deltalake

    print(deltalake.DeltaTable(folder).count())
else:
    import duckdb

    print(duckdb.sql(f"select count(*) from read_parquet('{folder}/*.parquet')").fetchall()[0][0])
