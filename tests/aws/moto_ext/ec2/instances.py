"""Instances and their interfaces: launch, metadata options and defaults, groups, pages."""
import copy
import re

import moto.ec2.exceptions
import moto.ec2.utils
from moto.ec2.models.elastic_network_interfaces import NetworkInterface, NetworkInterfaceBackend
from moto.ec2.models.instances import Instance, InstanceBackend, MetadataOptions
from moto.ec2.responses.instances import InstanceResponse

from ..core import op, store
from .common import backend, check_id, error, filters, page, paged

METADATA = {"HttpTokens": "http_tokens", "HttpEndpoint": "http_endpoint", "HttpPutResponseHopLimit": "http_put_response_hop_limit",
            "HttpProtocolIpv6": "http_protocol_ipv6", "InstanceMetadataTags": "instance_metadata_tags"}

DEFAULTS = {*METADATA, "HttpTokensEnforced"} - {"HttpProtocolIpv6"}

for name in ("http-tokens", "http-endpoint", "http-put-response-hop-limit"):
    moto.ec2.utils.filter_dict_attribute_mapping[f"metadata-options.{name}"] = "metadata_options." + name.replace("-", "_")
moto.ec2.utils.filter_dict_attribute_mapping |= {
    "client-token": "client_token", "iam-instance-profile.arn": "instance_profile_arn", "network-interface.group-id": "security_groups.id", "instance.group-id": "security_groups.id"}


def _instance_profile_arn(self):
    """moto keeps the profile beside the instance, and filters by none."""
    associations = self.ec2_backend.iam_instance_profile_associations.values()
    return next((a.iam_instance_profile.arn for a in associations if a.instance.id == self.id), None)


Instance.instance_profile_arn = property(_instance_profile_arn)


def _unknown_instance(self, ids, _original=moto.ec2.exceptions.InvalidInstanceIdError.__init__):
    """Everywhere in moto: an id that could not be one is Malformed, and not NotFound."""
    for one in [ids] if isinstance(ids, str) else ids:
        if not re.fullmatch(r"i-([0-9a-f]{8}|[0-9a-f]{17})", str(one)):
            return super(type(self), self).__init__("InvalidInstanceID.Malformed", f'Invalid id: "{one}"')
    return _original(self, ids)


moto.ec2.exceptions.InvalidInstanceIdError.__init__ = _unknown_instance


# Launch

def _launch(self, _original=InstanceResponse.run_instances):
    """moto starts MinCount instances of a token-less request; AWS starts MaxCount, once for each client token."""
    p, memory = dict(self.params), store("ec2", self.current_account, self.region)
    token, request = p.get("ClientToken"), {k: v for k, v in p.items() if k not in ("ClientToken", "DryRun")}
    if token and token in memory["launches"]:
        earlier, answer = memory["launches"][token]
        if earlier != request:
            raise error("IdempotentParameterMismatch", "Arguments on this idempotent request are inconsistent with arguments "
                                                       "used in previous request(s).")
        return answer
    earlier = copy.deepcopy(request)
    template = {}
    if p.get("LaunchTemplate"):
        template = self.ec2_backend._get_template_from_args(p["LaunchTemplate"]).data
        # tags, user data, image and block devices of a template are moto's own work
        taken = ("InstanceType", "KeyName", "IamInstanceProfile", "Monitoring", "NetworkInterfaces", "SecurityGroupIds")
        p = {**{k: template[k] for k in taken if template.get(k)}, **p}
    if p.get("KeyName") and p["KeyName"] not in self.ec2_backend.key_pairs:
        raise error("InvalidKeyPair.NotFound", f"The key pair '{p['KeyName']}' does not exist")
    defaults = {k: v for k, v in memory["metadata-defaults"].items() if k in METADATA}
    p["MetadataOptions"] = {**defaults, **template.get("MetadataOptions", {}), **p.get("MetadataOptions", {})}
    if not p.get("SecurityGroupIds") and not p.get("SecurityGroups"):
        p["SecurityGroupIds"] = _launch_groups(self.ec2_backend, p)
    p["MinCount"] = p.get("MaxCount") or p.get("MinCount") or 1
    self.params = p
    answer = _original(self)
    _same_profile(self.ec2_backend, answer.result.instances)
    for instance in answer.result.instances if p.get("Operator") else []:
        instance.operator = {"Managed": True, "Principal": p["Operator"].get("Principal")}
    if token:
        memory["launches"][token] = earlier, answer
    return answer


def _launch_groups(ec2, p):
    """The groups of the first interface, or else the default group of the VPC."""
    interfaces = p.get("NetworkInterfaces") or []
    named = [group for nic in interfaces for group in nic.get("Groups", [])]
    if named or any(nic.get("NetworkInterfaceId") for nic in interfaces):
        return named
    subnet = p.get("SubnetId") or next((nic["SubnetId"] for nic in interfaces if nic.get("SubnetId")), None)
    group = ec2.get_default_security_group(ec2.get_subnet(subnet).vpc_id if subnet else None)
    return [group.id] if group else []


def _same_profile(ec2, instances):
    """moto gives the instance profile to the first instance of a launch only."""
    first = next((a for a in ec2.iam_instance_profile_associations.values() if instances and a.instance.id == instances[0].id), None)
    for instance in instances[1:] if first else []:
        ec2.associate_iam_instance_profile(instance_id=instance.id, iam_instance_profile_arn=first.iam_instance_profile.arn)


InstanceResponse.run_instances = _launch


@op("ec2", "DescribeInstances")
def _(p, s, r):
    wanted, ids = filters(p), p.get("InstanceIds") or []
    for one in ids:
        check_id(one, "InvalidInstanceID")
    if ids and p.get("MaxResults"):
        raise error("InvalidParameterCombination", "The parameter instancesSet cannot be used with the parameter maxResults")
    known = {instance.id for instance in backend(r).all_instances()}
    missing = [one for one in ids if one not in known]
    if missing:
        raise moto.ec2.exceptions.InvalidInstanceIdError(missing)
    found = [(reservation, instance) for reservation in backend(r).all_reservations(wanted or None)
             for instance in reservation.instances if not ids or instance.id in ids]
    shown, more = (found, {}) if ids else page(found, p)
    reservations = {}
    for reservation, instance in shown:  # a page may end within a reservation, as on AWS
        if reservation.id not in reservations:
            reservations[reservation.id] = copy.copy(reservation)
            reservations[reservation.id].instances = []
        reservations[reservation.id].instances.append(instance)
    return {"Reservations": list(reservations.values()), **more}


# Metadata options

def _metadata_options(self, instance_id, http_tokens=None, hop_limit=None, http_endpoint=None, dry_run=False,
                      http_protocol=None, metadata_tags=None):
    """What a request leaves out stays as it is; moto would clear it."""
    instance = self.get_instance(instance_id)
    if getattr(instance, "operator", None):
        raise error("OperationNotPermitted", f"The instance '{instance_id}' is managed by {instance.operator['Principal']}")
    given = {"HttpTokens": http_tokens, "HttpPutResponseHopLimit": hop_limit, "HttpEndpoint": http_endpoint,
             "HttpProtocolIpv6": http_protocol, "InstanceMetadataTags": metadata_tags}
    before = {name: getattr(instance.metadata_options, attribute) for name, attribute in METADATA.items()}
    instance.metadata_options = MetadataOptions({**before, **{k: v for k, v in given.items() if v is not None}})
    answer = copy.copy(instance.metadata_options)
    answer.state = "pending"
    return answer


InstanceBackend.modify_instance_metadata_options = _metadata_options


@op("ec2", "ModifyInstanceMetadataDefaults")
def _(p, s, r):
    for name, value in p.items():
        if name in DEFAULTS and value in ("no-preference", -1):
            s["metadata-defaults"].pop(name, None)
        elif name in DEFAULTS:
            s["metadata-defaults"][name] = value
    return {"Return": True}


@op("ec2", "GetInstanceMetadataDefaults")
def _(p, s, r):
    return {"AccountLevel": {**s["metadata-defaults"], "ManagedBy": "account"}}


# Interfaces: an instance's groups are those of its primary interface, whichever of the two a call changes

def _primary(instance):
    return instance.nics.get(0) if instance else None


def _modify_instance_groups(self, instance_id, group_ids, _original=InstanceBackend.modify_instance_security_groups):
    _known_groups(self, group_ids)
    instance = _original(self, instance_id, group_ids)
    if _primary(instance):
        _primary(instance)._group_set = list(instance.security_groups)
    return instance


def _modify_interface(self, eni_id, group_ids, *rest, _original=NetworkInterfaceBackend.modify_network_interface_attribute, **named):
    _known_groups(self, group_ids)
    _original(self, eni_id, group_ids, *rest, **named)
    eni = self.get_network_interface(eni_id)
    if group_ids and eni is _primary(eni.instance):
        eni.instance.security_groups = list(eni._group_set)


def _known_groups(ec2, group_ids):
    for group_id in group_ids:
        if not ec2.get_security_group_from_id(check_id(group_id, "InvalidGroupId")):
            raise error("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist")


def _interface_value(self, name, method=None, _original=NetworkInterface.get_filter_value):
    if name in ("group-id", "group-name"):
        return [group.id if name == "group-id" else group.name for group in self.group_set]
    if name in ("status", "owner-id", "attachment.status", "requester-managed"):
        return {"status": self.status, "owner-id": self.owner_id, "requester-managed": str(self.requester_managed).lower(),
                "attachment.status": "attached" if self.attachment_id else "detached"}[name]
    return _original(self, name, method)


InstanceBackend.modify_instance_security_groups = _modify_instance_groups
NetworkInterfaceBackend.modify_network_interface_attribute = _modify_interface
NetworkInterface.get_filter_value = _interface_value
# no copy of the instance's groups is added here: each interface has its own
NetworkInterface.group_set = property(lambda self: list({group.id: group for group in self._group_set}.values()))

paged("DescribeNetworkInterfaces", "NetworkInterfaces", ids="NetworkInterfaceIds", either=True)
paged("DescribeInstanceStatus", "InstanceStatuses", ids="InstanceIds", either=True)
paged("DescribeIamInstanceProfileAssociations", "IamInstanceProfileAssociations", ids="AssociationIds")
paged("DescribeVolumes", "Volumes", ids="VolumeIds")
paged("DescribeSnapshots", "Snapshots", ids="SnapshotIds")
paged("DescribeImages", "Images", ids="ImageIds")
paged("DescribeSubnets", "Subnets", ids="SubnetIds")
paged("DescribeVpcs", "Vpcs", ids="VpcIds")
paged("DescribeTags", "Tags")
