"""Launch templates: a new version starts from the version it names."""
from moto.ec2.responses.launch_templates import LaunchTemplates

from .common import error, paged


def _create_version(self, _original=LaunchTemplates.create_launch_template_version):
    """AWS lays the request's top-level keys over those of SourceVersion; moto forgets the source."""
    p = self.params
    ec2, data = self.ec2_backend, p.get("LaunchTemplateData") or {}
    template = ec2.get_launch_template_by_name(p["LaunchTemplateName"]) if p.get("LaunchTemplateName") \
        else ec2.get_launch_template(p.get("LaunchTemplateId"))
    source = p.get("SourceVersion")
    if source:
        if str(source).isdigit() and not 1 <= int(source) <= template.latest_version_number:
            raise error("InvalidLaunchTemplateId.VersionNotFound",
                        f"Could not find the specified version {source} for the launch template with ID {template.id}.")
        data = {**template.get_version(source).data, **data}
    self.params = {**p, "LaunchTemplateData": data}
    return _original(self)


LaunchTemplates.create_launch_template_version = _create_version

paged("DescribeLaunchTemplates", "LaunchTemplates", ids="LaunchTemplateIds", smallest=1, largest=200)
paged("DescribeLaunchTemplateVersions", "LaunchTemplateVersions", ids="Versions", smallest=1, largest=200)
