-- One row per request. Where S3 itself acts (expiry, replication) there is no client address: it is the client then.
with requests as (
    select
        *,
        coalesce(bucket_name, bucket) as bucket_of,
        coalesce(requestdatetime, time) as original_time,
        coalesce(request_uri, requesturi) as request_line,
        coalesce(endpoint, hostheader) as host,
        coalesce(tlsversion, regexp_match(_raw, '"tlsVersion"\s*:\s*"([^"]*)"')[1]) as tls_version,
        parse_arn(requester) as arn,
        _raw, _rest, _file, _row
    from input
),

parts as (
    select
        *,
        regexp_match(request_line, '^(\S+) (.*) (HTTP/\S+)$') as line,
        -- A client or S3 itself must be known; what S3 does by itself has the requester AmazonS3 or none.
        coalesce(remoteip is not null or operation like 'S3.%' or requester is not null, false)
            and bucket_of is not null as is_request,
        case
            when operation like '%.GET.BUCKET' or operation like '%.GET.BUCKETVERSIONS' or operation like '%.LIST.%'
                or operation like '%.GET.UPLOADS' or operation like '%.GET.SERVICE' then 8
            when operation like '%.GET.%' or operation like '%.HEAD.%' or operation like '%.COPY.%_GET' then 1
            when operation like '%.SELECT.%' then 4
            when operation like '%.DELETE.%' or operation = 'REST.POST.MULTI_OBJECT_DELETE' or operation like '%DELETEMARKER%' or operation like 'S3.EXPIRE.%' then 7
            when operation = 'REST.PUT.BUCKET' then 6
            when operation like '%.PUT.OBJECT' or operation like '%.PUT.PART' or operation like '%.POST.%'
                or operation like '%.COPY.%' then 5
            when operation like '%.PUT.%' or operation like 'S3.TRANSITION%' then 2
            when operation is not null then 99
            else 0
        end as activity
    from requests
)

select
    parse_time(original_time) as time,
    case when is_request then 6005 else 0 end as class_uid,
    case when is_request then activity else 0 end as activity_id,
    case when is_request and activity = 99 then operation end as activity_name,
    case
        when errorcode is not null or httpstatus >= 400 then 2
        when httpstatus < 400 then 1
    end as status_id,
    coalesce(errorcode, cast(httpstatus as varchar)) as status_code,
    totaltime as duration,
    case
        when is_request then {
            'user': {
                'uid': requester,
                'name': coalesce(arn.resource, requester, case when operation is null then 'unknown' else 'anonymous' end),
                'account': {'uid': arn.account_id}
            }
        }
    end as actor,
    case
        when is_request then {
            'ip': remoteip,
            'svc_name': case when remoteip is null then coalesce(requester, 'AmazonS3') end
        }
    end as src_endpoint,
    case when is_request then {'hostname': host, 'svc_name': 's3.amazonaws.com'} end as dst_endpoint,
    case when is_request then 2 end as type_id,
    case
        when is_request then {
            'name': bucket_of,
            'type_id': 1,
            'owner': {'uid': bucketowner},
            'file': case
                when key is not null then {
                    'name': coalesce(nullif(regexp_match(key, '([^/]*)/?$')[1], ''), key),
                    'path': key,
                    'type_id': case when key like '%/' then 2 else 1 end,
                    'size': objectsize,
                    'version': versionid
                }
            end
        }
    end as databucket,
    case
        when is_request then {
            'http_method': regexp_match(line[1], '^(DELETE|GET|HEAD|OPTIONS|POST|PUT)$')[1],
            'url': case
                when line is not null then {
                    'path': split_part(line[2], '?', 1),
                    'query_string': nullif(substr(line[2], length(split_part(line[2], '?', 1)) + 2), ''),
                    'hostname': host
                }
            end,
            'version': line[3],
            'referrer': referrer,
            'user_agent': useragent,
            'uid': requestid
        }
    end as http_request,
    case when is_request and httpstatus is not null then {'code': httpstatus, 'length': bytessent} end as http_response,
    {'provider': 'AWS', 'region': regexp_match(host, 's3[.-]([a-z]+(?:-[a-z]+)+-\d)\.amazonaws')[1]} as cloud,
    {
        'uid': requestid,
        'event_code': operation,
        'original_time': original_time,
        'log_name': 'server access log',
        'labels': string_to_array(
            concat_ws(' ', 'tls:' || tls_version, 'cipher:' || ciphersuite, 'auth:' || authtype, sigv), ' '
        )
    } as metadata,
    case when not is_request then _raw end as message,
    _rest as unmapped,
    _file,
    _row
from parts
