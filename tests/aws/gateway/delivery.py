"""From a rule to its target: who may, what becomes of an event that cannot be delivered, and the way to another Region.

ministack delivers to a function whose policy admits no rule, drops what it cannot deliver, and reaches no bus elsewhere.
"""
import json
import logging

from ministack.core.arn import parse_arn
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import eventbridge, lambda_svc, sns, sqs

from . import schedules
from .grants import role_is_taken_on, role_may, service_may
from .queues import send

log = logging.getLogger("backstop.delivery")
SERVICE = "events.amazonaws.com"


def install():
    eventbridge._invoke_target = deliver_with(eventbridge._invoke_target)
    eventbridge._dispatch_to_event_bus = forward
    eventbridge._dispatch_event = dispatch


def dispatch(event, view=None):
    """An event to the targets of every rule of its bus that matches it."""
    view = view or eventbridge._pattern_event_view(event)
    for key, rule in list(eventbridge._rules.items()):
        on_this_bus = rule.get("EventBusName", "default") == event.get("EventBusName", "default")
        if not (on_this_bus and rule.get("EventPattern")) or _here(key) in event.get("_Path", ()):
            continue
        if _receives(rule, view) and eventbridge._matches_pattern_view(rule["EventPattern"], view, key):
            for target in list(eventbridge._targets.get(key, [])):
                eventbridge._invoke_target(target, event, rule, view)


def _receives(rule, view):
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail-management.html: what only reads
    comes to a rule that asks for it."""
    if rule["State"] == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS":
        return True
    detail = view.event_with_detail()["detail"]
    record = detail if isinstance(detail, dict) else {}
    reads = record.get("readOnly") is True and str(record.get("eventName")).startswith(("Describe", "Get", "List"))
    return rule["State"] == "ENABLED" and not reads


def _here(key):
    return f"{get_account_id()} {get_region()} {key}"


def deliver_with(invoke):
    def deliver(target, event, rule, view=None):
        if "ScheduleExpressionTimezone" in rule:  # ministack's Scheduler borrows the targets of rules
            return schedules.invoke(rule)
        refused = _refusal(parse_arn(target["Arn"]), target, rule, event["Source"])
        if not refused:
            return invoke(target, event, rule, view)
        _dead_letter(target, rule, view or eventbridge._pattern_event_view(event), *refused)
    return deliver


def _refusal(spec, target, rule, source):
    """The error code and message that a dead letter has, or None where EventBridge can deliver."""
    arn = target["Arn"]
    if spec.service == "lambda":
        function, _, _ = lambda_svc._get_func_record_for_ref(arn)
        return _look(function, arn, rule, "lambda:InvokeFunction", lambda: function["policy"])
    if spec.service == "sqs":
        queue = sqs._queue_by_arn(arn)
        return _look(queue, arn, rule, "sqs:SendMessage", lambda: queue["attributes"].get("Policy"))
    if spec.service == "sns":
        topic = sns._topics.get(arn)
        return _look(topic, arn, rule, "sns:Publish", lambda: topic["attributes"].get("Policy"))
    if spec.service == "events" and spec.resource.startswith("event-bus/"):
        # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-region.html: as the target's role
        role = target.get("RoleArn", "")
        if role and not role_is_taken_on(role, SERVICE, rule["Arn"]):
            return "FAILED_TO_ASSUME_ROLE", f"{SERVICE} may not take on {role}"
        if role and not role_may(role, "events:PutEvents", arn, events_source=source):
            return "NO_PERMISSIONS", f"{role} may not put events on {arn}"
        with request_scope(spec.account_id, spec.region):
            eventbridge._ensure_default_bus()
            known = spec.resource.split("/", 1)[1] in eventbridge._event_buses
        return None if known else ("NO_RESOURCE", f"{arn} does not exist")
    return None


def _look(found, arn, rule, action, policy):
    if not found:
        return "NO_RESOURCE", f"{arn} does not exist"
    if not service_may(SERVICE, action, arn, policy(), rule["Arn"]):
        return "NO_PERMISSIONS", f"the policy of {arn} does not let {rule['Arn']} call {action}"
    return None


def _dead_letter(target, rule, view, code, message):
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html: missing permissions and resources are not retried."""
    log.warning("%s: %s", code, message)
    queue = (target.get("DeadLetterConfig") or {}).get("Arn")
    if not queue:
        return
    if not sqs.queue_policy_allows(queue, SERVICE, rule["Arn"], get_account_id()):
        return log.error("the policy of %s does not let %s send a dead letter", queue, rule["Arn"])
    send(queue, json.dumps(view.event_with_detail()), {
        "RULE_ARN": ("String", rule["Arn"]), "TARGET_ARN": ("String", target["Arn"]),
        "ERROR_CODE": ("String", code), "ERROR_MESSAGE": ("String", message)})


def forward(spec, event, rule, _path, detail=None):
    """To another bus, which may be in another Region or account. The event keeps where it comes from."""
    here = _here(eventbridge._rule_key(rule["Name"], rule.get("EventBusName", "default")))
    event = {**event, "EventBusName": spec.resource.split("/", 1)[1]}
    if detail is not None:
        event["Detail"] = detail
    with request_scope(spec.account_id, spec.region):
        dispatch({**event, "_Path": [*event.get("_Path", ()), here]})  # no rule gets it twice
        eventbridge._archive_event(event)
