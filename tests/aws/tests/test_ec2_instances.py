"""Instances, interfaces and launch templates as AWS keeps them."""
from support import TestCase

IMAGE = "ami-12c6146b"


class Ec2(TestCase):
    def setUp(self):
        super().setUp()
        self.ec2 = self.client("ec2")

    def launch(self, count=1, **named):
        return self.ec2.run_instances(ImageId=IMAGE, MinCount=1, MaxCount=count, **named)["Instances"]

    def instances(self, **named):
        found = self.ec2.describe_instances(**named)["Reservations"]
        return [instance for reservation in found for instance in reservation["Instances"]]

    def group(self, name="g"):
        return self.ec2.create_security_group(GroupName=name, Description=name)["GroupId"]


class Launch(Ec2):
    def test_starts_as_many_as_asked_with_key_and_group(self):
        self.ec2.create_key_pair(KeyName="ops")
        group = self.group()
        made = self.launch(3, KeyName="ops", SecurityGroupIds=[group])
        shown = self.instances(InstanceIds=[i["InstanceId"] for i in made])
        self.assertEqual([("ops", group)] * 3, [(i["KeyName"], i["SecurityGroups"][0]["GroupId"]) for i in shown])
        self.refused("InvalidKeyPair.NotFound", self.launch, KeyName="nobody")

    def test_a_client_token_launches_once(self):
        first, again = (self.launch(2, ClientToken="one") for _ in range(2))
        self.assertEqual([i["InstanceId"] for i in first], [i["InstanceId"] for i in again])
        found = self.instances(Filters=[{"Name": "client-token", "Values": ["one"]}])
        self.assertEqual(2, len(found))
        self.refused("IdempotentParameterMismatch", self.launch, 3, ClientToken="one")

    def test_dry_run_launches_nothing(self):
        self.refused("DryRunOperation", self.launch, DryRun=True)
        self.assertEqual([], self.instances())

    def test_takes_the_default_group_when_none_is_named(self):
        [made] = self.launch()
        self.assertEqual("default", made["SecurityGroups"][0]["GroupName"])

    def test_finds_an_instance_profile_made_through_iam_for_every_instance(self):
        self.role("web", trust="ec2.amazonaws.com")
        iam = self.client("iam")
        profile = iam.create_instance_profile(InstanceProfileName="web")["InstanceProfile"]["Arn"]
        iam.add_role_to_instance_profile(InstanceProfileName="web", RoleName="web")
        self.launch(2, IamInstanceProfile={"Name": "web"})
        self.assertEqual([profile] * 2, [i["IamInstanceProfile"]["Arn"] for i in self.instances()])

    def test_finds_instances_by_the_arn_of_their_profile(self):
        iam = self.client("iam")
        profiles = []
        for name in ("web", "other"):
            self.role(name, trust="ec2.amazonaws.com")
            profiles.append(iam.create_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Arn"])
            iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
        web = self.launch(2, IamInstanceProfile={"Arn": profiles[0]})
        other = self.launch(IamInstanceProfile={"Arn": profiles[1]})
        self.launch()
        found = lambda *arns: sorted(i["InstanceId"] for i in self.instances(Filters=[{"Name": "iam-instance-profile.arn", "Values": arns}]))
        self.assertEqual(sorted(i["InstanceId"] for i in web), found(profiles[0]))
        self.assertEqual(sorted(i["InstanceId"] for i in web + other), found(*profiles))
        self.assertEqual([], found("arn:aws:iam::111111111111:instance-profile/none"))


class Describe(Ec2):
    def test_pages_by_instance(self):
        self.launch(4)
        self.launch(3)
        sizes = [sum(len(r["Instances"]) for r in page["Reservations"])
                 for page in self.ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5})]
        self.assertEqual([5, 2], sizes)
        self.assertEqual(7, len({i["InstanceId"] for i in self.instances()}))

    def test_refuses_unknown_and_malformed_ids(self):
        [made] = self.launch()
        self.refused("InvalidInstanceID.NotFound", self.instances, InstanceIds=[made["InstanceId"], "i-0123456789abcdef0"])
        self.refused("InvalidInstanceID.Malformed", self.instances, InstanceIds=["i-nonsense"])
        self.refused("InvalidInstanceID.Malformed", self.ec2.stop_instances, InstanceIds=["i-nonsense"])
        self.refused("InvalidInstanceID.NotFound", self.ec2.stop_instances, InstanceIds=["i-0123456789abcdef0"])
        self.refused("InvalidParameterCombination", self.instances, InstanceIds=[made["InstanceId"]], MaxResults=5)
        self.refused("InvalidParameterCombination", self.ec2.describe_instance_status, InstanceIds=[made["InstanceId"]], MaxResults=5)
        eni = made["NetworkInterfaces"][0]["NetworkInterfaceId"]
        self.refused("InvalidParameterCombination", self.ec2.describe_network_interfaces, NetworkInterfaceIds=[eni], MaxResults=5)

    def test_one_of_several_leaves_the_others_alone(self):
        one, two = self.launch(2)
        self.assertEqual([one["InstanceId"]], [i["InstanceId"] for i in self.instances(InstanceIds=[one["InstanceId"]])])
        self.assertEqual(2, len(self.instances()))


class Metadata(Ec2):
    def test_a_change_keeps_what_it_does_not_name(self):
        [made] = self.launch(MetadataOptions={"HttpTokens": "optional", "HttpPutResponseHopLimit": 3})
        self.ec2.modify_instance_metadata_options(InstanceId=made["InstanceId"], HttpTokens="required")
        options = self.instances()[0]["MetadataOptions"]
        self.assertEqual(("required", 3, "enabled"), tuple(options[k] for k in ("HttpTokens", "HttpPutResponseHopLimit", "HttpEndpoint")))

    def test_filter(self):
        self.launch(MetadataOptions={"HttpTokens": "required"})
        self.launch()
        found = self.instances(Filters=[{"Name": "metadata-options.http-tokens", "Values": ["optional"]}])
        self.assertEqual(1, len(found))

    def test_defaults_of_the_account_bind_launches_that_say_nothing(self):
        self.ec2.modify_instance_metadata_defaults(HttpTokens="required", HttpPutResponseHopLimit=2)
        level = self.ec2.get_instance_metadata_defaults()["AccountLevel"]
        self.assertEqual(("required", 2), (level["HttpTokens"], level["HttpPutResponseHopLimit"]))
        [silent], [explicit] = self.launch(), self.launch(MetadataOptions={"HttpTokens": "optional"})
        self.assertEqual(("required", "optional"), (silent["MetadataOptions"]["HttpTokens"], explicit["MetadataOptions"]["HttpTokens"]))
        self.ec2.modify_instance_metadata_defaults(HttpTokens="no-preference", HttpPutResponseHopLimit=-1)
        self.assertNotIn("HttpTokens", self.ec2.get_instance_metadata_defaults()["AccountLevel"])


    def test_launches_without_tokens_may_be_refused_by_default(self):
        self.ec2.modify_instance_metadata_defaults(HttpTokens="required", HttpTokensEnforced="enabled")
        self.ec2.modify_instance_metadata_defaults(HttpTokens="optional")
        level = self.ec2.get_instance_metadata_defaults()["AccountLevel"]
        self.assertEqual(("optional", "enabled"), (level["HttpTokens"], level["HttpTokensEnforced"]))
        self.ec2.modify_instance_metadata_defaults(HttpTokensEnforced="no-preference")
        self.assertNotIn("HttpTokensEnforced", self.ec2.get_instance_metadata_defaults()["AccountLevel"])

    def test_a_managed_instance_is_changed_by_nobody_else(self):
        [made] = self.launch(Operator={"Principal": "eks.amazonaws.com"})
        shown = self.instances()[0]["Operator"]
        self.assertEqual((True, "eks.amazonaws.com"), (shown["Managed"], shown["Principal"]))
        self.refused("OperationNotPermitted", self.ec2.modify_instance_metadata_options,
                     InstanceId=made["InstanceId"], HttpTokens="required")
        [plain] = self.launch()
        self.ec2.modify_instance_metadata_options(InstanceId=plain["InstanceId"], HttpTokens="required")


class Interfaces(Ec2):
    def test_groups_of_an_instance_are_those_of_its_primary_interface(self):
        before, quarantine, third = self.group("a"), self.group("b"), self.group("c")
        [made] = self.launch(SecurityGroupIds=[before])
        instance, interface = made["InstanceId"], made["NetworkInterfaces"][0]["NetworkInterfaceId"]

        def groups():
            [shown], [eni] = self.instances(), self.ec2.describe_network_interfaces(NetworkInterfaceIds=[interface])["NetworkInterfaces"]
            return [g["GroupId"] for g in shown["SecurityGroups"]], [g["GroupId"] for g in eni["Groups"]]

        self.ec2.modify_instance_attribute(InstanceId=instance, Groups=[quarantine])
        self.assertEqual(([quarantine], [quarantine]), groups())
        self.ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=[third])
        self.assertEqual(([third], [third]), groups())
        self.refused("InvalidGroup.NotFound", self.ec2.modify_instance_attribute, InstanceId=instance, Groups=["sg-0123456789abcdef0"])

    def test_found_by_group_in_pages(self):
        group = self.group()
        self.launch(7, SecurityGroupIds=[group])
        self.launch()
        wanted = [{"Name": "group-id", "Values": [group]}]
        pages = [len(page["NetworkInterfaces"]) for page in self.ec2.get_paginator("describe_network_interfaces").paginate(
            Filters=wanted, PaginationConfig={"PageSize": 5})]
        self.assertEqual([5, 2], pages)


class LaunchTemplates(Ec2):
    def test_a_version_starts_from_its_source(self):
        template = self.ec2.create_launch_template(LaunchTemplateName="t", LaunchTemplateData={
            "ImageId": IMAGE, "InstanceType": "t3.micro", "MetadataOptions": {"HttpTokens": "optional"}})["LaunchTemplate"]["LaunchTemplateId"]
        made = self.ec2.create_launch_template_version(LaunchTemplateId=template, SourceVersion="1", LaunchTemplateData={
            "MetadataOptions": {"HttpTokens": "required"}})["LaunchTemplateVersion"]
        self.assertEqual(("t3.micro", "required"), (made["LaunchTemplateData"]["InstanceType"],
                                                    made["LaunchTemplateData"]["MetadataOptions"]["HttpTokens"]))
        bare = self.ec2.create_launch_template_version(LaunchTemplateId=template, LaunchTemplateData={"KeyName": "k"})["LaunchTemplateVersion"]
        self.assertNotIn("InstanceType", bare["LaunchTemplateData"])
        self.refused("InvalidLaunchTemplateId.VersionNotFound", self.ec2.create_launch_template_version, LaunchTemplateId=template,
                     SourceVersion="9", LaunchTemplateData={})

    def test_a_launch_takes_its_metadata_options_and_groups(self):
        group = self.group()
        self.ec2.create_launch_template(LaunchTemplateName="t", LaunchTemplateData={
            "ImageId": IMAGE, "SecurityGroupIds": [group], "MetadataOptions": {"HttpTokens": "required"}})
        [made] = self.ec2.run_instances(LaunchTemplate={"LaunchTemplateName": "t"}, MinCount=1, MaxCount=1)["Instances"]
        self.assertEqual(("required", group), (made["MetadataOptions"]["HttpTokens"], made["SecurityGroups"][0]["GroupId"]))
