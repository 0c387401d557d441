-- title: Guardrail stopped a model's answer
-- severity: medium
-- description: A Bedrock guardrail intervened in a call.
-- entity: caller
-- key: caller
select
    actor['user']['uid'] as caller,
    time,
    ai_model['uid'] as model,
    actor['user']['name'] || ' was stopped by a guardrail at ' || ai_model['name'] as message,
    _row
from output
where disposition_id = 2
