"""Systems Manager OpsItems, with the server's own deduplication."""
import json
import secrets
from datetime import datetime

from .core import error, now, op, page

OPEN = {"Open", "InProgress", "Pending", "TimedOut", "Cancelling", "Scheduled", "PendingApproval", "Approved", "RunbookInProgress"}
UPDATED = ("Title", "Description", "Status", "Priority", "Category", "Severity", "RelatedOpsItems", "Notifications",
           "ActualStartTime", "ActualEndTime", "PlannedStartTime", "PlannedEndTime")
RESERVED = ("aws", "amazon", "ssm", "/aws", "/amazon", "/ssm")
DEDUP = "/aws/dedup"
ALLOWED = {DEDUP, "/aws/resources", "/aws/automations"}
LIMITS = {"Title": 1024, "Description": 2048, "Source": 128, "Category": 64, "Severity": 64}
SUMMARY = ("OpsItemId", "Title", "Source", "Status", "Priority", "Category", "Severity", "OpsItemType", "CreatedBy",
           "CreatedTime", "LastModifiedTime")


def _invalid(name, message):
    return error("ssm", "OpsItemInvalidParameterException", message, ParameterNames=[name])


def _check(p):
    for name, limit in LIMITS.items():
        if name in p and not 1 <= len(p[name]) <= limit:
            raise _invalid(name, f"{name} must have 1 to {limit} characters, and has {len(p[name])}")
    if "Priority" in p and not 1 <= int(p["Priority"]) <= 5:
        raise _invalid("Priority", "Priority must be between 1 and 5")
    for key, item in p.get("OperationalData", {}).items():
        if key not in ALLOWED and key.lower().startswith(RESERVED):
            raise _invalid("OperationalData", f"operational data key {key} begins with a reserved prefix")
        if len(key) > 128 or (key == DEDUP and not _dedup(p["OperationalData"])):
            raise _invalid("OperationalData", f"operational data {key} is not valid")
        if item.get("Type", "SearchableString") not in ("SearchableString", "String"):
            raise _invalid("OperationalData", f"operational data {key} has an unknown type")


def _dedup(data):
    try:
        value = json.loads(data[DEDUP]["Value"])["dedupString"]
    except (KeyError, ValueError, TypeError):
        return None
    return value if isinstance(value, str) and value else None


def _item(s, item_id):
    if item_id not in s["ops-items"]:
        raise error("ssm", "OpsItemNotFoundException", f"OpsItem ID {item_id} does not exist")
    return s["ops-items"][item_id]


@op("ssm", "CreateOpsItem")
def _(p, s, r):
    for name in ("Title", "Source", "Description"):
        if not p.get(name):
            raise _invalid(name, f"{name} is required")
    _check(p)
    dedup = _dedup(p.get("OperationalData", {}))
    same = next((i for i in s["ops-items"].values() if dedup and i["Status"] in OPEN and _dedup(i["OperationalData"]) == dedup), None)
    if same:
        raise error("ssm", "OpsItemAlreadyExistsException",
                    f"An OpsItem with the dedup string {dedup} is already open: {same['OpsItemId']}", OpsItemId=same["OpsItemId"])
    item_id = "oi-" + secrets.token_hex(6)
    caller = f"arn:aws:iam::{r.current_account}:root"
    s["ops-items"][item_id] = {
        "OperationalData": {}, "OpsItemType": "/aws/issue", **{k: v for k, v in p.items() if k not in ("Tags", "AccountId")},
        "OpsItemId": item_id, "Status": "Open", "Version": "1", "CreatedBy": caller, "LastModifiedBy": caller,
        "CreatedTime": now(), "LastModifiedTime": now(),
        "OpsItemArn": f"arn:aws:ssm:{r.region}:{r.current_account}:opsitem/{item_id}"}
    return {"OpsItemId": item_id, "OpsItemArn": s["ops-items"][item_id]["OpsItemArn"]}


@op("ssm", "UpdateOpsItem")
def _(p, s, r):
    item = _item(s, p["OpsItemId"])
    _check(p)
    data = {**item["OperationalData"], **p.get("OperationalData", {})}
    for key in p.get("OperationalDataToDelete", []):
        data.pop(key, None)
    item.update({k: p[k] for k in UPDATED if k in p})
    item.update(OperationalData=data, LastModifiedTime=now(), Version=str(int(item["Version"]) + 1))


@op("ssm", "GetOpsItem")
def _(p, s, r):
    return {"OpsItem": _item(s, p["OpsItemId"])}


def _values(item, key):
    """What a filter of DescribeOpsItems looks at."""
    if key == "OperationalData":
        return [json.dumps({"key": k, "value": v.get("Value")}, separators=(",", ":")) for k, v in item["OperationalData"].items()]
    if key == "OperationalDataKey":
        return list(item["OperationalData"])
    if key == "OperationalDataValue":
        return [v.get("Value", "") for v in item["OperationalData"].values()]
    if key == "ResourceId":
        resources = item["OperationalData"].get("/aws/resources", {}).get("Value", "[]")
        return [resource.get("arn", "") for resource in json.loads(resources)]
    if key not in SUMMARY:
        raise error("ssm", "OpsItemInvalidParameterException", f"unknown filter key {key}", ParameterNames=["OpsItemFilters"])
    return [item.get(key)]


def _matches(item, wanted):
    operator, values = wanted["Operator"], wanted["Values"]
    found = [v for v in _values(item, wanted["Key"]) if v is not None]
    if operator == "Equal":
        if wanted["Key"] == "OperationalData":
            values = [json.dumps(json.loads(v), separators=(",", ":")) for v in values]
        return any(str(v) in values for v in found)
    if operator == "Contains":
        return any(value in str(v) for v in found for value in values)
    limits = [datetime.fromisoformat(v.replace("Z", "+00:00")) for v in values]
    return any(v > limit if operator == "GreaterThan" else v < limit for v in found for limit in limits)


@op("ssm", "DescribeOpsItems")
def _(p, s, r):
    found = [item for item in s["ops-items"].values() if all(_matches(item, f) for f in p.get("OpsItemFilters", []))]
    try:
        shown, more = page(found, p, default=50)
    except ValueError:
        raise error("ssm", "OpsItemInvalidParameterException", "the token is not valid", ParameterNames=["NextToken"]) from None
    names = [*SUMMARY, "OperationalData", "LastModifiedBy", "PlannedStartTime", "PlannedEndTime", "ActualStartTime", "ActualEndTime"]
    return {"OpsItemSummaries": [{k: item[k] for k in names if item.get(k) is not None} for item in shown], **more}
