"""What every EC2 operation shares: errors, id checks, DryRun, filters, pages."""
import re

from moto.core.responses import ActionResult, BaseResponse
from moto.ec2.exceptions import DryRunClientError, EC2ClientError
from moto.ec2.utils import is_tag_filter, tag_filter_matches

from .. import core

PREFIXES = {"InvalidGroupId": "sg", "InvalidInstanceID": "i", "InvalidSecurityGroupRuleId": "sgr", "InvalidPrefixListId": "pl"}


def error(code, message):
    return EC2ClientError(code, message)


def check_id(value, family):
    """`<family>.Malformed` unless the id looks like one."""
    prefix = PREFIXES[family]
    if not re.fullmatch(rf"{prefix}-([0-9a-f]{{8}}|[0-9a-f]{{17}})", value or ""):
        raise error(f"{family}.Malformed", f'Invalid id: "{value}" (expecting "{prefix}-...")')
    return value


def backend(r):
    return r.ec2_backend


def filters(p, known=None):
    """{name: values} of a request; a filter that the operation does not know is an error, never ignored."""
    found = {f["Name"]: f.get("Values", []) for f in p.get("Filters", [])}
    for name in found:
        if known is not None and name not in known and not is_tag_filter(name):
            raise error("InvalidParameterValue", f"The filter '{name}' is invalid")
    return found


def tags_match(resource, wanted):
    return all(tag_filter_matches(resource, name, values) for name, values in wanted.items() if is_tag_filter(name))


def page(items, p, smallest=5, largest=1000):
    """One page and the token of the next; the limits of MaxResults are AWS's."""
    size = p.get("MaxResults")
    if size is not None and not smallest <= int(size) <= largest:
        raise error("InvalidParameterValue", f"Value ( {size} ) for parameter maxResults is invalid. "
                                             f"Expecting a value between {smallest} and {largest}.")
    try:
        return core.page(items, p, largest)
    except ValueError:
        raise error("InvalidParameterValue", "Unable to parse pagination token") from None


def paged(operation, member, ids=None, smallest=5, largest=1000, either=False):
    """Gives pages to an operation that moto answers whole. A request by id is answered whole by AWS as well.

    `either`: AWS documents that ids and MaxResults cannot be used together.
    """
    owner, name = core.place("ec2", operation)
    original = vars(owner)[name]

    def method(self):
        p = dict(self.params)
        if either and p.get(ids) and p.get("MaxResults"):
            raise error("InvalidParameterCombination", f"The parameter {ids} cannot be used with the parameter maxResults")
        self.params = {**{k: v for k, v in p.items() if k != "NextToken"}, "MaxResults": 10**6}
        answer = original(self)
        if p.get(ids):
            return answer
        shown, more = page(list(answer.result[member]), p, smallest, largest)
        return ActionResult({**answer.result, "NextToken": None, member: shown, **more})

    setattr(owner, name, method)


def tags(p, resource_type):
    """The tags that a request gives to the resources of a type it creates."""
    return {tag["Key"]: tag.get("Value", "") for spec in p.get("TagSpecifications", [])
            if spec.get("ResourceType") == resource_type for tag in spec.get("Tags", [])}


def _dry_run(self, _original=BaseResponse.call_action):
    """DryRun for every operation at once: moto honours it in some, and would carry out the others."""
    if self.service_name == "ec2" and str(self.querystring.get("DryRun", ["false"])[0]).lower() == "true":
        operation = next(iter(self.querystring.get("Action", [""])))

        def refuse():
            raise DryRunClientError
        setattr(self, core.camelcase_to_underscores(operation), refuse)
    return _original(self)


BaseResponse.call_action = _dry_run
