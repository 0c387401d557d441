#!/usr/bin/env python3
"""A tiny checker against ocsf.json, after the rules in README.md, and six examples.

    python3 check.py [ocsf.json]            # run the examples
    python3 check.py ocsf.json EVENT.json   # check one event, or a list of events
"""
import copy
import json
import re
import sys

INT64 = (-2**63, 2**63 - 1)


class Checker:
    def __init__(self, schema):
        self.s = schema
        self.by_uid = {c["uid"]: n for n, c in schema["classes"].items()}
        self.regex = {n: re.compile(t["regex"]) for n, t in schema["types"].items() if "regex" in t}

    def check(self, event):
        self.found = []
        uid = event.get("class_uid")
        if type(uid) is not int or uid not in self.by_uid:
            self.say("error", "class_uid_unknown", "class_uid", uid)
            return self.found
        c = self.s["classes"][self.by_uid[uid]]
        meta = event.get("metadata") if isinstance(event.get("metadata"), dict) else {}
        profiles = meta.get("profiles") or []
        for p in profiles:
            if p not in self.s["profiles"]:
                self.say("error", "profile_unknown", "metadata.profiles", p)
        if "deprecated" in c:
            self.say("warning", "class_deprecated", "class_uid", uid)
        self.body(event, c, "", set(profiles))
        v = meta.get("version")
        if isinstance(v, str):
            if not re.fullmatch(r"\d+\.\d+\.\d+(-dev|-rc\.\d+)?", v):
                self.say("error", "version_invalid_format", "metadata.version", v)
            elif v != self.s["version"]:
                self.say("warning", "version_incorrect", "metadata.version", v)
        a, t = event.get("activity_id"), event.get("type_uid")
        if type(a) is int and type(t) is int and t != uid * 100 + a:
            self.say("error", "type_uid_incorrect", "type_uid", t, uid * 100 + a)
        for i, o in enumerate(event.get("observables") or []):
            name = o.get("name") if isinstance(o, dict) else None
            if isinstance(name, str) and not self.defined(re.sub(r"\[\d*\]", "", name).split("."), c, set(profiles)):
                self.say("error", "observable_name_invalid_reference", f"observables[{i}].name", name)
        return self.found

    def say(self, level, code, path, value=None, expected=None):
        self.found.append((level, code, path, value, expected))

    def active(self, item, profiles):
        return {k: a for k, a in item["attributes"].items() if "profiles" not in a or profiles & set(a["profiles"])}

    def defined(self, path, item, profiles):
        a = self.active(item, profiles).get(path[0])
        if a is None:
            return False
        return len(path) == 1 or a["type"] in self.s["objects"] and self.defined(path[1:], self.s["objects"][a["type"]], profiles)

    def body(self, value, item, path, profiles):
        attrs = self.active(item, profiles)
        if not item["attributes"]:
            return  # the open object
        for k, a in attrs.items():
            at = f"{path}.{k}".lstrip(".")
            v = value.get(k)
            if v is None:
                if a["requirement"] == "required":
                    self.say("error", "attribute_required_missing", at)
                elif a["requirement"] == "recommended":
                    self.say("info", "attribute_recommended_missing", at)
                continue
            if "deprecated" in a:
                self.say("warning", "attribute_deprecated", at)
            if a.get("is_array"):
                if not isinstance(v, list):
                    self.say("error", "attribute_wrong_type", at, v, "array of " + a["type"])
                    continue
                sib = value.get(a.get("sibling"))
                for i, x in enumerate(v):
                    self.value(x, a, f"{at}[{i}]", profiles)
                    if "enum" in a:
                        self.enum(x, None, a, f"{at}[{i}]")
                        # The siblings of an array are held to it strictly, but for 99.
                        caption = a["enum"].get(str(x))
                        if isinstance(sib, list) and x != 99 and caption and sib[i:i + 1] != [caption]:
                            self.say("error", "attribute_enum_array_sibling_" + ("incorrect" if i < len(sib) else "missing"),
                                     f"{at}[{i}]", sib[i:i + 1], caption)
            else:
                self.value(v, a, at, profiles)
                if "enum" in a:
                    self.enum(v, value.get(a.get("sibling")), a, at)
        for k in value:
            if k not in attrs:
                self.say("error", "attribute_unknown", f"{path}.{k}".lstrip("."),
                         item["attributes"].get(k, {}).get("profiles"))
        for rule, keys in item.get("constraints", {}).items():
            n = sum(self.has(value, k.split(".")) for k in keys)
            if rule == "at_least_one" and n == 0 or rule == "just_one" and n != 1:
                self.say("error", "constraint_failed", path or "(event)", n, {rule: keys})

    def has(self, value, path):
        v = value.get(path[0]) if isinstance(value, dict) else None
        return v is not None and (len(path) == 1 or self.has(v, path[1:]))

    def enum(self, v, sibling, a, at):
        caption = a["enum"].get(str(v))
        if caption is None:
            self.say("error", "attribute_enum_value_unknown", at, v)
        elif str(v) in a.get("enum_deprecated", {}):
            self.say("warning", "attribute_enum_value_deprecated", at, v)
        elif sibling is not None and v == 99 and sibling == caption:
            self.say("warning", "attribute_enum_sibling_suspicious_other", at, sibling)
        elif sibling is not None and v != 99 and sibling != caption:
            self.say("warning", "attribute_enum_sibling_incorrect", at, sibling, caption)

    def value(self, v, a, at, profiles):
        if a["type"] in self.s["objects"]:
            if not isinstance(v, dict):
                self.say("error", "attribute_wrong_type", at, v, a["type"])
            else:
                self.body(v, self.s["objects"][a["type"]], at, profiles)
            return
        t = self.s["types"][a["type"]]
        want = {"boolean_t": bool, "string_t": str, "integer_t": int, "long_t": int, "float_t": (int, float)}.get(t["primitive"])
        if want and (not isinstance(v, want) or isinstance(v, bool) and want is not bool):
            self.say("error", "attribute_wrong_type", at, v, a["type"])
            return
        if want is int:
            low, high = t.get("range", INT64)
            if not low <= v <= high:
                self.say("error", "attribute_value_exceeds_range", at, v, [low, high])
        if want is str:
            if len(v) > t.get("max_len", len(v)):
                self.say("error", "attribute_value_exceeds_max_len", at, v, t["max_len"])
            if a["type"] in self.regex and not self.regex[a["type"]].search(v):
                self.say("warning", "attribute_value_regex_not_matched", at, v)


META = {"version": "1.8.0", "product": {"name": "sshd", "vendor_name": "OpenBSD"}, "log_name": "auth.log"}
AUTH = {
    "activity_id": 1, "activity_name": "Logon", "category_uid": 3, "category_name": "Identity & Access Management",
    "class_uid": 3002, "class_name": "Authentication", "type_uid": 300201, "type_name": "Authentication: Logon",
    "time": 1763884800000, "severity_id": 1, "severity": "Informational", "status_id": 2, "status": "Failure",
    "status_detail": "Failed password", "metadata": META, "auth_protocol_id": 99, "auth_protocol": "ssh-password",
    "user": {"name": "root", "type_id": 2, "type": "Admin"}, "service": {"name": "sshd"}, "is_remote": True,
    "src_endpoint": {"ip": "203.0.113.7", "port": 51234}, "dst_endpoint": {"hostname": "web-1"},
    "observables": [{"name": "src_endpoint.ip", "type_id": 2, "type": "IP Address", "value": "203.0.113.7"}],
    "raw_data": "Failed password for root from 203.0.113.7 port 51234 ssh2", "unmapped": {"ssh_version": "ssh2"},
}
API = {
    "activity_id": 2, "category_uid": 6, "class_uid": 6003, "type_uid": 600302, "time": 1763884800123, "severity_id": 1,
    "time_dt": "2025-11-23T08:00:00.123Z",
    "metadata": {**META, "profiles": ["cloud", "datetime"], "product": {"name": "CloudTrail", "vendor_name": "AWS"}},
    "cloud": {"provider": "AWS", "region": "eu-west-1", "account": {"uid": "123456789012"}},
    "actor": {"user": {"uid": "AIDAEXAMPLE", "name": "alice", "type_id": 1}},
    "api": {"operation": "GetObject", "service": {"name": "s3.amazonaws.com"}, "request": {"uid": "R1"}, "response": {"code": 200}},
    "src_endpoint": {"ip": "2001:db8::1"}, "resources": [{"uid": "arn:aws:s3:::b", "name": "b"}], "status_id": 1,
}
NET = {
    "activity_id": 6, "activity_name": "Traffic", "category_uid": 4, "class_uid": 4001, "type_uid": 400106,
    "time": 1763884800000, "start_time": 1763884790000, "end_time": 1763884800000, "severity_id": 1,
    "metadata": {**META, "profiles": ["security_control"], "product": {"name": "fw", "vendor_name": "acme"}},
    "action_id": 2, "action": "Denied", "disposition_id": 2, "disposition": "Blocked",
    "src_endpoint": {"ip": "10.0.0.5", "port": 40000, "mac": "00:11:22:33:44:55"}, "dst_endpoint": {"ip": "198.51.100.9", "port": 443},
    "connection_info": {"direction_id": 2, "direction": "Outbound", "protocol_num": 6, "protocol_name": "tcp"},
    "traffic": {"bytes_in": 0, "bytes_out": 120, "packets_out": 2},
}


def broken(event, *edits):
    e = copy.deepcopy(event)
    for path, v in edits:
        d = e
        for k in path[:-1]:
            d = d[k]
        if v is None:
            del d[path[-1]]
        else:
            d[path[-1]] = v
    return e


EXAMPLES = [
    ("authentication", AUTH, set()),
    ("authentication, wrong", broken(
        AUTH, (["user"], None), (["service"], None), (["dst_endpoint"], None), (["time"], "2025-11-23T08:00:00Z"),
        (["type_uid"], 300202), (["status"], "Failed"), (["auth_protocol"], "Other"), (["observables", 0, "name"], "source.ip"),
        (["src_endpoint", "port"], 70000)),
     {"attribute_required_missing user", "constraint_failed (event)", "attribute_wrong_type time", "type_uid_incorrect type_uid",
      "attribute_enum_sibling_incorrect type_uid",  # type_name still says Logon
      "attribute_enum_sibling_incorrect status_id", "attribute_enum_sibling_suspicious_other auth_protocol_id",
      "observable_name_invalid_reference observables[0].name", "attribute_value_exceeds_range src_endpoint.port"}),
    ("api activity", API, set()),
    ("api activity, wrong", broken(
        API, (["metadata", "profiles"], ["datetime", "clouds"]), (["api", "operation"], None), (["activity_id"], 42),
        (["type_uid"], 600342), (["resources"], {"uid": "x"}), (["src_endpoint", "ip"], "localhost"), (["api", "verb"], "GET")),
     {"profile_unknown metadata.profiles", "attribute_unknown cloud", "attribute_required_missing api.operation",
      "attribute_enum_value_unknown activity_id", "attribute_enum_value_unknown type_uid", "attribute_wrong_type resources",
      "attribute_value_regex_not_matched src_endpoint.ip", "attribute_unknown api.verb"}),
    ("network activity", NET, set()),
    ("network activity, wrong", broken(
        NET, (["metadata", "profiles"], None), (["severity_id"], "1"), (["src_endpoint"], {}), (["metadata", "version"], "1.8"),
        (["connection_info", "direction_id"], 9), (["traffic", "bytes_in"], 1.5)),
     {"attribute_unknown action_id", "attribute_unknown action", "attribute_unknown disposition_id", "attribute_unknown disposition",
      "attribute_wrong_type severity_id", "constraint_failed src_endpoint", "version_invalid_format metadata.version",
      "attribute_enum_value_unknown connection_info.direction_id", "attribute_wrong_type traffic.bytes_in"}),
]


def main():
    schema = json.load(open(sys.argv[1] if len(sys.argv) > 1 else "ocsf.json", encoding="utf-8"))
    checker = Checker(schema)
    if len(sys.argv) > 2:
        events = json.load(open(sys.argv[2], encoding="utf-8"))
        for e in events if isinstance(events, list) else [events]:
            for f in checker.check(e):
                print(*f)
        return
    passed = failed = 0
    for name, event, want in EXAMPLES:
        got = {f"{f[1]} {f[2]}" for f in checker.check(event) if f[0] != "info"}
        ok = got == want
        passed, failed = passed + ok, failed + (not ok)
        print("ok  " if ok else "FAIL", name, f"({len(got)} findings)")
        for x in sorted(got - want):
            print("     not expected:", x)
        for x in sorted(want - got):
            print("     missed:", x)
    print(f"{passed} passed, {failed} failed")
    sys.exit(bool(failed))


main()
