"""The step Plan: asks the attended function for a plan and lays it out for a person.

Runs in `aws:executeScript`: nothing but the standard library and boto3, at most 600 s, and at most
100 KB are returned
(https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-executeScript.html).
"""
import json
import re

import boto3
from botocore.config import Config

# The longest message that aws:approve takes
# (https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-approve.html).
MESSAGE = 4096
# Within the 100 KB, with the message: a UTF-16 unit takes up to 6 bytes once it is escaped.
PLAN = 10000


def plan(events, context):
    order = {
        "runbook": events["runbook"],
        # What the form left empty was not said.
        "target": {name: value for name, value in events["target"].items() if value},
        "account": events["account"],
        "region": events["region"],
        "apply": False,
        "requested_by": events["requested_by"],
        "reason": events["reason"],
    }
    function = events["function"]
    reply = ask(function, {"run": order})
    if reply.get("ignored"):
        raise Exception("nothing was planned: " + text(reply["ignored"]))
    incidents = [standing(function, incident) for incident in reply["incidents"]]
    approvals = [approval(i, events["option"]) for i in incidents if waits(i)]
    if events["option"] and approvals and not any(a.count(" ") == 2 for a in approvals):
        raise Exception("the plan holds no choice: leave the option empty")
    whole = "\n\n".join(told(i) for i in incidents) or "The runbook found nothing to look at."
    if approvals:
        decision = "approve"
        head = "Approve to apply %s:" % count(approvals, "plan")
    else:
        decision = "nothing"
        head = "There is nothing to approve:"
    return {
        "decision": decision,
        "approvals": approvals,
        "incidents": [i["id"] for i in incidents],
        "message": message(head, incidents, whole),
        "plan": cut(head + "\n\n" + whole, PLAN, "ask for the incident to see the rest"),
    }


def ask(function, order):
    # A call that is repeated would be a second order: no retries, and time for a whole answer.
    once = Config(read_timeout=570, retries={"total_max_attempts": 1})
    answer = boto3.client("lambda", config=once).invoke(
        FunctionName=function, Payload=json.dumps({"backstop": order}).encode()
    )
    body = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise Exception("%s: %s" % (text(body.get("errorType")), text(body.get("errorMessage"))))
    return body


def standing(function, incident):
    """The incident whose plan is open: the same plan is kept once, under the first that made it."""
    twin = incident.get("duplicate_of")
    if not twin:
        return incident
    return ask(function, {"show": {"incident": twin}})["incidents"][0]


def held(step):
    return step["status"] in ("held", "failed", "applying")


def waits(incident):
    """Whether there is a plan, and a step in it that an approval can release."""
    steps = incident["steps"]
    return bool(incident["plan_hash"]) and any(held(s) and s["class"] != "human" for s in steps)


def approval(incident, option):
    """What Apply is told: the incident, the hash that is shown, the option if there is a choice."""
    words = [incident["id"], incident["plan_hash"]]
    choice = incident.get("choice")
    if option and choice:
        names = [name for name, _ in choice["options"]]
        if option not in names:
            raise Exception(
                "the plan of %s has no option %s; it has: %s"
                % (incident["id"], text(option), ", ".join(names))
            )
        words.append(option)
    return " ".join(words)


def told(incident):
    """One incident in full."""
    lines = [
        "INCIDENT %s (%s)" % (incident["id"], incident["outcome"]),
        "plan: " + (incident["plan_hash"] or "none"),
        "resource: " + text(incident["resource"]),
        "why: " + text(incident["reason"]),
    ]
    lines += ["seen: " + text(fact) for fact in incident.get("facts", [])]
    if incident.get("blast_radius"):
        lines.append("touches: " + text(incident["blast_radius"]))
    choice = incident.get("choice")
    if choice:
        lines.append("choice: %s unless another option is given" % choice["default"])
        lines += ["  %s: %s" % (name, text(means)) for name, means in choice["options"]]
    for step in incident["steps"]:
        lines += laid_out(step)
    lines += ["to do: " + text(line) for line in incident.get("follow_up", [])]
    return "\n".join(lines)


def laid_out(step):
    state = "%s, %s" % (step["class"], step["status"])
    state += ", option " + step["option"] if step.get("option") else ""
    before, after = (text(json.dumps(step[when])) for when in ("before", "after"))
    return [
        "STEP %s: %s (%s)" % (step["n"], step["action"], state),
        "  on: " + text(step["resource"]),
        "  why: " + text(step["reason"]),
        "  before: " + before,
        "  after: " + ("as the command says" if step["after"] is None else after),
        "  runs: " + text(step["command"]),
        "  undo: " + text(step["undo_command"] or "not possible"),
    ]


def message(head, incidents, whole):
    """What the approver reads: every incident and hash, then as much of the plans as fits."""
    keys = ["%s plan %s" % (i["id"], i["plan_hash"]) for i in incidents if waits(i)]
    top = "\n".join([head] + keys)
    if len(top) > MESSAGE - 400:
        raise Exception("%d plans are more than one approval can show" % len(keys))
    return cut(top + "\n\n" + whole, MESSAGE, "the step Plan has more in its output")


def cut(words, most, hint):
    # Characters as SSM may count them: UTF-16 units.
    if len(words.encode("utf-16-le")) // 2 <= most:
        return words
    tail = "\n[shortened: %s]" % hint
    room = (most - len(tail)) * 2
    return words.encode("utf-16-le")[:room].decode("utf-16-le", "ignore") + tail


def text(words):
    """One line of printable text in which no reference of Automation can hide."""
    words = "".join(c if c.isprintable() else " " for c in str(words))
    return words.replace("{" + "{", "{ {").replace("}" + "}", "} }")


def count(things, noun):
    return "%d %s%s" % (len(things), noun, "" if len(things) == 1 else "s")
