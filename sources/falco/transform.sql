-- One row per alert. `output_fields` has what the rule's text names, and is kept whole as well.
with alerts as (
    select
        *,
        output_fields as f,
        ocsf_file(coalesce(nullif(output_fields['fd.name'], ''), output_fields['fs.path.name'])) as object,
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
    {'hostname': coalesce(hostname, f['k8s.node.name']), 'type_id': case when coalesce(hostname, f['k8s.node.name']) is not null then 0 end} as device,
    {
        'user': {'name': coalesce(f['user.name'], f['ka.user.name']), 'uid': f['user.uid']},
        'process': case when f['proc.pid'] is not null then {'pid': try_cast(f['proc.pid'] as bigint), 'name': f['proc.name'], 'cmd_line': f['proc.cmdline']} end
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
    array_compact([case when coalesce(f['proc.pid'], object['name'], f['container.id'], f['ka.user.name']) is not null then {
        'process': case when f['proc.pid'] is not null then {
            'pid': try_cast(f['proc.pid'] as bigint),
            'name': f['proc.name'],
            'cmd_line': f['proc.cmdline'],
            'file': ocsf_file(f['proc.exepath']),
            'parent_process': case when f['proc.ppid'] is not null then {'pid': try_cast(f['proc.ppid'] as bigint), 'name': f['proc.pname'], 'cmd_line': f['proc.pcmdline']} end
        } end,
        'file': case when f['fd.typechar'] = 'f' or f['fd.sip'] is null then object end,
        'dst_endpoint': {'ip': ocsf_endpoint(f['fd.sip'], null)['ip'], 'port': case when f['fd.sip'] is not null then try_cast(f['fd.sport'] as int) end},
        'user': {'name': coalesce(f['user.name'], f['ka.user.name']), 'uid': f['user.uid']},
        'container': {'uid': f['container.id'], 'name': f['container.name'],
            'image': {'name': f['container.image.repository'], 'tag': f['container.image.tag'], 'uid': coalesce(f['container.image.digest'],
                f['container.image.repository'] || ':' || f['container.image.tag'], f['container.image.repository'])},
            'pod_uuid': case when regexp_like(f['k8s.pod.uid'], '^[0-9a-fA-F-]{36}$') then f['k8s.pod.uid'] end}
    } end]) as evidences,
    {'uid': uuid, 'event_code': rule, 'log_name': source, 'original_time': "time"} as metadata,
    output_fields as unmapped,
    _file,
    _row
from alerts
