"""Answers authorisation requests by ministack's evaluation of IAM policies, JSON in and out.

Read, for each role: {"grants": […], "denies": […], "boundary": […] or null, "requests":
[{"action", "resource", "principal", "account", "region", "context"}]}. Written, for each request:
its decision and the grants that allow it, whatever the boundary says.
"""
import json
import sys

from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document


def parsed(statements):
    return parse_policy_document({"Statement": statements})


def answers(role):
    grants = [(grant["Action"][0].lower(), parsed([grant])) for grant in role["grants"]]
    denies = parsed(role["denies"])
    limits = [] if role["boundary"] is None else [[parsed(role["boundary"])]]
    for asked in role["requests"]:
        request = EvalContext(
            principal_arn=asked["principal"],
            principal_type="AssumedRole",
            principal_account=asked["account"],
            action=asked["action"],
            resource_arn=asked["resource"],
            region=asked["region"],
            source_ip="127.0.0.1",
            secure_transport=True,
            service_context=asked["context"],
        )
        action = asked["action"].lower()
        mine = [(n, grant) for n, (other, grant) in enumerate(grants) if other == action]
        policies = [denies, *(grant for _, grant in mine)]
        yield {
            "decision": evaluate(request, policies, *limits).decision,
            "grants": [n for n, grant in mine if evaluate(request, [grant]).decision == "Allow"],
        }


json.dump([list(answers(role)) for role in json.load(sys.stdin)], sys.stdout)
