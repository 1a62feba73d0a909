"""EC2: security groups and their rules, instances and interfaces, launch templates, managed prefix lists."""
from . import instances, launch_templates, prefix_lists, rules, security_groups  # noqa: F401
