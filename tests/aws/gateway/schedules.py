"""EventBridge Scheduler: what a schedule sends, as its role, and what becomes of it when it may not.

ministack's sends an event of its own making to whatever the target is, and asks no role.
"""
import json
import logging
import time

from ministack.core.arn import parse_arn
from ministack.core.responses import new_uuid, request_scope
from ministack.services import eventbridge, lambda_svc, scheduler

from . import asynchronous
from .grants import role_is_taken_on, role_may
from .queues import send

log = logging.getLogger("backstop.schedules")
SERVICE = "scheduler.amazonaws.com"
ACTION = {"lambda": "lambda:InvokeFunction", "events": "events:PutEvents", "sqs": "sqs:SendMessage"}


def fire(account, region, name):
    """Invokes the target of a schedule now, whatever its expression says: a test does not wait an hour."""
    with request_scope(account, region):
        found = [s for s in scheduler._schedules.values() if s["Name"] == name]
        if len(found) != 1:
            raise ValueError(f"{len(found)} schedules in {account} and {region} are called {name}")
        return {"sent": invoke(found[0])}


def invoke(schedule):
    """Whether the schedule could send what it sends."""
    target = schedule["Target"]
    spec, role = parse_arn(target["Arn"]), target["RoleArn"]
    # https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html: the group is the source
    group = scheduler._group_arn(schedule["GroupName"])
    text = _input(schedule)
    action = ACTION.get(spec.service, f"{spec.service}, which is not served here")
    if not role_is_taken_on(role, SERVICE, group):
        problem = "AccessDeniedException", f"{SERVICE} may not take on {role}"
    elif not role_may(role, action, target["Arn"], events_source=(target.get("EventBridgeParameters") or {}).get("Source")):
        problem = "AccessDeniedException", f"{role} may not call {action} on {target['Arn']}"
    else:
        problem = _send(spec, target, text)
    if problem:
        _dead_letter(schedule, text, *problem)
    return not problem


def _send(spec, target, text):
    if spec.service == "lambda":
        function, _, _ = lambda_svc._get_func_record_for_ref(target["Arn"])
        if not function:
            return "ResourceNotFoundException", f"{target['Arn']} does not exist"
        asynchronous.invoke(function, json.loads(text))
    elif spec.service == "events":
        parameters = target["EventBridgeParameters"]
        eventbridge._put_events({"Entries": [{
            "Source": parameters["Source"], "DetailType": parameters["DetailType"], "Detail": text,
            "EventBusName": spec.resource.split("/", 1)[1]}]})
    else:
        send(target["Arn"], text)


def _input(schedule):
    """https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html"""
    text = schedule["Target"].get("Input") or "{}"
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for keyword, value in (("schedule-arn", schedule["Arn"]), ("scheduled-time", now), ("execution-id", new_uuid()[:16]), ("attempt-number", "1")):
        text = text.replace(f"<aws.scheduler.{keyword}>", value)
    return text


def _dead_letter(schedule, text, code, message):
    """https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html: it, too, is sent as the role."""
    log.warning("%s: %s", schedule["Arn"], message)
    target = schedule["Target"]
    queue = (target.get("DeadLetterConfig") or {}).get("Arn")
    if queue and role_may(target["RoleArn"], "sqs:SendMessage", queue):
        send(queue, text, {
            "SCHEDULE_ARN": ("String", schedule["Arn"]), "TARGET_ARN": ("String", target["Arn"]),
            "ERROR_CODE": ("String", code), "ERROR_MESSAGE": ("String", message)})
