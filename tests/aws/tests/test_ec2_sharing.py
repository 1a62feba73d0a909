"""What another account owns and shares: seen and used, never changed."""
from support import TestCase, _accounts

REGION = "us-east-1"


class Sharing(TestCase):
    def setUp(self):
        super().setUp()
        self.owner = str(next(_accounts))
        self.theirs, self.ec2 = self.client("ec2", account=self.owner), self.client("ec2")

    def denied(self, call, **named):
        answer = self.refused("UnauthorizedOperation", call, **named)
        self.assertIn("the provided object is not owned by you", answer["Error"]["Message"])


class SecurityGroups(Sharing):
    def setUp(self):
        super().setUp()
        vpc = self.theirs.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.group = self.theirs.create_security_group(GroupName="shared", Description="s", VpcId=vpc, TagSpecifications=[
            {"ResourceType": "security-group", "Tags": [{"Key": "env", "Value": "prod"}]}])["GroupId"]
        self.permission = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        [rule] = self.theirs.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[self.permission], TagSpecifications=[
            {"ResourceType": "security-group-rule", "Tags": [{"Key": "env", "Value": "prod"}]}])["SecurityGroupRules"]
        self.rule = rule["SecurityGroupRuleId"]
        self.arn = f"arn:aws:ec2:{REGION}:{self.owner}:security-group/{self.group}"

    def rules(self, ec2):
        found = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [self.group]}])["SecurityGroupRules"]
        return [rule for rule in found if not rule["IsEgress"]]

    def test_a_group_that_is_not_shared_does_not_exist(self):
        self.refused("InvalidGroup.NotFound", self.ec2.describe_security_groups, GroupIds=[self.group])
        self.assertEqual([], self.rules(self.ec2))
        self.refused("InvalidSecurityGroupRuleId.NotFound", self.ec2.describe_security_group_rules, SecurityGroupRuleIds=[self.rule])
        self.refused("InvalidGroup.NotFound", self.ec2.revoke_security_group_ingress, GroupId=self.group, SecurityGroupRuleIds=[self.rule])

    def test_a_shared_group_is_seen_with_its_owner_and_without_its_tags(self):
        self.share(self.owner, self.arn)
        [shown] = self.ec2.describe_security_groups(GroupIds=[self.group])["SecurityGroups"]
        [whole] = self.theirs.describe_security_groups(GroupIds=[self.group])["SecurityGroups"]
        self.assertEqual((self.owner, "shared"), (shown["OwnerId"], shown["GroupName"]))
        self.assertEqual({**whole, "Tags": []}, {**shown, "Tags": shown.get("Tags", [])})
        by_owner = self.ec2.describe_security_groups(Filters=[{"Name": "owner-id", "Values": [self.owner]}])["SecurityGroups"]
        self.assertEqual([self.group], [group["GroupId"] for group in by_owner])
        by_tag = [{"Name": "tag:env", "Values": ["prod"]}]
        self.assertEqual([], self.ec2.describe_security_groups(Filters=by_tag)["SecurityGroups"])

    def test_its_rules_are_seen_too(self):
        self.share(self.owner, self.arn)
        [whole] = self.rules(self.theirs)
        self.assertEqual([{**whole, "Tags": []}], self.rules(self.ec2))
        self.assertEqual(self.owner, whole["GroupOwnerId"])
        [by_id] = self.ec2.describe_security_group_rules(SecurityGroupRuleIds=[self.rule])["SecurityGroupRules"]
        self.assertEqual({**whole, "Tags": []}, by_id)
        self.assertEqual([], self.ec2.describe_security_group_rules(Filters=[{"Name": "tag:env", "Values": ["prod"]}])["SecurityGroupRules"])

    def test_a_participant_changes_nothing(self):
        self.share(self.owner, self.arn)
        before = self.theirs.describe_security_groups(GroupIds=[self.group])["SecurityGroups"]
        other = {**self.permission, "FromPort": 23, "ToPort": 23}
        self.denied(self.ec2.authorize_security_group_ingress, GroupId=self.group, IpPermissions=[other])
        self.denied(self.ec2.authorize_security_group_egress, GroupId=self.group, IpPermissions=[other])
        self.denied(self.ec2.revoke_security_group_ingress, GroupId=self.group, SecurityGroupRuleIds=[self.rule])
        self.denied(self.ec2.revoke_security_group_ingress, GroupId=self.group, IpPermissions=[self.permission])
        self.denied(self.ec2.modify_security_group_rules, GroupId=self.group, SecurityGroupRules=[
            {"SecurityGroupRuleId": self.rule, "SecurityGroupRule": {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "CidrIpv4": "0.0.0.0/0"}}])
        self.denied(self.ec2.update_security_group_rule_descriptions_ingress, GroupId=self.group, SecurityGroupRuleDescriptions=[
            {"SecurityGroupRuleId": self.rule, "Description": "mine"}])
        self.denied(self.ec2.delete_security_group, GroupId=self.group)
        self.assertEqual(before, self.theirs.describe_security_groups(GroupIds=[self.group])["SecurityGroups"])
        self.theirs.revoke_security_group_ingress(GroupId=self.group, SecurityGroupRuleIds=[self.rule])

    def test_a_participant_uses_it(self):
        self.share(self.owner, self.arn)
        launched = self.ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1, SecurityGroupIds=[self.group])["Instances"][0]
        self.assertEqual([self.group], [group["GroupId"] for group in launched["SecurityGroups"]])
        found = self.ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [self.group]}])["NetworkInterfaces"]
        self.assertEqual([launched["InstanceId"]], [eni["Attachment"]["InstanceId"] for eni in found])
        mine = self.ec2.create_security_group(GroupName="mine", Description="m")["GroupId"]
        [rule] = self.ec2.authorize_security_group_ingress(GroupId=mine, IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [{"GroupId": self.group}]}])["SecurityGroupRules"]
        self.assertEqual({"GroupId": self.group, "UserId": self.owner}, rule["ReferencedGroupInfo"])

    def test_only_its_owner_shares_a_group_and_only_until_the_share_ends(self):
        self.share(self.account, self.arn)
        self.refused("InvalidGroup.NotFound", self.ec2.describe_security_groups, GroupIds=[self.group])
        ram = self.client("ram", account=self.owner)
        share = ram.create_resource_share(name="s", resourceArns=[self.arn], principals=[self.account])["resourceShare"]["resourceShareArn"]
        self.assertEqual(1, len(self.ec2.describe_security_groups(GroupIds=[self.group])["SecurityGroups"]))
        ram.delete_resource_share(resourceShareArn=share)
        self.refused("InvalidGroup.NotFound", self.ec2.describe_security_groups, GroupIds=[self.group])


class PrefixLists(Sharing):
    def setUp(self):
        super().setUp()
        made = self.theirs.create_managed_prefix_list(PrefixListName="office", MaxEntries=3, AddressFamily="IPv4", Entries=[{"Cidr": "10.0.0.0/8"}],
                                                      TagSpecifications=[{"ResourceType": "prefix-list", "Tags": [{"Key": "a", "Value": "b"}]}])
        self.list, self.arn = made["PrefixList"]["PrefixListId"], made["PrefixList"]["PrefixListArn"]

    def refer(self):
        group = self.ec2.create_security_group(GroupName="web", Description="w")["GroupId"]
        return self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "PrefixListIds": [{"PrefixListId": self.list}]}])["SecurityGroupRules"]

    def test_a_list_that_is_not_shared_does_not_exist(self):
        self.refused("InvalidPrefixListID.NotFound", self.ec2.get_managed_prefix_list_entries, PrefixListId=self.list)
        self.refused("InvalidPrefixListID.NotFound", self.ec2.describe_managed_prefix_lists, PrefixListIds=[self.list])
        self.refused("InvalidPrefixListID.NotFound", self.refer)

    def test_a_shared_list_is_read_and_referred_to_and_not_changed(self):
        self.share(self.owner, self.arn)
        [shown] = self.ec2.describe_managed_prefix_lists(PrefixListIds=[self.list])["PrefixLists"]
        self.assertEqual((self.owner, "office", []), (shown["OwnerId"], shown["PrefixListName"], shown.get("Tags", [])))
        self.assertEqual([{"Cidr": "10.0.0.0/8"}], self.ec2.get_managed_prefix_list_entries(PrefixListId=self.list)["Entries"])
        self.assertEqual(self.list, self.refer()[0]["PrefixListId"])
        self.refused("UnauthorizedOperation", self.ec2.modify_managed_prefix_list, PrefixListId=self.list, CurrentVersion=1,
                     AddEntries=[{"Cidr": "192.168.0.0/16"}])
        self.refused("UnauthorizedOperation", self.ec2.delete_managed_prefix_list, PrefixListId=self.list)

    def test_lists_by_name_owner_and_tag(self):
        def ids(name, value):
            found = self.theirs.describe_managed_prefix_lists(Filters=[{"Name": name, "Values": [value]}])["PrefixLists"]
            return [each["PrefixListId"] for each in found]
        for name, value in (("prefix-list-name", "office"), ("owner-id", self.owner), ("prefix-list-id", self.list), ("tag:a", "b")):
            self.assertEqual([self.list], ids(name, value), name)
        self.refused("InvalidParameterValue", ids, "colour", "red")
