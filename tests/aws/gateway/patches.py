"""Where ministack is wrong about AWS, or too strict for a laptop, and a scenario relies on it. Each has its own test."""
import contextvars
import json
import re

import ministack.app as ministack
from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, lambda_svc, scheduler, sns

from . import asynchronous, delivery, guard


def apply():
    # AWS refuses PutEvents with a source of `aws.*`; here, that is how a CloudTrail event gets onto the bus.
    eventbridge._put_events.__defaults__ = (True,)
    # Any secret will do. Sessions still expire, and the policies of a role still bind it.
    ministack.pin_signed_request = lambda *_: None
    # Loopback stands for TLS: a policy that denies plain HTTP means the real network.
    iam_evaluator._request_origin = contextvars.ContextVar("origin", default=("127.0.0.1", True))
    ministack.pin_request_origin = lambda *_: None
    # Every dummy key is the root of its account; ministack knows 12 digits and `test`.
    iam_evaluator.is_root_access_key = lambda key: not key or guard.is_dummy(key)
    sns.publish_internal = publish_checked(sns.publish_internal)
    lambda_svc.invalidate_worker = only_here(lambda_svc.invalidate_worker)
    asynchronous.install()
    delivery.install()
    scheduler._SCHEDULE_TICK_INTERVAL = 1  # seconds; ministack looks every ten


def only_here(invalidate):
    """A function that a stack makes ends no execution of its namesake in another account or Region; ministack ends them all."""
    def scoped(name, qualifier=None, account=None, region=None):
        return invalidate(name, qualifier, account or get_account_id(), region or get_region())
    return scoped


def publish_checked(publish):
    """SNS refuses a bad subject, and a JSON structure without a usable `default`; ministack delivers them."""
    def checked(topic, message, subject="", message_structure="", **named):
        if subject and not re.fullmatch(r"[!-~][ -~]{0,99}", subject):
            raise sns.SnsPublishError("InvalidParameter", "Invalid parameter: Subject")
        if message_structure == "json":
            try:
                wordings = json.loads(message)
            except (TypeError, ValueError):
                wordings = None
            if not isinstance(wordings, dict) or not isinstance(wordings.get("default"), str):
                raise sns.SnsPublishError("InvalidParameter", "Invalid parameter: Message Structure - No default entry in JSON message body")
        return publish(topic, message, subject, message_structure=message_structure, **named)
    return checked
