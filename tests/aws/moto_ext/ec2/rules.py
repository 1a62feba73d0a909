"""A security group rule: how a request spells it, when two are the same, and how an answer shows it.

moto's own classes hold the rules, so that the rest of moto sees them; what is decided here is what AWS decides.
"""
import ipaddress
from dataclasses import dataclass

from moto.ec2.models.security_groups import SecurityGroup, SecurityGroupRule

from . import prefix_lists
from .common import error

PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "all": "-1", "-1": "-1"}
LIMIT = 60  # inbound or outbound rules of a group, IPv4 and IPv6 counted apart


@dataclass(frozen=True)
class Spec:
    """What makes a rule that rule: AWS allows it once in a group, whatever its description."""
    protocol: str
    from_port: int | None
    to_port: int | None
    kind: str  # CidrIpv4, CidrIpv6, PrefixListId or ReferencedGroupId
    source: str
    owner: str = ""  # of a referenced group

    def __str__(self):
        ports = "" if self.from_port is None else f", from port: {self.from_port}, to port: {self.to_port}"
        protocol = "ALL" if self.protocol == "-1" else self.protocol.upper()
        return f"peer: {self.source}, {protocol}{ports}, ALLOW"


def cidr(value, kind):
    """AWS stores the canonical form: 100.68.0.18/18 becomes 100.68.0.0/18."""
    parse = ipaddress.IPv4Network if kind == "CidrIpv4" else ipaddress.IPv6Network
    try:
        return str(parse(value if "/" in str(value) else f"{value}/", strict=False))
    except ValueError:
        raise error("InvalidParameterValue", f"CIDR block {value} is malformed") from None


def ports(protocol, low, high):
    if protocol == "-1" or protocol not in ("tcp", "udp", "icmp", "icmpv6"):
        return None, None
    if low is None or high is None:
        if protocol == "icmpv6":  # the one protocol that may leave them out
            return -1, -1
        name = "ICMP" if protocol == "icmp" else "TCP/UDP"
        raise error("InvalidParameterValue", f"Invalid value 'Must specify both from and to ports with {name}.' for portRange.")
    if protocol in ("icmp", "icmpv6"):  # a type and a code; all types mean all codes
        if int(low) == -1 and int(high) != -1:
            raise error("InvalidParameterValue", f"Invalid {protocol.upper()} type and code ({low}, {high})")
        return int(low), int(high)
    low, high = int(low), int(high)
    if not 0 <= low <= high <= 65535:
        raise error("InvalidParameterValue", f"Invalid {protocol.upper()} port range ({low}-{high})")
    return low, high


def spec(backend, group, protocol, low, high, kind, source, owner=None):
    if not protocol:
        raise error("InvalidParameterValue", "Invalid value 'null' for protocol. "
                                             "VPC security group rules must specify protocols explicitly.")
    protocol = PROTOCOLS.get(str(protocol).lower(), str(protocol).lower())
    if protocol not in PROTOCOLS.values() and not (protocol.isdecimal() and int(protocol) <= 255):
        raise error("InvalidParameterValue", f"Invalid value '{protocol}' for IP protocol. Unknown protocol.")
    low, high = ports(protocol, low, high)
    if kind.startswith("Cidr"):
        return Spec(protocol, low, high, kind, cidr(source, kind))
    if kind == "PrefixListId":
        if not prefix_lists.find(backend, source):
            raise error("InvalidPrefixListID.NotFound", f"The prefix list ID '{source}' does not exist")
        return Spec(protocol, low, high, kind, source)
    owner = owner or backend.account_id
    if owner == backend.account_id:  # a group of a peered account is taken on trust
        found = backend.get_security_group_from_id(source) or backend.get_security_group_from_name(source, group.vpc_id)
        if not found:
            raise error("InvalidGroup.NotFound", f"The security group '{source}' does not exist")
        source, owner = found.id, found.owner_id
    return Spec(protocol, low, high, kind, source, owner)


def requested(backend, group, p):
    """[(spec, description)] of an authorise or revoke request, in either of its two spellings."""
    permissions = list(p.get("IpPermissions") or [])
    if not permissions:
        single = {k: p[k] for k in ("IpProtocol", "FromPort", "ToPort") if k in p}
        if p.get("CidrIp"):
            single["IpRanges"] = [{"CidrIp": p["CidrIp"]}]
        if p.get("SourceSecurityGroupName"):
            single["UserIdGroupPairs"] = [{"GroupName": p["SourceSecurityGroupName"], "UserId": p.get("SourceSecurityGroupOwnerId")}]
        permissions = [single] if single else []
    found = []
    for one in permissions:
        def add(kind, source, item, owner=None):
            made = spec(backend, group, one.get("IpProtocol"), one.get("FromPort"), one.get("ToPort"), kind, source, owner)
            found.append((made, item.get("Description")))
        for item in one.get("IpRanges") or []:
            add("CidrIpv4", item.get("CidrIp"), item)
        for item in one.get("Ipv6Ranges") or []:
            add("CidrIpv6", item.get("CidrIpv6"), item)
        for item in one.get("PrefixListIds") or []:
            add("PrefixListId", item.get("PrefixListId"), item)
        for item in one.get("UserIdGroupPairs") or []:
            add("ReferencedGroupId", item.get("GroupId") or item.get("GroupName"), item, item.get("UserId"))
    if not found:
        raise error("MissingParameter", "The request must contain the parameter ipPermissions")
    return found


def of(rule):
    """The spec of a rule that exists."""
    if rule.ip_range.get("CidrIp"):
        kind, source, owner = "CidrIpv4", rule.ip_range["CidrIp"], ""
    elif rule.ip_range.get("CidrIpv6"):
        kind, source, owner = "CidrIpv6", rule.ip_range["CidrIpv6"], ""
    elif rule.prefix_list_id:
        kind, source, owner = "PrefixListId", rule.prefix_list_id, ""
    else:
        kind, source, owner = "ReferencedGroupId", rule.source_group["GroupId"], rule.source_group.get("UserId", rule.owner_id)
    return Spec(rule.ip_protocol, rule.from_port, rule.to_port, kind, source, owner)


def put(rule, spec, description):
    """Makes a rule what the spec says; its id, tags and direction stay."""
    note = {} if description in (None, "") else {"Description": description}
    rule.ip_protocol, rule.from_port, rule.to_port = spec.protocol, spec.from_port, spec.to_port
    rule.ip_range, rule.source_group, rule.prefix_list_id, rule.note = {}, {}, None, note.get("Description")
    if spec.kind.startswith("Cidr"):
        rule.ip_range = {"CidrIp" if spec.kind == "CidrIpv4" else "CidrIpv6": spec.source, **note}
    elif spec.kind == "PrefixListId":
        rule.prefix_list_id = spec.source
    else:
        rule.source_group = {"GroupId": spec.source, "UserId": spec.owner, **note}


def make(backend, group, spec, description, tags, egress):
    rule = SecurityGroupRule(backend, "-1", group.id, None, None, None, is_egress=egress, tags=tags)
    put(rule, spec, description)
    return rule


def show(rule, tagged=True):
    """A rule as DescribeSecurityGroupRules answers it: -1 stands for "all ports"."""
    known = of(rule)
    shown = {
        "SecurityGroupRuleId": rule.id, "GroupId": rule.group_id, "GroupOwnerId": rule.owner_id, "IsEgress": rule.is_egress,
        "IpProtocol": known.protocol, "Description": rule.description,
        "FromPort": -1 if known.from_port is None else known.from_port,
        "ToPort": -1 if known.to_port is None else known.to_port,
        "SecurityGroupRuleArn": f"arn:aws:ec2:{rule.ec2_backend.region_name}:{rule.owner_id}:security-group-rule/{rule.id}",
    }
    if known.kind == "ReferencedGroupId":
        shown["ReferencedGroupInfo"] = {"GroupId": known.source, "UserId": known.owner}
    else:
        shown[known.kind] = known.source
    if tagged:
        shown["Tags"] = [{"Key": t["key"], "Value": t["value"]} for t in rule.get_tags()]
    return {k: v for k, v in shown.items() if v is not None}


def show_revoked(rule):
    shown = show(rule, tagged=False)
    info = shown.pop("ReferencedGroupInfo", None)
    return {**{k: v for k, v in shown.items() if k not in ("GroupOwnerId", "SecurityGroupRuleArn")},
            **({"ReferencedGroupId": info["GroupId"]} if info else {})}


def as_permission(spec, description=None):
    """A spec in the spelling of an IpPermission."""
    note = {"Description": description} if description else {}
    shown = {"IpProtocol": spec.protocol}
    if spec.from_port is not None:
        shown |= {"FromPort": spec.from_port, "ToPort": spec.to_port}
    place, name = {"CidrIpv4": ("IpRanges", "CidrIp"), "CidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
                   "PrefixListId": ("PrefixListIds", "PrefixListId"), "ReferencedGroupId": ("UserIdGroupPairs", "GroupId")}[spec.kind]
    owner = {"UserId": spec.owner} if spec.owner else {}
    return {**shown, place: [{name: spec.source, **owner, **note}]}


def check_limit(backend, rules):
    for family in ("CidrIpv4", "CidrIpv6"):
        other = "CidrIpv6" if family == "CidrIpv4" else "CidrIpv4"
        weights = [prefix_lists.weight(backend, r.source) if r.kind == "PrefixListId" else 1 for r in rules if r.kind != other]
        if sum(weights) > LIMIT:
            raise error("RulesPerSecurityGroupLimitExceeded",
                        f"The maximum number of rules per security group has been reached. (limit: {LIMIT})")


def _flattened(self, rules):
    """DescribeSecurityGroups shows permissions grouped by protocol and ports; moto loses a prefix list's description."""
    views = _moto_flattened(self, rules)
    notes = {(r.ip_protocol, r.from_port, r.to_port, r.prefix_list_id): r.description for r in rules if r.prefix_list_id}
    for view in views:
        for item in view.prefix_list_ids:
            note = notes.get((view.ip_protocol, view.from_port, view.to_port, item["PrefixListId"]))
            if note:
                item["Description"] = note
    return views


_moto_flattened = SecurityGroup._flattened_rules
SecurityGroup._flattened_rules = _flattened
SecurityGroupRule.note = None
SecurityGroupRule.description = property(lambda self: self.note or self.ip_range.get("Description") or self.source_group.get("Description"))
