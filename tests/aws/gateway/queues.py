"""A message from an AWS service to a queue or a topic."""
import logging

from ministack.core.arn import parse_arn
from ministack.core.responses import new_uuid, request_scope
from ministack.services import sns, sqs

log = logging.getLogger("backstop.queues")


def send(target, message, attributes=None):
    """`attributes`: name → (type, value); those without a value are left out."""
    spec = parse_arn(target)
    named = {name: {"DataType": kind, "StringValue": value} for name, (kind, value) in (attributes or {}).items() if value}
    with request_scope(spec.account_id, spec.region):
        queue = sqs._queue_by_arn(target) if spec.service == "sqs" else None
        if queue:
            sqs._act_send_message({"QueueUrl": queue["url"], "MessageBody": message, "MessageAttributes": named}, "")
        elif spec.service == "sns" and target in sns._topics:
            sns._fanout(target, new_uuid(), message, "", "", named)
        else:
            log.error("no such destination, or of a kind that is not served here: %s", target)
