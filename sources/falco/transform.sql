-- One row per alert. `output_fields` has what the rule's text names, and is kept whole as well.
with alerts as (
    select
        *,
        output_fields as f,
        ocsf_file(coalesce(nullif(json_text(output_fields, '["fd.name"]'), ''), json_text(output_fields, '["fs.path.name"]'))) as object,
        array_to_string(tags, ' ') as words,
        _file, _row
    from input
)

select
    parse_time("time") as time,
    1 as activity_id,
    case lower(priority) when 'emergency' then 6 when 'alert' then 5 when 'critical' then 5 when 'error' then 4 when 'warning' then 3 when 'notice' then 2
        when 'informational' then 1 when 'debug' then 1 else 0 end as severity_id,
    output as message,
    {'hostname': coalesce(hostname, json_text(f, '["k8s.node.name"]')), 'type_id': case when coalesce(hostname, json_text(f, '["k8s.node.name"]')) is not null then 0 end} as device,
    {
        'user': {'name': coalesce(json_text(f, '["user.name"]'), json_text(f, '["ka.user.name"]')), 'uid': json_text(f, '["user.uid"]')},
        'process': case when json_text(f, '["proc.pid"]') is not null then {'pid': try_cast(json_text(f, '["proc.pid"]') as bigint), 'name': json_text(f, '["proc.name"]'), 'cmd_line': json_text(f, '["proc.cmdline"]')} end
    } as actor,
    {
        -- Without falcosidekick alerts have no identifier: the same alert gives the same one.
        'uid': coalesce(uuid, md5(concat_ws(' ', "time", rule, output))),
        'title': rule,
        'desc': output,
        'types': tags,
        'data_sources': array_compact([source]),
        'analytic': {'name': rule, 'type_id': 1},
        'attacks': array_compact([case when regexp_like(words, '\bT\d{4}') then {'technique': {'uid': regexp_match(words, '\bT\d{4}(?:\.\d{3})?')[1]}} end])
    } as finding_info,
    true as is_alert,
    array_compact([case when coalesce(json_text(f, '["proc.pid"]'), object['name'], json_text(f, '["container.id"]'), json_text(f, '["ka.user.name"]')) is not null then {
        'process': case when json_text(f, '["proc.pid"]') is not null then {
            'pid': try_cast(json_text(f, '["proc.pid"]') as bigint),
            'name': json_text(f, '["proc.name"]'),
            'cmd_line': json_text(f, '["proc.cmdline"]'),
            'file': ocsf_file(json_text(f, '["proc.exepath"]')),
            'parent_process': case when json_text(f, '["proc.ppid"]') is not null then {'pid': try_cast(json_text(f, '["proc.ppid"]') as bigint), 'name': json_text(f, '["proc.pname"]'), 'cmd_line': json_text(f, '["proc.pcmdline"]')} end
        } end,
        'file': case when json_text(f, '["fd.typechar"]') = 'f' or json_text(f, '["fd.sip"]') is null then object end,
        'dst_endpoint': {'ip': ocsf_endpoint(json_text(f, '["fd.sip"]'), null)['ip'], 'port': case when json_text(f, '["fd.sip"]') is not null then try_cast(json_text(f, '["fd.sport"]') as int) end},
        'user': {'name': coalesce(json_text(f, '["user.name"]'), json_text(f, '["ka.user.name"]')), 'uid': json_text(f, '["user.uid"]')},
        'container': {'uid': json_text(f, '["container.id"]'), 'name': json_text(f, '["container.name"]'),
            'image': {'name': json_text(f, '["container.image.repository"]'), 'tag': json_text(f, '["container.image.tag"]'), 'uid': coalesce(json_text(f, '["container.image.digest"]'),
                json_text(f, '["container.image.repository"]') || ':' || json_text(f, '["container.image.tag"]'), json_text(f, '["container.image.repository"]'))},
            'pod_uuid': case when regexp_like(json_text(f, '["k8s.pod.uid"]'), '^[0-9a-fA-F-]{36}$') then json_text(f, '["k8s.pod.uid"]') end}
    } end]) as evidences,
    {'uid': uuid, 'event_code': rule, 'log_name': source, 'original_time': "time"} as metadata,
    output_fields as unmapped,
    _file,
    _row
from alerts
