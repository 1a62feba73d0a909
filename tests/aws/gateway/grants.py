"""On whose policy a delivery stands when AWS calls AWS: the target's own, or that of a role."""
from ministack.core import iam_evaluator as evaluator
from ministack.core.arn import parse_arn
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam


def service_may(service, action, resource, policy, source):
    """Whether a resource's policy lets a service act on behalf of `source`."""
    context = _context("*", action, resource, {"aws:sourcearn": source, "aws:sourceaccount": get_account_id()})
    return evaluator.evaluate_resource_policy(policy, context, service=service).decision == "Allow"


def role_is_taken_on(role, service, source):
    """Whether a service may take the role on."""
    found = _role(role)
    return bool(found) and service_may(service, "sts:AssumeRole", role, found["AssumeRolePolicyDocument"], source)


def role_may(role, action, resource, **keys):
    """Whether the policies of a role, within its boundary, allow it. `keys`: condition keys, `events_source` for `events:source`."""
    found = _role(role)
    if not found:
        return False
    name, account = found["RoleName"], parse_arn(role).account_id
    context = _context(role, action, resource, {key.replace("_", ":"): value for key, value in keys.items()})
    policies, boundary = evaluator._gather_role_policies(name, account), evaluator._permissions_boundary(iam._roles, name, account)
    return evaluator.evaluate(context, policies, *boundary).decision == "Allow"


def _role(arn):
    return iam._roles.get_scoped(parse_arn(arn).account_id, None, arn.rsplit("/", 1)[-1])


def _context(principal, action, resource, keys):
    return evaluator.EvalContext(
        principal_arn=principal, principal_type="AssumedRole", principal_account=get_account_id(), action=action,
        resource_arn=resource, region=get_region(), service_context=keys)
