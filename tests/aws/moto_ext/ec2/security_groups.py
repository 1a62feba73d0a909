"""Security groups: authorise, revoke, modify, describe."""
from moto.ec2.models.security_groups import SecurityGroup

from ..core import op
from . import rules, sharing
from .common import backend, check_id, error, filters, page, tags, tags_match


def _groups(r):
    return [group for groups in backend(r).groups.values() for group in groups.values()]


def _seen(r):
    """The account's own groups, and those that others share with it."""
    return [*_groups(r), *(sharing.Shared(group) for group in sharing.groups(backend(r)))]


def _group(p, r):
    if p.get("GroupId"):
        found = backend(r).get_security_group_from_id(check_id(p["GroupId"], "InvalidGroupId"))
    elif p.get("GroupName"):
        found = backend(r).get_security_group_from_name(p["GroupName"], backend(r).default_vpc.id)
    else:
        raise error("MissingParameter", "The request must contain the parameter groupName or groupId")
    if not found:
        raise error("InvalidGroup.NotFound", f"The security group '{p.get('GroupId') or p['GroupName']}' does not exist")
    sharing.refuse_change(r, found)
    return found


def _side(group, egress):
    return group.egress_rules if egress else group.ingress_rules


def _all_rules(groups):
    return {rule.id: rule for group in groups for rule in [*group.ingress_rules, *group.egress_rules]}


def _unknown_rule(rule_id):
    return error("InvalidSecurityGroupRuleId.NotFound", f"The security group rule ID '{rule_id}' does not exist")


def _authorize(p, r, egress):
    group = _group(p, r)
    present = {rules.of(rule) for rule in _side(group, egress)}
    wanted = rules.requested(backend(r), group, p)
    seen = set(present)
    for spec, _ in wanted:  # all or nothing: every rule is checked before the first is added
        if spec in seen:
            raise error("InvalidPermission.Duplicate", f'the specified rule "{spec}" already exists')
        seen.add(spec)
    rules.check_limit(backend(r), seen)
    added = [rules.make(backend(r), group, spec, note, tags(p, "security-group-rule"), egress) for spec, note in wanted]
    _side(group, egress).extend(added)
    return {"Return": True, "SecurityGroupRules": [rules.show(rule) for rule in added]}


@op("ec2", "AuthorizeSecurityGroupIngress")
def _(p, s, r):
    return _authorize(p, r, egress=False)


@op("ec2", "AuthorizeSecurityGroupEgress")
def _(p, s, r):
    return _authorize(p, r, egress=True)


def _revoke(p, r, egress):
    group = _group(p, r)
    side, unknown = _side(group, egress), []
    if p.get("SecurityGroupRuleIds"):
        if p.get("IpPermissions"):
            raise error("InvalidParameterCombination", "The parameters securityGroupRuleIds and ipPermissions cannot be used together")
        by_id = {rule.id: rule for rule in side}
        for rule_id in p["SecurityGroupRuleIds"]:  # all or nothing
            if check_id(rule_id, "InvalidSecurityGroupRuleId") not in by_id:
                raise _unknown_rule(rule_id)
        gone = [by_id[rule_id] for rule_id in dict.fromkeys(p["SecurityGroupRuleIds"])]
    else:
        by_spec = {rules.of(rule): rule for rule in side}
        wanted = rules.requested(backend(r), group, p)
        unknown = [(spec, note) for spec, note in wanted if spec not in by_spec]
        # AWS's own rule: outside the default VPC an unknown rule is an error, inside it is only reported.
        if unknown and group.vpc_id != backend(r).default_vpc.id:
            raise error("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
        gone = [by_spec[spec] for spec in dict.fromkeys(spec for spec, _ in wanted) if spec in by_spec]
    side[:] = [rule for rule in side if rule not in gone]
    return {"Return": True, "RevokedSecurityGroupRules": [rules.show_revoked(rule) for rule in gone],
            "UnknownIpPermissions": [rules.as_permission(*one) for one in unknown]}


@op("ec2", "RevokeSecurityGroupIngress")
def _(p, s, r):
    return _revoke(p, r, egress=False)


@op("ec2", "RevokeSecurityGroupEgress")
def _(p, s, r):
    return _revoke(p, r, egress=True)


SOURCES = ("CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupId")


@op("ec2", "ModifySecurityGroupRules")
def _(p, s, r):
    group = _group(p, r)
    by_id = {rule.id: rule for rule in [*group.ingress_rules, *group.egress_rules]}
    changes = []
    for item in p.get("SecurityGroupRules", []):
        rule_id, new = item["SecurityGroupRuleId"], item.get("SecurityGroupRule") or {}
        rule = by_id.get(check_id(rule_id, "InvalidSecurityGroupRuleId"))
        if not rule:
            raise _unknown_rule(rule_id)
        given = [kind for kind in SOURCES if new.get(kind)]
        if len(given) != 1:
            raise error("InvalidParameterCombination" if given else "MissingParameter",
                        "The request must contain exactly one of: cidrIpv4, cidrIpv6, prefixListId, or referencedGroupId")
        kind, old = given[0], rules.of(rule)
        if kind != old.kind:
            raise error("InvalidParameterValue", f"Invalid rule type for security group rule '{rule_id}'. "
                                                 f"You may not specify {kind} for an existing {old.kind} rule.")
        # A request cannot name the owner of a source: one of another account that stays keeps it.
        owner = old.owner if kind == "ReferencedGroupId" and new[kind] == old.source else None
        changes.append((rule, rules.spec(backend(r), group, new.get("IpProtocol"), new.get("FromPort"), new.get("ToPort"),
                                         kind, new[kind], owner), new.get("Description")))
    changed = {rule.id for rule, *_ in changes}
    for egress in (False, True):
        seen = {rules.of(rule) for rule in _side(group, egress) if rule.id not in changed}
        for rule, spec, _ in changes:
            if rule.is_egress == egress and spec in seen:
                raise error("InvalidPermission.Duplicate", f'the specified rule "{spec}" already exists')
            seen |= {spec} if rule.is_egress == egress else set()
        if any(rule.is_egress == egress for rule, *_ in changes):
            rules.check_limit(backend(r), seen)
    for rule, spec, note in changes:
        rules.put(rule, spec, note)
    return {"Return": True}


def _describe_again(p, r, egress):
    """UpdateSecurityGroupRuleDescriptions: by rule id or by permission; a description left out is removed."""
    group = _group(p, r)
    if p.get("SecurityGroupRuleDescriptions"):
        by_id = {rule.id: rule for rule in _side(group, egress)}
        pairs = []
        for item in p["SecurityGroupRuleDescriptions"]:
            if item["SecurityGroupRuleId"] not in by_id:
                raise _unknown_rule(item["SecurityGroupRuleId"])
            pairs.append((by_id[item["SecurityGroupRuleId"]], item.get("Description")))
    else:
        by_spec = {rules.of(rule): rule for rule in _side(group, egress)}
        wanted = rules.requested(backend(r), group, p)
        if any(spec not in by_spec for spec, _ in wanted):
            raise error("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
        pairs = [(by_spec[spec], note) for spec, note in wanted]
    for rule, note in pairs:
        rules.put(rule, rules.of(rule), note)
    return {"Return": True}


@op("ec2", "UpdateSecurityGroupRuleDescriptionsIngress")
def _(p, s, r):
    return _describe_again(p, r, egress=False)


@op("ec2", "UpdateSecurityGroupRuleDescriptionsEgress")
def _(p, s, r):
    return _describe_again(p, r, egress=True)


@op("ec2", "DescribeSecurityGroupRules")
def _(p, s, r):
    found, wanted = _all_rules(_seen(r)), filters(p, {"group-id", "security-group-rule-id"})
    own = _all_rules(_groups(r))
    for rule_id in p.get("SecurityGroupRuleIds", []):
        if check_id(rule_id, "InvalidSecurityGroupRuleId") not in found:
            raise _unknown_rule(rule_id)
    for group_id in wanted.get("group-id", []):
        check_id(group_id, "InvalidGroupId")
    chosen = [rule for rule in found.values()
              if rule.id in p.get("SecurityGroupRuleIds", [rule.id])
              and rule.id in wanted.get("security-group-rule-id", [rule.id])
              and rule.group_id in wanted.get("group-id", [rule.group_id])
              and tags_match(rule if rule.id in own else sharing.Shared(rule), wanted)]
    # By ids, all of them are answered unless pages are asked for, whatever the cap.
    shown, more = (chosen, {}) if p.get("SecurityGroupRuleIds") and not p.get("MaxResults") else page(chosen, p)
    return {"SecurityGroupRules": [rules.show(rule if rule.id in own else sharing.Shared(rule)) for rule in shown], **more}


@op("ec2", "DescribeSecurityGroups")
def _(p, s, r):
    groups = {group.id: group for group in _seen(r)}
    for group_id in p.get("GroupIds", []):
        if check_id(group_id, "InvalidGroupId") not in groups:
            raise error("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist")
    for name in p.get("GroupNames", []):
        if name not in {group.name for group in groups.values()}:
            raise error("InvalidGroup.NotFound", f"The security group '{name}' does not exist")
    known = next(iter(groups.values())).filters.keys() if groups else None
    wanted = filters(p, known)
    chosen = [group for group in groups.values()
              if group.id in p.get("GroupIds", [group.id]) and group.name in p.get("GroupNames", [group.name])
              and group.matches_filters(wanted)]
    shown, more = (chosen, {}) if p.get("GroupIds") else page(chosen, p)
    return {"SecurityGroups": shown, **more}


@op("ec2", "DeleteSecurityGroup")
def _(p, s, r):
    group = _group(p, r)
    if group.name == "default":
        raise error("CannotDelete", f"the specified group: \"{group.id}\" name: \"default\" cannot be deleted by a user")
    used = any(group in eni.group_set for eni in backend(r).enis.values())
    named = any(rule.source_group.get("GroupId") == group.id for rule in _all_rules(_groups(r)).values() if rule.group_id != group.id)
    if used or named:
        raise error("DependencyViolation", f"resource {group.id} has a dependent object")
    backend(r).delete_security_group(group_id=group.id)
    return {"Return": True, "GroupId": group.id}


def _any_rule(matches):
    return lambda self, values: any(matches(rules.of(rule), value) for rule in self.ingress_rules for value in values)


SecurityGroup.filter_ip_permission__ipv6_cidr = _any_rule(lambda spec, value: spec.kind == "CidrIpv6" and spec.source == value)
SecurityGroup.filter_ip_permission__prefix_list_id = _any_rule(lambda spec, value: spec.kind == "PrefixListId" and spec.source == value)
