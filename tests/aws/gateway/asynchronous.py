"""Asynchronous Lambda invocation as AWS does it, for Invoke(Event), EventBridge and log subscriptions alike.

ministack retries Invoke(Event) only; what EventBridge or a log subscription invokes it runs once, and drops the failure.
It also words a dead letter as a destination record. Both matter to "a failed event goes to the dead-letter queue".
"""
import contextvars
import json
import logging
import threading
import time
import types
from datetime import datetime, timezone

from ministack.core.arn import parse_arn
from ministack.core.responses import new_uuid, request_scope
from ministack.services import cloudwatch_logs, eventbridge, lambda_svc

from .grants import role_may
from .queues import send

log = logging.getLogger("backstop.asynchronous")


def install():
    run_once = lambda_svc._execute_function_with_config_scope

    def thread(*args, target=None, **named):
        return threading.Thread(*args, target=_deliver if target is run_once else target, **named)

    lambda_svc.invoke_async_with_retry = invoke
    for module in (eventbridge, cloudwatch_logs):  # both start a thread for each function that they invoke
        module.threading = types.SimpleNamespace(**{**vars(threading), "Thread": thread})


def invoke(function, event):
    threading.Thread(target=contextvars.Context().run, args=(_deliver, function, event), daemon=True).start()


def _deliver(function, event):
    config = function.get("config") or function
    arn = parse_arn(config["FunctionArn"])
    with request_scope(arn.account_id, arn.region):
        try:
            _until_done(function, config, event)
        except Exception:
            log.exception("asynchronous invocation of %s", config["FunctionArn"])


def _until_done(function, config, event):
    options = function.get("event_invoke_config") or (function.get("event_invoke_configs") or {}).get("$LATEST") or {}
    retries = options.get("MaximumRetryAttempts")
    retries = 2 if retries is None else int(retries)
    oldest = time.monotonic() + int(options.get("MaximumEventAgeInSeconds") or 21600)
    failures = throttles = 0
    while True:
        result = lambda_svc._execute_function(function, event)
        if result.get("throttle"):
            throttles += 1  # AWS tries again until the event is too old, and does not count it
        elif result.get("error"):
            failures += 1
        else:
            return _report(config, options, "Success", event, result, failures + 1)
        if failures > retries:
            return _report(config, options, "RetriesExhausted", event, result, failures)
        wait = lambda_svc._LAMBDA_ASYNC_RETRY_BASE_SECONDS * 2 ** (failures + throttles - 1)
        wait = min(wait, lambda_svc._LAMBDA_ASYNC_RETRY_MAX_SECONDS)
        if time.monotonic() + wait > oldest:
            return _report(config, options, "EventAgeExceeded", event, result, failures)
        time.sleep(wait)


def _report(config, options, condition, event, result, count):
    """To the destination goes a record of the invocation; to the dead-letter target the event itself."""
    log.info("%s: %s after %d invocations", config["FunctionArn"], condition, count)
    succeeded = condition == "Success"
    destinations = options.get("DestinationConfig") or {}
    target = (destinations.get("OnSuccess" if succeeded else "OnFailure") or {}).get("Destination")
    if target and _may_send(config, target):
        send(target, json.dumps(_record(config, condition, event, result, count)))
    dead_letters = (config.get("DeadLetterConfig") or {}).get("TargetArn")
    if dead_letters and not succeeded and _may_send(config, dead_letters):
        body = result.get("body")
        message = body.get("errorMessage", "") if isinstance(body, dict) else str(body or "")
        send(dead_letters, json.dumps(event), {
            "RequestID": ("String", new_uuid()), "ErrorCode": ("Number", "200"), "ErrorMessage": ("String", message[:1024])})


def _may_send(config, target):
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html: Lambda sends as the function's role."""
    action = "sns:Publish" if parse_arn(target).service == "sns" else "sqs:SendMessage"
    allowed = role_may(config["Role"], action, target)
    if not allowed:
        log.error("%s may not call %s on %s: the event is lost", config["Role"], action, target)
    return allowed


def _record(config, condition, event, result, count):
    context = {"statusCode": 200, "executedVersion": config.get("Version", "$LATEST")}
    if condition != "Success":
        context["functionError"] = result.get("function_error") or "Unhandled"
    return {
        "version": "1.0",
        "timestamp": datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {"requestId": new_uuid(), "functionArn": f"{config['FunctionArn']}:$LATEST",
                           "condition": condition, "approximateInvokeCount": count},
        "requestPayload": event, "responseContext": context, "responsePayload": result.get("body"),
    }
