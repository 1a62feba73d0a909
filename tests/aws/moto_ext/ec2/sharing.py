"""Security groups and prefix lists that another account owns and shares: to be seen and used, never changed.

AWS's words: https://docs.aws.amazon.com/vpc/latest/userguide/security-group-sharing.html and
https://docs.aws.amazon.com/vpc/latest/userguide/sharing-managed-prefix-lists.html.
"""
from moto.ec2.models import ec2_backends
from moto.ec2.models.security_groups import SecurityGroupBackend
from moto.ec2.utils import is_tag_filter

from .. import ram
from .common import error


class Shared:
    """A resource as an account sees it that does not own it: without its tags, which are not shared."""

    tag_list = tag_set = ()

    def __init__(self, resource):
        self._resource = resource

    def __getattr__(self, name):
        return getattr(self._resource, name)

    def get_tags(self):
        return []

    def matches_filters(self, wanted):
        return not any(is_tag_filter(name) for name in wanted) and self._resource.matches_filters(wanted)


def _shared(backend, kind, find):
    found = ((owner, find(ec2_backends[owner][backend.region_name], resource_id))
             for owner, resource_id in ram.shared_with(backend.account_id, backend.region_name, kind))
    return [resource for owner, resource in found if resource and resource.owner_id == owner]


_own_group = SecurityGroupBackend.get_security_group_from_id


def groups(backend):
    """The groups that others share with this account. Default groups cannot be shared."""
    return [group for group in _shared(backend, "security-group", _own_group) if group.name != "default"]


def prefix_lists(backend):
    """The prefix lists that others share with this account."""
    return _shared(backend, "prefix-list", lambda owner, list_id: owner.managed_prefix_lists.get(list_id))


def refuse_change(r, resource):
    """`UnauthorizedOperation` unless the caller owns it."""
    if resource.owner_id != r.ec2_backend.account_id:
        operation = next(iter(r.querystring.get("Action", [""])))
        raise error("UnauthorizedOperation", f"You are not authorized to perform {operation} operation. "
                                             "A subnet in this vpc is shared but the provided object is not owned by you")


def _group(self, group_id):
    """A shared group is found wherever a group is looked for: at a launch, on an interface, as a source."""
    return _own_group(self, group_id) or next((group for group in groups(self) if group.id == group_id), None)


SecurityGroupBackend.get_security_group_from_id = _group
