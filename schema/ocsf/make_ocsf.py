#!/usr/bin/env python3
"""Make ocsf.json: the compiled OCSF schema, cut down to what a validator needs.

    python3 make_ocsf.py                      # fetch the pinned wheel with pip
    python3 make_ocsf.py --wheel FILE.whl     # use a wheel that is already here
    python3 make_ocsf.py --export FILE.json   # use a schema export (e.g. a later version)
    python3 make_ocsf.py --check ocsf.json    # exit 1 if the file differs

What it downloads: one wheel from the Python package index, by `pip download`, with its
sha256 pinned (pip itself refuses another file):

    ocsf-json-schema 1.2.0     2,408,051 bytes
    sha256 64d819042d20c3c04bc0d024c7c47c41006ebbe0209ce768ba6efa1240106708

The wheel carries the OCSF schema server's own compiled exports, unchanged; the one used
here is ocsf_json_schema/ocsf/1.8.0.json (the server's `export/v2/schema`, all platform
extensions applied, no profile left out). Its sha256 is pinned too. No code of the wheel
is run or kept: only that data file is read. Nothing but Python 3.9+ and pip is needed.

Licences: the wheel's code is MIT; the schema data is OCSF's, Apache-2.0 (see NOTES.md).
"""
import argparse
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

PACKAGE = "ocsf-json-schema"
PACKAGE_VERSION = "1.2.0"
WHEEL_SHA256 = "64d819042d20c3c04bc0d024c7c47c41006ebbe0209ce768ba6efa1240106708"
MEMBER = "ocsf_json_schema/ocsf/1.8.0.json"
MEMBER_SHA256 = "221b43d05787aa68d03233589f0eabdab192531d3e4740b856b2e0a4d6d91f82"
SCHEMA_VERSION = "1.8.0"

ATTRIBUTION = (
    "Derived from the Open Cybersecurity Schema Framework (OCSF) schema %s, "
    "Copyright OCSF a Series of LF Projects, LLC. "
    "This project includes the ICD Schema developed by Symantec, a division of Broadcom. "
    "Licensed under the Apache License, Version 2.0. "
    "Changed: reduced by make_ocsf.py (descriptions, references and display data left out, "
    "attributes re-keyed)."
)


def fetch():
    """The pinned wheel's bytes, by pip with its hash required."""
    with tempfile.TemporaryDirectory() as tmp:
        req = pathlib.Path(tmp, "req.txt")
        req.write_text(f"{PACKAGE}=={PACKAGE_VERSION} --hash=sha256:{WHEEL_SHA256}\n")
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
             "--only-binary=:all:", "--require-hashes", "-d", tmp, "-r", str(req)],
            check=True)
        return next(pathlib.Path(tmp).glob("*.whl")).read_bytes()


def read_export(args):
    if args.export:
        return json.loads(pathlib.Path(args.export).read_bytes())
    wheel = pathlib.Path(args.wheel).read_bytes() if args.wheel else fetch()
    got = hashlib.sha256(wheel).hexdigest()
    if got != WHEEL_SHA256:
        sys.exit(f"wheel has sha256 {got}, expected {WHEEL_SHA256}")
    with tempfile.TemporaryFile() as f:
        f.write(wheel)
        data = zipfile.ZipFile(f).read(MEMBER)
    got = hashlib.sha256(data).hexdigest()
    if got != MEMBER_SHA256:
        sys.exit(f"{MEMBER} has sha256 {got}, expected {MEMBER_SHA256}")
    return json.loads(data)


def line(text):
    """A caption as one line without markup."""
    return " ".join(re.sub(r"<[^>]*>", "", text).split())


def deprecated(item):
    """The version a thing is deprecated since ("" is never used), or None."""
    d = item.get("@deprecated")
    return None if d is None else d.get("since") or "?"


def put(out, key, value):
    if value not in (None, False, [], {}):
        out[key] = value


def natural(key):
    """Integer keys by value, the others after them by name."""
    return (0, int(key), "") if re.fullmatch(r"\d+", key) else (1, 0, key)


def attribute(a, objects, types):
    is_object = a["type"] == "object_t"
    kind = a["object_type"] if is_object else a["type"]
    if kind not in (objects if is_object else types):
        sys.exit(f"unknown type {kind}")
    out = {"caption": line(a["caption"]), "requirement": a["requirement"], "type": kind}
    put(out, "is_array", bool(a.get("is_array")))
    put(out, "sibling", a.get("sibling"))
    put(out, "deprecated", deprecated(a))
    put(out, "observable", a.get("observable"))
    # "profiles" in a v2 export, "profile" in older ones; null there means "none".
    profiles = a.get("profiles") or ([a["profile"]] if a.get("profile") else [])
    put(out, "profiles", sorted(profiles))
    put(out, "extension", a.get("extension"))
    if "enum" in a:
        out["enum"] = {k: line(v["caption"]) for k, v in sorted(a["enum"].items(), key=lambda i: natural(i[0]))}
        put(out, "enum_deprecated", {
            k: deprecated(v) for k, v in sorted(a["enum"].items(), key=lambda i: natural(i[0])) if deprecated(v)})
    return dict(sorted(out.items()))


def shared(item, objects, types):
    """What classes and objects have alike."""
    out = {"attributes": {k: attribute(v, objects, types) for k, v in sorted(item["attributes"].items())},
           "caption": line(item["caption"])}
    put(out, "constraints", {k: sorted(v) for k, v in sorted(item.get("constraints", {}).items())})
    put(out, "deprecated", deprecated(item))
    put(out, "extends", item.get("extends"))
    put(out, "extension", item.get("extension"))
    put(out, "observable", item.get("observable"))
    put(out, "profiles", sorted(item.get("profiles") or []))
    return out


def build(s):
    """The reduced schema out of an export."""
    objects = s["objects"]
    dictionary = s["dictionary"]["attributes"] if "dictionary" in s else s.get("dictionary_attributes", {})
    types = s["types"] if "types" in s else s["dictionary"]["types"]["attributes"]
    # An object is told from a type by its name alone in ocsf.json.
    assert not any(n.endswith("_t") for n in objects) and all(n.endswith("_t") for n in types)

    classes = dict(s["classes"])
    classes.setdefault("base_event", s.get("base_event"))
    out_classes = {}
    for name, c in sorted(classes.items()):
        o = shared(c, objects, types)
        o["uid"] = c["uid"]
        o["category"] = c["category"]
        o["category_uid"] = c.get("category_uid", 0)
        put(o, "category_name", c.get("category_name"))
        out_classes[name] = dict(sorted(o.items()))
    out_objects = {n: dict(sorted(shared(o, objects, types).items())) for n, o in sorted(objects.items())}

    out_types = {}
    for name, t in sorted(types.items()):
        o = {"caption": line(t["caption"]), "primitive": t.get("type", name)}
        for k in ("regex", "range", "max_len", "values", "observable", "extension"):
            put(o, k, t.get(k))
        out_types[name] = dict(sorted(o.items()))

    def caught(items):
        return {f"{n}.{k}": a["observable"] for n, o in items.items()
                for k, a in o["attributes"].items() if "observable" in a}

    # Observables a class gives by path ("observables": {"a.b": id}), if the schema has any.
    by_path = {f"{n}:{p}": i for n, c in sorted(classes.items()) for p, i in sorted((c.get("observables") or {}).items())}
    observables = {
        "by_class_attribute": caught(out_classes),
        "by_class_path": by_path,
        "by_dictionary_attribute": {k: a["observable"] for k, a in sorted(dictionary.items()) if "observable" in a},
        "by_object": {n: o["observable"] for n, o in out_objects.items() if "observable" in o},
        "by_object_attribute": caught(out_objects),
        "by_type": {n: t["observable"] for n, t in out_types.items() if "observable" in t},
        "type_ids": out_objects["observable"]["attributes"]["type_id"]["enum"],
    }
    profiles = {}
    for name, p in sorted(s.get("profiles", {}).items()):
        profiles[name] = {"caption": line(p["caption"])}
        put(profiles[name], "extension", p.get("extension"))
    return {
        "attribution": ATTRIBUTION % s["version"],
        "categories": {n: {"caption": line(c["caption"]), "uid": c["uid"]}
                       for n, c in sorted(s.get("categories", {}).get("attributes", {}).items())},
        "classes": out_classes,
        "extensions": {n: {"caption": e["caption"], "uid": e["uid"], "version": e["version"]}
                       for n, e in sorted(s.get("extensions", {}).items())},
        "license": "Apache-2.0",
        "objects": out_objects,
        "observables": observables,
        "profiles": profiles,
        "types": out_types,
        "version": s["version"],
    }


def dump(schema):
    """One class, object, type, … a line; keys sorted (integer keys by value)."""
    def one(v):
        return json.dumps(v, ensure_ascii=False, separators=(",", ":"))
    parts = []
    for key in sorted(schema):
        v = schema[key]
        if isinstance(v, dict):
            body = ",\n".join(f"{one(k)}:{one(x)}" for k, x in v.items())
            parts.append(f"{one(key)}:{{\n{body}\n}}" if body else f"{one(key)}:{{}}")
        else:
            parts.append(f"{one(key)}:{one(v)}")
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode()


def self_check(schema):
    """Facts a validator leans on; the schema must have them all."""
    n_types, n_objects = schema["types"], schema["objects"]
    seen = {}
    for name, c in schema["classes"].items():
        assert c["uid"] not in seen, (name, seen[c["uid"]])
        seen[c["uid"]] = name
        at = c["attributes"]
        for need in ("activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"):
            assert at[need]["requirement"] == "required", (name, need)
        if name != "base_event":
            assert at["class_uid"]["enum"] == {str(c["uid"]): c["caption"]}, name
            assert at["category_uid"]["enum"] == {str(c["category_uid"]): c["category_name"]}, name
            assert c["uid"] % 1000 and c["uid"] // 1000 % 100 == c["category_uid"] or c.get("extension"), name
            assert at["type_uid"]["enum"] == {
                str(c["uid"] * 100 + int(k)): f"{c['caption']}: {v}" for k, v in at["activity_id"]["enum"].items()}, name
    for name, o in list(schema["classes"].items()) + list(n_objects.items()):
        for k, a in o["attributes"].items():
            assert a["requirement"] in ("required", "recommended", "optional"), (name, k)
            assert a["type"] in (n_types if a["type"].endswith("_t") else n_objects), (name, k)
            assert not schema["profiles"] or all(p in schema["profiles"] for p in a.get("profiles", ())), (name, k)
        for rule, keys in o.get("constraints", {}).items():
            assert rule in ("at_least_one", "just_one"), (name, rule)
            # Upstream names an attribute here that the class lacks (event_log_actvity, log_file, in 1.8.0).
            assert any(k.split(".")[0] in o["attributes"] for k in keys), (name, keys)
    for t in n_types.values():
        assert t["primitive"] in n_types
    ids = schema["observables"]["type_ids"]
    for key, table in schema["observables"].items():
        if key != "type_ids":
            assert all(str(i) in ids for i in table.values()), key


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--wheel", help="the pinned wheel, already downloaded")
    p.add_argument("--export", help="a schema export to use in its place (no checksum)")
    p.add_argument("--out", default="ocsf.json")
    p.add_argument("--check", metavar="FILE", help="write nothing; exit 1 if FILE differs")
    args = p.parse_args()
    export = read_export(args)
    if not args.export and export["version"] != SCHEMA_VERSION:
        sys.exit(f"the export is of {export['version']}, expected {SCHEMA_VERSION}")
    schema = build(export)
    self_check(schema)
    data = dump(schema)
    assert json.loads(data) == schema
    if args.check:
        same = pathlib.Path(args.check).read_bytes() == data
        print("same" if same else "differs")
        sys.exit(0 if same else 1)
    pathlib.Path(args.out).write_bytes(data)
    n = sum(len(o["attributes"]) for k in ("classes", "objects") for o in schema[k].values())
    print(f"OCSF {schema['version']}: {len(schema['classes'])} classes, {len(schema['objects'])} objects, "
          f"{n} attributes, {len(schema['types'])} types, {len(schema['profiles'])} profiles; "
          f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
