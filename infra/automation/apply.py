"""The step Apply: releases exactly the plans that the approver was shown.

Runs in `aws:executeScript`: nothing but the standard library and boto3, at most 600 s
(https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-executeScript.html).
"""
import json
import re
import time

import boto3
from botocore.config import Config

# When nothing more is begun: what was begun must still be answered within the step's 600 s.
LAST_START = 400
DONE = ("contained", "partial", "compliant")
APPROVAL = re.compile(r"[a-z0-9-]{1,100} [0-9a-f]{64}( [a-z0-9-]{1,40})?")


def apply(events, context):
    approved_by = approvers(events["decisions"], events["execution"])
    began = time.monotonic()
    lines, failed = [], []
    for approval in events["approvals"]:
        # One that fails does not stop the others: each is a plan of its own, and all were approved.
        try:
            if time.monotonic() - began > LAST_START:
                raise Exception("not begun: the step's time is used up; approve it again")
            incident = release(events["function"], approval, approved_by)
        except Exception as error:
            failed.append("%s: %s" % (text(approval.split(" ")[0]), text(error)))
            continue
        line = "%s: %s: %s" % (incident["id"], incident["outcome"], text(incident["reason"]))
        lines.append(line)
        if incident["outcome"] not in DONE:
            failed.append(line)
        lines += ["  now: " + text(fact) for fact in incident.get("aftermath", [])]
        lines += ["  to do: " + text(fact) for fact in incident.get("follow_up", [])]
    if failed:
        raise Exception("\n".join(["not applied:"] + failed + ["of all:"] + lines))
    return {"result": "\n".join(lines)[:8000]}


def release(function, approval, approved_by):
    if not APPROVAL.fullmatch(approval):
        raise Exception("it is not an incident with a hash")
    incident, plan_hash, *option = approval.split(" ")
    order = {"incident": incident, "plan_hash": plan_hash, "approved_by": approved_by}
    if option:
        order["option"] = option[0]
    # A call that is repeated would be a second approval: no retries, and time for a whole answer.
    once = Config(read_timeout=570 - LAST_START, retries={"total_max_attempts": 1})
    answer = boto3.client("lambda", config=once).invoke(
        FunctionName=function, Payload=json.dumps({"backstop": {"approve": order}}).encode()
    )
    body = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise Exception("%s: %s" % (body.get("errorType"), body.get("errorMessage")))
    return body["incidents"][0]


def approvers(decisions, execution):
    """Who approved, as Automation recorded it, and where that is to be looked up.

    AWS documents that each decision is a map, but not its keys: what is not as expected is left to
    the execution, which is named in any case.
    """
    names = []
    for decision in decisions if isinstance(decisions, list) else [decisions]:
        try:
            decision = json.loads(decision) if isinstance(decision, str) else decision
            said = {key.lower(): str(value) for key, value in decision.items()}
        except (AttributeError, ValueError):
            continue
        if said.get("approver") and said.get("decision", "approve").lower().startswith("approve"):
            names.append(said["approver"])
    names.append("automation execution " + execution)
    return text(", ".join(names))[:400]


def text(words):
    """One line of printable text in which no reference of Automation can hide."""
    words = "".join(c if c.isprintable() else " " for c in str(words))
    return words.replace("{" + "{", "{ {").replace("}" + "}", "} }")
