#!/usr/bin/env python3
"""Try Velox (PyPI `pyvelox`) as a query engine and print what works.

    pip install pyvelox 'pyarrow==19.*' duckdb      # the wheel links libarrow_python.so.1900
    python xtask/bench/velox.py                                   # generated data
    python xtask/bench/velox.py --cloudtrail FILE.json            # one more case, on a CloudTrail log file

Every case runs in a process of its own, because several of them end in a signal.
Answers are compared with DuckDB's over the same Arrow data.
"""
import argparse, json, os, random, subprocess, sys, tempfile, time

SMALL = [
    dict(n="a", k=1, u=dict(arn="x", t="Root"), res=[dict(arn="r1", type="b"), dict(arn="r2", type="c")]),
    dict(n="a", k=2, u=dict(arn="y", t="IAM"), res=[]),
    dict(n="c", k=3, u=None, res=None),
]
BIG_ROWS = 200_000


# ----------------------------------------------------------------- the Velox side (child process)
def child(case, data, tmp):
    import pyarrow as pa
    from pyvelox.arrow import to_arrow, to_velox
    from pyvelox.file import DWRF, JSON, PARQUET
    from pyvelox.plan_builder import PlanBuilder, deserialize_plan
    from pyvelox.runner import LocalRunner, register_hive

    table = pa.ipc.open_file(data).read_all().combine_chunks()
    batch = table.to_batches()[0]
    keep = []  # runners, plans, builders and vectors must outlive every Arrow array made from them

    def values(cols=None):
        v = to_velox(batch.select(cols) if cols else batch)
        b = PlanBuilder().values([v])
        keep.extend([v, b])
        return b

    def run(b, files=()):
        p = b.get_plan_node() if isinstance(b, PlanBuilder) else b
        r = LocalRunner(p)
        keep.extend([b, p, r])
        for node, f in files:
            r.add_file_split(f, node, "hive")
        rows = []
        for x in r.execute():
            a = to_arrow(x)
            keep.append(a)
            rows += a.to_pylist()
        return rows

    def dwrf():
        register_hive("hive", {})
        f = DWRF(os.path.join(tmp, case.replace(" ", "_") + ".dwrf"))
        run(values().table_write(output_file=f))
        return f

    def scan(f):
        b = PlanBuilder().table_scan(output_schema=f.get_schema(), input_files=[f])
        keep.append(b)
        return b

    def column(f, name):  # a FieldAccessTypedExpr in Velox's JSON, with its type
        return json.loads(scan(f).project([f'"{name}"']).get_plan_node().serialize())["projections"][0]

    def renumber(j, base=100):  # a plan under a second builder needs other node ids
        j["id"] = str(int(j["id"]) + base)
        for s in j.get("sources", []):
            renumber(s, base)
        return j

    def wrap(f, node, key, after=()):
        """Run a JSON plan. A deserialized plan cannot be run alone, so it goes below a merge of one source."""
        plan = deserialize_plan(json.dumps(renumber(node)))
        b = PlanBuilder().sorted_merge([key], [plan])
        keep.extend([plan, b])
        if after:
            b.project(list(after))
        return run(b, [("100", f)])

    def source(b):
        return json.loads(b.get_plan_node().serialize())

    def unnest_json(f, below, name, carry):
        return {"name": "UnnestNode", "id": "50", "sources": [source(below)], "unnestNames": ["r"],
                "unnestVariables": [column(f, name)], "replicateVariables": [column(f, c) for c in carry]}

    def rownum_json(f):
        return {"name": "RowNumberNode", "id": "50", "sources": [source(scan(f))],
                "partitionKeys": [column(f, "n")], "rowNumberColumnName": "rn"}

    def window_json(f):
        t = {"name": "Type", "type": "BIGINT"}
        return {"name": "WindowNode", "id": "50", "sources": [source(scan(f))], "names": ["rn"], "inputsSorted": False,
                "partitionKeys": [column(f, "n")], "sortingKeys": [column(f, "k")],
                "sortingOrders": [{"ascending": False, "nullsFirst": False}],
                "functions": [{"ignoreNulls": False,
                               "functionCall": {"name": "CallTypedExpr", "type": t, "functionName": "row_number", "inputs": []},
                               "frame": {"type": "ROWS", "startType": "UNBOUNDED PRECEDING", "endType": "CURRENT ROW"}}]}

    def with_file(make):
        f = dwrf()
        return make(f)

    def drop_runner():
        def inner():
            r = LocalRunner(values().get_plan_node())
            return [to_arrow(x) for x in r.execute()]
        out = inner()
        del out
        return ["survived"]

    def drop_builder():
        def plan():
            return PlanBuilder().values([to_velox(batch)]).filter("n in ('a','b')").get_plan_node()
        plan()
        return ["survived"]

    def input_twice():
        v = to_velox(batch.select(F))
        keep.append(v)
        got = []
        for _ in range(2):
            b = PlanBuilder().values([v])
            p = b.get_plan_node()
            r = LocalRunner(p)
            keep.extend([b, p, r])
            for x in r.execute():
                a = to_arrow(x)
                got += a.to_pylist()
                del a
        return got[len(SMALL):]

    def timed():
        t0 = time.perf_counter()
        v = to_velox(batch)
        imported = time.perf_counter() - t0
        keep.append(v)
        best = 1e9
        for _ in range(5):
            b = PlanBuilder().values([v]).filter('ev like \'Get%\' and "errorCode" is null')
            b.project(["upper(u.name) as who", "src"]).aggregate(["who"], ["count(1) as c", "approx_distinct(src) as d"])
            b.project(["who", "c"])
            t0 = time.perf_counter()
            rows = run(b)
            best = min(best, time.perf_counter() - t0)
        return {"rows": rows, "secs": best, "note": f"Arrow in: {imported*1e3:.1f} ms"}

    def cloudtrail():
        f = dwrf()
        b = scan(f).filter("\"eventSource\" = 's3.amazonaws.com' or \"eventSource\" = 'kms.amazonaws.com' or \"eventSource\" = 'sts.amazonaws.com' or \"errorCode\" is not null")
        node = unnest_json(f, b, "resources", ["eventID", "eventTime", "eventName", "userIdentity"])
        t0 = time.perf_counter()
        rows = wrap(f, node, '"eventID"', ['"eventID"', '"eventTime"', '"eventName"', '"userIdentity".type as who',
                                         'r."ARN" as arn', 'r."type" as type'])
        return {"rows": rows, "secs": time.perf_counter() - t0}

    F = ["n", "k", "u"]  # no list column: handing one out as Arrow is a case of its own

    cases = {
        "values": lambda: run(values(F)),
        "list column, round trip": lambda: [[{"res": x} for x in to_arrow(to_velox(batch["res"])).to_pylist()] for _ in range(20)][-1],
        "list column, out of plan": lambda: [run(values(["n", "res"])) for _ in range(20)][-1],
        "list made by array_agg": lambda: [run(values(["n", "k"]).aggregate(["n"], ["array_agg(k) as ks"])) for _ in range(20)][-1],
        "arrow table in": lambda: str(to_velox(table).type()),
        "filter": lambda: run(values(F).filter("k >= 2 and n like 'a%'")),
        "filter in list": lambda: run(values(F).filter("n in ('a','b')")),
        "project": lambda: run(values().project(["upper(n) as un", "k * 2 as k2", "case when k = 1 then 'one' else 'more' end as w"])),
        "mixed-case name": lambda: run(PlanBuilder().values([to_velox(pa.RecordBatch.from_pydict({"eventName": ["x"]}))]).project(["eventName"])),
        "struct dot": lambda: run(values().project(["n", "u.t as t"])),
        "struct subscript": lambda: run(values().project(["n", "u['t'] as t"])),
        "concat ||": lambda: run(values().project(["n || '!' as s"])),
        "iso timestamp": lambda: run(values().project(["from_iso8601_timestamp('2023-07-10T11:45:00Z') as t"])),
        "list element": lambda: run(values().project(["cardinality(res) as c", "element_at(res, 1).arn as a"])),
        "aggregate": lambda: run(values().aggregate(["n"], ["count(1) as c", "sum(k) as s"])),
        "order and limit": lambda: run(values(["n", "k"]).order_by(["k DESC"]).limit(2)),
        "unnest, SQL text": lambda: run(values().project(["n", "unnest(res) as r"])),
        "unnest, builder": lambda: run(values().unnest(["res"], ["n"])),
        "window, SQL text": lambda: run(values().project(["row_number() over (partition by n order by k) as rn"])),
        "window, builder": lambda: run(values().window(["row_number() over (partition by n order by k) as rn"])),
        "scan Parquet": lambda: (register_hive("hive", {}), str(PARQUET(os.path.join(tmp, "t.parquet")).get_schema()))[1],
        "scan JSON": lambda: (register_hive("hive", {}), str(JSON(os.path.join(tmp, "t.json")).get_schema()))[1],
        "scan DWRF + project": lambda: with_file(lambda f: run(scan(f).project(["n", "k", "u.t as t"]))),
        "scan DWRF, whole rows": lambda: with_file(lambda f: run(scan(f))),
        "plan JSON: values": lambda: run(deserialize_plan(values().filter("k>1").get_plan_node().serialize())),
        "plan JSON: IN list": lambda: with_file(lambda f: str(deserialize_plan(scan(f).filter("n in ('a','b')").get_plan_node().serialize()))),
        "plan JSON: run it": lambda: with_file(lambda f: run(deserialize_plan(scan(f).project(["n"]).get_plan_node().serialize()), [("0", f)])),
        "plan JSON: Substrait": lambda: run(deserialize_plan('{"version":{"minorNumber":42},"relations":[]}')),
        "plan JSON: unnest": lambda: with_file(lambda f: wrap(f, unnest_json(f, scan(f), "res", ["n"]), "n", ["n", "r.arn as arn"])),
        "plan JSON: row number": lambda: with_file(lambda f: wrap(f, rownum_json(f), "n", ["n", "rn"])),
        "plan JSON: window": lambda: with_file(lambda f: wrap(f, window_json(f), "n", ["n", "k", "rn"])),
        "output outlives runner": drop_runner,
        "builder freed": drop_builder,
        "same input twice": input_twice,
        "200k rows, 1 thread": timed,
        "CloudTrail file": cloudtrail,
    }
    try:
        got = cases[case]()
        if not isinstance(got, dict):
            got = {"rows": got}
    except Exception as e:
        text = str(e)
        why = [l for l in text.splitlines() if l.startswith("Reason:")] or \
              [l for l in text.splitlines() if l.startswith("Expression:")] or [text.splitlines()[0]]
        got = {"error": f"{type(e).__name__}: {why[0]}"}
    print("\nRESULT " + json.dumps(got, default=str))
    sys.stdout.flush()
    os._exit(0)  # skip the library's teardown, which may abort


# ----------------------------------------------------------------- DuckDB's answers and the table
EXPECT = {
    "values": "select n, k, u from t",
    "same input twice": "select n, k, u from t",
    "list column, round trip": "select res from t",
    "list column, out of plan": "select n, res from t",
    "list made by array_agg": "select n, array_agg(k) ks from t group by n",
    "filter": "select n, k, u from t where k >= 2 and n like 'a%'",
    "filter in list": "select n, k, u from t where n in ('a','b')",
    "project": "select upper(n) un, k*2 k2, case when k=1 then 'one' else 'more' end w from t",
    "mixed-case name": "select 'x' eventName",
    "struct dot": "select n, u.t t from t",
    "struct subscript": "select n, u['t'] t from t",
    "concat ||": "select n || '!' s from t",
    "iso timestamp": "select timestamp '2023-07-10 11:45:00' t from t",
    "list element": "select len(res) c, res[1].arn a from t",
    "aggregate": "select n, count(*) c, sum(k)::bigint s from t group by n",
    "order and limit": "select n, k from t order by k desc limit 2",
    "unnest, SQL text": "select n, unnest(res) r from t",
    "unnest, builder": "select n, unnest(res) r from t",
    "window, SQL text": "select row_number() over (partition by n order by k) rn from t",
    "window, builder": "select *, row_number() over (partition by n order by k) rn from t",
    "scan DWRF + project": "select n, k, u.t t from t",
    "scan DWRF, whole rows": "select * from t",
    "plan JSON: values": "select * from t where k > 1",
    "plan JSON: run it": "select n from t",
    "plan JSON: unnest": "select n, r.arn arn from (select n, unnest(res) r from t)",
    "plan JSON: row number": "select n, row_number() over (partition by n) rn from t",
    "plan JSON: window": "select n, k, row_number() over (partition by n order by k desc) rn from t",
    "200k rows, 1 thread": "select who, count(*) c from (select upper(u.name) who from t where ev like 'Get%' and errorCode is null) group by who",
    "CloudTrail file": """select eventID, eventTime, eventName, userIdentity.type who, r."ARN" arn, r."type" "type" from
        (select *, unnest(resources) r from t where eventSource in
        ('s3.amazonaws.com','kms.amazonaws.com','sts.amazonaws.com') or errorCode is not null)""",
}
NO_ANSWER = ["arrow table in", "plan JSON: IN list", "scan Parquet", "scan JSON", "plan JSON: Substrait", "output outlives runner", "builder freed"]


def key(rows):
    return sorted(json.dumps(r, default=str, sort_keys=True) for r in rows)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--cloudtrail"), ap.add_argument("--case"), ap.add_argument("--data"), ap.add_argument("--tmp")
    a = ap.parse_args()
    if a.case:
        return child(a.case, a.data, a.tmp)

    import importlib.metadata as md
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as pq

    print("python", sys.version.split()[0], *(f"{p} {md.version(p)}" for p in ("pyvelox", "pyarrow", "duckdb")))
    t0 = time.perf_counter()
    imp = subprocess.run([sys.executable, "-c", "import pyvelox.arrow, pyvelox.runner"], capture_output=True, text=True)
    print(f"import in a new process: {time.perf_counter()-t0:.2f} s", (imp.stderr.strip().splitlines() or ["ok"])[-1])
    if imp.returncode:
        sys.exit("pyvelox cannot be imported with this pyarrow; try: pip install 'pyarrow==19.*'")
    lib = next((str(f.locate()) for f in md.files("pyvelox") if f.name == "libvelox.so"), None)
    if lib:
        print(f"libvelox.so: {os.path.getsize(lib)/1e6:.1f} MB;", end=" ")
        try:
            nm = subprocess.run(["nm", "-D", "--defined-only", lib], capture_output=True, text=True).stdout.split("\n")
            names = [l.split()[2] for l in nm if len(l.split()) == 3 and l.split()[1] in "TW"]
            plain = [n for n in names if not n.startswith("_Z")]
            print(f"{len(names)} functions exported, {len(plain)} with a C name, {sum('velox' in n.lower() for n in plain)} of those Velox's")
        except FileNotFoundError:
            print("(no nm here)")

    with tempfile.TemporaryDirectory() as tmp:
        def save(name, table):
            path = os.path.join(tmp, name)
            with pa.ipc.new_file(path, table.schema) as w:
                w.write_table(table)
            return path, table

        s = pa.struct([("arn", pa.string()), ("t", pa.string())])
        r = pa.list_(pa.struct([("arn", pa.string()), ("type", pa.string())]))
        small = save("small", pa.Table.from_pylist(SMALL, pa.schema([("n", pa.string()), ("k", pa.int64()), ("u", s), ("res", r)])))
        pq.write_table(small[1], os.path.join(tmp, "t.parquet"))
        with open(os.path.join(tmp, "t.json"), "w") as f:
            f.writelines(json.dumps(x) + "\n" for x in SMALL)
        rnd = random.Random(1)
        ev = ["GetObject", "GetUser", "PutObject", "AssumeRole", "ListBuckets", "GetCallerIdentity"]
        big = save("big", pa.Table.from_pylist([dict(
            ev=rnd.choice(ev), src=f"10.0.{rnd.randrange(256)}.{rnd.randrange(256)}",
            u=dict(name=f"user{rnd.randrange(500)}", type="IAMUser"),
            errorCode="AccessDenied" if rnd.random() < .1 else None) for _ in range(BIG_ROWS)]))
        todo = [(c, small) for c in list(EXPECT) + NO_ANSWER if c not in ("200k rows, 1 thread", "CloudTrail file")]
        todo.append(("200k rows, 1 thread", big))
        if a.cloudtrail:
            d = json.load(open(a.cloudtrail))
            recs = d["Records"] if isinstance(d, dict) else d
            st = pa.string()
            schema = pa.schema([(c, st) for c in ("eventID", "eventTime", "eventSource", "eventName", "sourceIPAddress", "errorCode")] + [
                ("userIdentity", pa.struct([("type", st), ("arn", st), ("userName", st)])),
                ("resources", pa.list_(pa.struct([("ARN", st), ("accountId", st), ("type", st)])))])
            import pyarrow.json as pj
            nd = os.path.join(tmp, "ct.ndjson")
            with open(nd, "w") as f:
                f.writelines(json.dumps(x) + "\n" for x in recs)
            t = pj.read_json(nd, parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"))
            todo.append(("CloudTrail file", save("ct", t.combine_chunks())))
            print(f"CloudTrail: {t.num_rows} records")

        print(f"\n{'case':<24} {'verdict':<9} detail")
        for case, (path, table) in todo:
            p = subprocess.run([sys.executable, __file__, "--case", case, "--data", path, "--tmp", tmp], capture_output=True, text=True, timeout=120)
            line = [l for l in p.stdout.splitlines() if l.startswith("RESULT ")]
            want, dsecs = None, None
            if case in EXPECT:
                con = duckdb.connect()
                con.execute("set threads=1")
                con.register("t", table)
                for _ in range(5 if "200k" in case else 1):
                    t0 = time.perf_counter()
                    cur = con.execute(EXPECT[case])
                    rows = cur.fetchall()
                    el = time.perf_counter() - t0
                    dsecs = el if dsecs is None else min(dsecs, el)
                want = [dict(zip([c[0] for c in cur.description], x)) for x in rows]
            if not line:
                err = [l for l in p.stderr.splitlines() if l.startswith(("Reason:", "pure virtual"))]
                verdict, detail = "CRASH", f"signal {-p.returncode}" + (f" ({err[0]})" if err else "")
            else:
                got = json.loads(line[-1][7:])
                if "error" in got:
                    verdict, detail = "error", got["error"]
                elif want is None:
                    verdict, detail = "ran", str(got["rows"])
                else:
                    same = key(got["rows"]) == key(json.loads(json.dumps(want, default=str)))
                    verdict = "same" if same else "DIFFERS"
                    detail = f"{len(got['rows'])} rows, DuckDB {len(want)}"
                    if not same:
                        detail += f"; Velox {key(got['rows'])[0][:80]} DuckDB {key(want)[0][:80]}"
                    if "secs" in got:
                        detail += f"; Velox {got['secs']*1e3:.1f} ms, DuckDB {dsecs*1e3:.1f} ms; {got.get('note', '')}"
            print(f"{case:<24} {verdict:<9} {detail[:330]}")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
