"""Resource Access Manager: security groups and prefix lists that one account shares with another."""
from moto.ram.models import ResourceShare, ram_backends

ResourceShare.SHAREABLE_RESOURCES = [*ResourceShare.SHAREABLE_RESOURCES, "security-group"]


def shared_with(account, region, kind):
    """(owner, id) of what other accounts share with this one. Only an owner can share, and only within a Region.

    All accounts are of one organisation that shares freely: nobody needs to accept an invitation.
    """
    found = {}
    for owner in list(ram_backends):
        shares = ram_backends[owner][region].resource_shares if owner != account else []
        for share in shares:
            if share.status != "ACTIVE" or account not in share.principals:
                continue
            for arn in share.resource_arns:
                _, _, _, arn_region, arn_owner, resource = arn.split(":", 5)
                prefix, _, resource_id = resource.partition("/")
                if (arn_region, arn_owner, prefix) == (region, owner, kind):
                    found[resource_id] = owner
    return [(owner, resource_id) for resource_id, owner in found.items()]
