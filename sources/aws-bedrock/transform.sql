-- One row per invocation. The log has no client address: join CloudTrail on `api.request.uid` for it.
with calls as (
    select
        *,
        parse_arn(identity.arn) as caller,
        coalesce(input.inputBodyJson, input.inputBodyS3Path) as question,
        coalesce(output.outputBodyJson, output.outputBodyS3Path) as answer,
        -- Converse and InvokeModel say it in different places.
        coalesce(json_text(output.outputBodyJson, 'stopReason') = 'guardrail_intervened', false)
            or coalesce(json_text(output.outputBodyJson, 'amazon-bedrock-guardrailAction') = 'INTERVENED', false)
            as is_stopped,
        _rest, _file, _row
    from input
)

select
    parse_time("timestamp") as time,
    99 as activity_id,
    operation as activity_name,
    case when errorCode is not null then 2 else 1 end as status_id,
    errorCode as status_code,
    case when is_stopped then 2 when errorCode is null then 1 end as action_id,
    case when is_stopped then 2 when errorCode is null then 1 end as disposition_id,
    is_stopped as is_alert,
    case when is_stopped then 3 else 1 end as severity_id,
    case
        when is_stopped then concat('A guardrail intervened', ': ' || json_text(answer, 'amazon-bedrock-trace.guardrail.actionReason'))
    end as message,
    {
        'user': {
            'uid': identity.arn,
            'name': coalesce(caller.resource, identity.arn),
            'account': {'uid': accountId}
        }
    } as actor,
    {'name': 'unknown'} as src_endpoint,
    {
        'operation': coalesce(operation, 'unknown'),
        'service': {'name': 'bedrock.amazonaws.com'},
        'version': schemaVersion,
        'request': {'uid': requestId, 'data': question},
        'response': {
            'error': errorCode,
            'message': coalesce(json_text(answer, 'stopReason'), json_text(answer, 'stop_reason')),
            'data': answer
        }
    } as api,
    {
        'name': regexp_match(modelId, '([^/]+)$')[1],
        'uid': modelId,
        'ai_provider': coalesce(
            regexp_match(modelId, '(?:^|/)(?:(?:us|us-gov|eu|apac|au|jp|ca|global)\.)?([a-z0-9]+)\.[^/]+$')[1],
            'Amazon Bedrock'
        )
    } as ai_model,
    {
        'service': {'name': 'Amazon Bedrock'},
        'prompt_tokens': input.inputTokenCount,
        'completion_tokens': output.outputTokenCount,
        'total_tokens': coalesce(
            try_cast(json_text(answer, 'usage.totalTokens') as bigint), input.inputTokenCount + output.outputTokenCount
        )
    } as message_context,
    [{'uid': modelId, 'type': 'model', 'name': regexp_match(modelId, '([^/]+)$')[1]}] as resources,
    {'provider': 'AWS', 'region': region, 'account': {'uid': accountId}} as cloud,
    {'uid': requestId, 'event_code': operation, 'log_name': schemaType, 'original_time': "timestamp"} as metadata,
    _rest as unmapped,
    _file,
    _row
from calls
