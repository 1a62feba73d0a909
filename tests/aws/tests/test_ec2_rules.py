"""Security group rules as AWS keeps them."""
import secrets

from support import LocalAws, TestCase


class Rules(TestCase):
    def setUp(self):
        super().setUp()
        self.ec2 = self.client("ec2")
        self.group = self.ec2.create_security_group(GroupName="web", Description="web servers")["GroupId"]

    def authorize(self, **permission):
        tags = permission.pop("tags", None)
        group = permission.pop("group", self.group)
        more = {"TagSpecifications": [{"ResourceType": "security-group-rule", "Tags": tags}]} if tags else {}
        permission = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **permission}
        return self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission], **more)["SecurityGroupRules"]

    def ingress(self, group=None):
        found = self.ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group or self.group]}])
        return [rule for rule in found["SecurityGroupRules"] if not rule["IsEgress"]]

    def prefix_list(self, *cidrs, size=5):
        return self.ec2.create_managed_prefix_list(
            PrefixListName="office", MaxEntries=size, AddressFamily="IPv4",
            Entries=[{"Cidr": c, "Description": "x"} for c in cidrs])["PrefixList"]


class Authorize(Rules):
    def test_answers_each_source_as_a_rule_of_its_own(self):
        other = self.ec2.create_security_group(GroupName="bastion", Description="b")["GroupId"]
        prefix_list = self.prefix_list("10.0.0.0/8")["PrefixListId"]
        made = self.authorize(
            IpRanges=[{"CidrIp": "0.0.0.0/0", "Description": "four"}], Ipv6Ranges=[{"CidrIpv6": "::/0", "Description": "six"}],
            PrefixListIds=[{"PrefixListId": prefix_list, "Description": "list"}],
            UserIdGroupPairs=[{"GroupId": other, "Description": "group"}], tags=[{"Key": "owner", "Value": "alice"}])
        self.assertEqual(["four", "six", "list", "group"], [rule["Description"] for rule in made])
        self.assertEqual(("0.0.0.0/0", "::/0", prefix_list), (made[0]["CidrIpv4"], made[1]["CidrIpv6"], made[2]["PrefixListId"]))
        self.assertEqual({"GroupId": other, "UserId": self.account}, made[3]["ReferencedGroupInfo"])
        for rule in made:
            self.assertRegex(rule["SecurityGroupRuleId"], "^sgr-[0-9a-f]{17}$")
            self.assertEqual((self.group, self.account, False, "tcp", 22, 22, [{"Key": "owner", "Value": "alice"}]),
                             (rule["GroupId"], rule["GroupOwnerId"], rule["IsEgress"], rule["IpProtocol"], rule["FromPort"],
                              rule["ToPort"], rule["Tags"]))
        self.assertEqual(made, self.ingress())

    def test_shows_all_ports_as_minus_one_in_rules_and_not_at_all_in_the_group(self):
        [rule] = self.authorize(IpProtocol="-1", FromPort=-1, ToPort=-1, IpRanges=[{"CidrIp": "10.0.0.0/8"}])
        self.assertEqual(("-1", -1, -1), (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]))
        [shown] = self.ec2.describe_security_groups(GroupIds=[self.group])["SecurityGroups"][0]["IpPermissions"]
        self.assertNotIn("FromPort", shown)

    def test_keeps_the_canonical_form_of_a_cidr(self):
        self.assertEqual("100.68.0.0/18", self.authorize(IpRanges=[{"CidrIp": "100.68.0.18/18"}])[0]["CidrIpv4"])
        self.assertEqual("2001:db8::/32", self.authorize(Ipv6Ranges=[{"CidrIpv6": "2001:0DB8:0::1/32"}])[0]["CidrIpv6"])

    def test_accepts_the_single_rule_spelling_and_protocol_numbers(self):
        made = self.ec2.authorize_security_group_ingress(GroupId=self.group, IpProtocol="6", FromPort=80, ToPort=81, CidrIp="1.2.3.4/32")
        [rule] = made["SecurityGroupRules"]
        self.assertEqual(("tcp", 80, 81, "1.2.3.4/32"), (rule["IpProtocol"], rule["FromPort"], rule["ToPort"], rule["CidrIpv4"]))

    def test_refuses_a_duplicate_whatever_its_description_and_adds_nothing(self):
        self.authorize(IpRanges=[{"CidrIp": "0.0.0.0/0", "Description": "a"}])
        self.refused("InvalidPermission.Duplicate", self.authorize,
                     IpRanges=[{"CidrIp": "10.0.0.0/8"}, {"CidrIp": "0.0.0.0/0", "Description": "b"}])
        self.assertEqual(1, len(self.ingress()))

    def test_refuses_what_is_unknown_or_malformed(self):
        cidr = [{"CidrIp": "0.0.0.0/0"}]
        self.refused("InvalidGroup.NotFound", self.authorize, group="sg-0123456789abcdef0", IpRanges=cidr)
        self.refused("InvalidGroupId.Malformed", self.authorize, group="sg-nonsense", IpRanges=cidr)
        self.refused("InvalidParameterValue", self.authorize, IpRanges=[{"CidrIp": "300.0.0.0/8"}])
        self.refused("InvalidParameterValue", self.authorize, IpRanges=cidr, FromPort=90, ToPort=80)
        self.refused("InvalidGroup.NotFound", self.authorize, UserIdGroupPairs=[{"GroupId": "sg-0123456789abcdef0"}])
        self.refused("InvalidPrefixListID.NotFound", self.authorize, PrefixListIds=[{"PrefixListId": "pl-0123456789abcdef0"}])
        self.assertEqual([], self.ingress())

    def test_protocols_and_their_ports(self):
        cidr = [{"CidrIp": "10.0.0.0/8"}]
        for protocol, low, high in (("icmp", None, None), ("icmp", -1, 0), ("icmpv6", -1, 0), ("tcp", -1, -1), ("ssh", 22, 22), ("256", None, None)):
            given = {"FromPort": low, "ToPort": high} if low is not None else {}
            permission = {"IpProtocol": protocol, "IpRanges": cidr, **given}
            self.refused("InvalidParameterValue", self.ec2.authorize_security_group_ingress, GroupId=self.group, IpPermissions=[permission])
        self.assertEqual([], self.ingress())
        for protocol, low, high, shown in (
                ("icmp", 8, -1, (8, -1)), ("icmp", -1, -1, (-1, -1)), ("icmpv6", None, None, (-1, -1)), ("50", None, None, (-1, -1)),
                ("51", 7, 9, (-1, -1)), ("-1", 7, 9, (-1, -1)), ("udp", 0, 65535, (0, 65535))):
            given = {"FromPort": low, "ToPort": high} if low is not None else {}
            permission = {"IpProtocol": protocol, "IpRanges": cidr, **given}
            [rule] = self.ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[permission])["SecurityGroupRules"]
            self.assertEqual((protocol, *shown), (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]))

    def test_refuses_the_sixty_first_rule_and_counts_a_prefix_list_by_its_size(self):
        self.authorize(IpRanges=[{"CidrIp": f"10.{n}.0.0/16"} for n in range(56)])
        large = self.prefix_list("10.0.0.0/8")["PrefixListId"]
        self.refused("RulesPerSecurityGroupLimitExceeded", self.authorize, PrefixListIds=[{"PrefixListId": large}])
        self.authorize(Ipv6Ranges=[{"CidrIpv6": "::/0"}])
        self.assertEqual(57, len(self.ingress()))

    def test_dry_run_changes_nothing(self):
        permission = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        self.refused("DryRunOperation", self.ec2.authorize_security_group_ingress, GroupId=self.group, IpPermissions=[permission], DryRun=True)
        self.assertEqual([], self.ingress())


class Revoke(Rules):
    def test_by_id_answers_what_it_revoked(self):
        one, two = self.authorize(IpRanges=[{"CidrIp": "0.0.0.0/0", "Description": "x"}, {"CidrIp": "10.0.0.0/8"}])
        answer = self.ec2.revoke_security_group_ingress(GroupId=self.group, SecurityGroupRuleIds=[one["SecurityGroupRuleId"]])
        self.assertEqual([{"SecurityGroupRuleId": one["SecurityGroupRuleId"], "GroupId": self.group, "IsEgress": False, "IpProtocol": "tcp",
                           "FromPort": 22, "ToPort": 22, "CidrIpv4": "0.0.0.0/0", "Description": "x"}], answer["RevokedSecurityGroupRules"])
        self.assertEqual([two], self.ingress())

    def test_by_id_revokes_nothing_when_one_id_is_unknown(self):
        [rule] = self.authorize(IpRanges=[{"CidrIp": "0.0.0.0/0"}])
        for unknown in ("sgr-0123456789abcdef0", rule["SecurityGroupRuleId"][:-1] + "z"):
            code = "InvalidSecurityGroupRuleId." + ("Malformed" if unknown.endswith("z") else "NotFound")
            self.refused(code, self.ec2.revoke_security_group_ingress, GroupId=self.group,
                         SecurityGroupRuleIds=[rule["SecurityGroupRuleId"], unknown])
        self.assertEqual([rule], self.ingress())

    def test_by_id_refuses_a_rule_of_another_group_and_of_the_other_direction(self):
        other = self.ec2.create_security_group(GroupName="other", Description="o")["GroupId"]
        [rule] = self.authorize(group=other, IpRanges=[{"CidrIp": "0.0.0.0/0"}])
        revoke = self.ec2.revoke_security_group_ingress
        self.refused("InvalidSecurityGroupRuleId.NotFound", revoke, GroupId=self.group, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
        found = self.ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [other]}])["SecurityGroupRules"]
        egress = next(r["SecurityGroupRuleId"] for r in found if r["IsEgress"])
        self.refused("InvalidSecurityGroupRuleId.NotFound", revoke, GroupId=other, SecurityGroupRuleIds=[egress])
        self.assertEqual([rule], self.ingress(other))

    def test_by_permission_matches_exactly_and_ignores_the_description(self):
        self.authorize(IpRanges=[{"CidrIp": "0.0.0.0/0", "Description": "x"}], Ipv6Ranges=[{"CidrIpv6": "::/0"}])
        permission = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        self.ec2.revoke_security_group_ingress(GroupId=self.group, IpPermissions=[permission])
        self.assertEqual(["::/0"], [rule["CidrIpv6"] for rule in self.ingress()])

    def test_by_permission_of_an_unknown_rule_depends_on_the_vpc(self):
        permission = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        answer = self.ec2.revoke_security_group_ingress(GroupId=self.group, IpPermissions=[permission])
        self.assertEqual("0.0.0.0/0", answer["UnknownIpPermissions"][0]["IpRanges"][0]["CidrIp"])
        vpc = self.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        group = self.ec2.create_security_group(GroupName="v", Description="v", VpcId=vpc)["GroupId"]
        self.refused("InvalidPermission.NotFound", self.ec2.revoke_security_group_ingress, GroupId=group, IpPermissions=[permission])

    def test_egress(self):
        self.ec2.revoke_security_group_egress(GroupId=self.group, IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
        shown = self.ec2.describe_security_groups(GroupIds=[self.group])["SecurityGroups"][0]
        self.assertEqual([], shown["IpPermissionsEgress"])


class Modify(Rules):
    def modify(self, rule_id, group=None, **rule):
        return self.ec2.modify_security_group_rules(
            GroupId=group or self.group, SecurityGroupRules=[{"SecurityGroupRuleId": rule_id, "SecurityGroupRule": {
                "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **rule}}])

    def test_keeps_id_and_tags_and_changes_the_rest(self):
        [rule] = self.authorize(IpRanges=[{"CidrIp": "0.0.0.0/0", "Description": "old"}], tags=[{"Key": "a", "Value": "b"}])
        self.modify(rule["SecurityGroupRuleId"], FromPort=23, ToPort=24, CidrIpv4="10.0.0.0/8", Description="new")
        self.assertEqual([{**rule, "FromPort": 23, "ToPort": 24, "CidrIpv4": "10.0.0.0/8", "Description": "new"}], self.ingress())

    def test_a_description_left_out_is_gone(self):
        [rule] = self.authorize(IpRanges=[{"CidrIp": "0.0.0.0/0", "Description": "old"}])
        self.modify(rule["SecurityGroupRuleId"], CidrIpv4="0.0.0.0/0")
        self.assertNotIn("Description", self.ingress()[0])

    def test_every_kind_of_source(self):
        [six] = self.authorize(Ipv6Ranges=[{"CidrIpv6": "::/0"}])
        self.modify(six["SecurityGroupRuleId"], CidrIpv6="2001:db8::/32")
        lists = [self.prefix_list("10.0.0.0/8")["PrefixListId"] for _ in range(2)]
        [by_list] = self.authorize(PrefixListIds=[{"PrefixListId": lists[0]}])
        self.modify(by_list["SecurityGroupRuleId"], PrefixListId=lists[1], Description="d")
        [by_group] = self.authorize(UserIdGroupPairs=[{"GroupId": self.group}])
        self.modify(by_group["SecurityGroupRuleId"], ReferencedGroupId=self.group, FromPort=1)
        shown = {rule["SecurityGroupRuleId"]: rule for rule in self.ingress()}
        self.assertEqual("2001:db8::/32", shown[six["SecurityGroupRuleId"]]["CidrIpv6"])
        self.assertEqual((lists[1], "d"), tuple(shown[by_list["SecurityGroupRuleId"]][k] for k in ("PrefixListId", "Description")))
        self.assertEqual(1, shown[by_group["SecurityGroupRuleId"]]["FromPort"])

    def test_refuses_unknown_ids_other_kinds_and_duplicates_and_changes_nothing(self):
        one, two = self.authorize(IpRanges=[{"CidrIp": "0.0.0.0/0"}, {"CidrIp": "10.0.0.0/8"}])
        self.refused("InvalidSecurityGroupRuleId.NotFound", self.modify, "sgr-0123456789abcdef0", CidrIpv4="10.0.0.0/8")
        self.refused("InvalidParameterValue", self.modify, one["SecurityGroupRuleId"], CidrIpv6="::/0")
        self.refused("InvalidPermission.Duplicate", self.modify, one["SecurityGroupRuleId"], CidrIpv4="10.0.0.0/8")
        self.assertEqual([one, two], self.ingress())

    def test_a_change_describes_the_whole_rule(self):
        [rule] = self.authorize(IpRanges=[{"CidrIp": "0.0.0.0/0"}])

        def change(**new):
            return self.ec2.modify_security_group_rules(GroupId=self.group, SecurityGroupRules=[
                {"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "SecurityGroupRule": new}])
        self.refused("MissingParameter", change, IpProtocol="tcp", FromPort=23, ToPort=23)
        self.refused("InvalidParameterValue", change, FromPort=23, ToPort=23, CidrIpv4="0.0.0.0/0")
        self.refused("InvalidParameterValue", change, IpProtocol="tcp", CidrIpv4="0.0.0.0/0")
        self.refused("InvalidParameterValue", change, IpProtocol="tcp", FromPort=-1, ToPort=-1, CidrIpv4="0.0.0.0/0")
        self.refused("InvalidParameterCombination", change, IpProtocol="tcp", FromPort=23, ToPort=23, CidrIpv4="0.0.0.0/0", CidrIpv6="::/0")
        self.assertEqual([rule], self.ingress())
        change(IpProtocol="-1", FromPort=-1, ToPort=-1, CidrIpv4="0.0.0.0/0")
        self.assertEqual([("-1", -1, -1)], [(now["IpProtocol"], now["FromPort"], now["ToPort"]) for now in self.ingress()])

    def test_two_rules_may_not_become_equal_and_may_change_places(self):
        one, two = self.authorize(IpRanges=[{"CidrIp": "0.0.0.0/0"}, {"CidrIp": "10.0.0.0/8"}])

        def change(*cidrs):
            return self.ec2.modify_security_group_rules(GroupId=self.group, SecurityGroupRules=[
                {"SecurityGroupRuleId": rule["SecurityGroupRuleId"],
                 "SecurityGroupRule": {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": cidr}}
                for rule, cidr in zip((one, two), cidrs)])
        self.refused("InvalidPermission.Duplicate", change, "192.168.0.0/16", "192.168.0.0/16")
        self.refused("InvalidPermission.Duplicate", change, "10.9.9.9/8")
        self.assertEqual([one, two], self.ingress())
        change("10.0.0.0/8", "0.0.0.0/0")
        self.assertEqual(["10.0.0.0/8", "0.0.0.0/0"], [rule["CidrIpv4"] for rule in self.ingress()])

    def test_a_source_of_another_account_stays_what_it_is(self):
        pair = {"GroupId": "sg-0123456789abcdef0", "UserId": "999900000001"}
        [rule] = self.authorize(UserIdGroupPairs=[pair])
        self.modify(rule["SecurityGroupRuleId"], FromPort=23, ToPort=23, ReferencedGroupId=pair["GroupId"])
        self.assertEqual([{**rule, "FromPort": 23, "ToPort": 23}], self.ingress())
        self.assertEqual(pair, rule["ReferencedGroupInfo"])

    def test_a_larger_prefix_list_counts_against_the_limit(self):
        small, large = (self.prefix_list("10.0.0.0/8", size=size)["PrefixListId"] for size in (2, 5))
        self.authorize(IpRanges=[{"CidrIp": f"10.{n}.0.0/16"} for n in range(56)])
        [rule] = self.authorize(PrefixListIds=[{"PrefixListId": small}])
        self.refused("RulesPerSecurityGroupLimitExceeded", self.modify, rule["SecurityGroupRuleId"], PrefixListId=large)
        self.assertIn(rule, self.ingress())

    def test_descriptions_by_rule_id(self):
        [rule] = self.authorize(IpRanges=[{"CidrIp": "0.0.0.0/0"}])
        self.ec2.update_security_group_rule_descriptions_ingress(
            GroupId=self.group, SecurityGroupRuleDescriptions=[{"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "Description": "n"}])
        self.assertEqual("n", self.ingress()[0]["Description"])


class Describe(Rules):
    def test_pages(self):
        made = self.authorize(IpRanges=[{"CidrIp": f"10.{n}.0.0/16"} for n in range(11)])
        wanted, sizes, found, token = [{"Name": "group-id", "Values": [self.group]}], [], [], {}
        while True:
            answer = self.ec2.describe_security_group_rules(Filters=wanted, MaxResults=5, **token)
            found += answer["SecurityGroupRules"]
            sizes.append(len(answer["SecurityGroupRules"]))
            if "NextToken" not in answer:
                break
            token = {"NextToken": answer["NextToken"]}
        self.assertEqual([5, 5, 2], sizes)
        self.assertEqual(made, [rule for rule in found if not rule["IsEgress"]])
        self.refused("InvalidParameterValue", self.ec2.describe_security_group_rules, MaxResults=1001)
        self.refused("InvalidParameterValue", self.ec2.describe_security_group_rules, NextToken="nonsense")

    def test_rules_by_id_tag_and_unknown_id(self):
        one, two = self.authorize(IpRanges=[{"CidrIp": "0.0.0.0/0"}, {"CidrIp": "10.0.0.0/8"}])
        self.ec2.create_tags(Resources=[two["SecurityGroupRuleId"]], Tags=[{"Key": "k", "Value": "v"}])
        by_id = self.ec2.describe_security_group_rules(SecurityGroupRuleIds=[one["SecurityGroupRuleId"]])["SecurityGroupRules"]
        by_tag = self.ec2.describe_security_group_rules(Filters=[{"Name": "tag:k", "Values": ["v"]}])["SecurityGroupRules"]
        self.assertEqual(([one], [two["SecurityGroupRuleId"]]), (by_id, [rule["SecurityGroupRuleId"] for rule in by_tag]))
        self.refused("InvalidSecurityGroupRuleId.NotFound", self.ec2.describe_security_group_rules, SecurityGroupRuleIds=["sgr-0123456789abcdef0"])

    def test_by_ids_there_is_one_page_unless_pages_are_asked_for(self):
        aws = LocalAws(BACKSTOP_LOCAL_PAGE="6")  # the cap that tests of page two set
        self.addCleanup(aws.close)
        self.ec2 = aws.client("ec2", self.account)
        self.group = self.ec2.create_security_group(GroupName="web", Description="w")["GroupId"]
        ids = [rule["SecurityGroupRuleId"] for rule in self.authorize(IpRanges=[{"CidrIp": f"10.{n}.0.0/16"} for n in range(11)])]

        def sizes(**named):
            found = self.ec2.get_paginator("describe_security_group_rules").paginate(**named)
            return [len(answer["SecurityGroupRules"]) for answer in found]
        by_group = [{"Name": "group-id", "Values": [self.group]}]
        self.assertEqual([11], sizes(SecurityGroupRuleIds=ids))
        self.assertEqual([5, 5, 1], sizes(SecurityGroupRuleIds=ids, PaginationConfig={"PageSize": 5}))
        self.assertEqual([6, 6], sizes(Filters=by_group))
        self.assertEqual([5, 5, 2], sizes(Filters=by_group, PaginationConfig={"PageSize": 5}))
        self.assertEqual([6, 6], sizes(Filters=by_group, PaginationConfig={"PageSize": 1000}))
        self.assertEqual([2], sizes(Filters=[{"Name": "security-group-rule-id", "Values": ids[:2]}]))
        self.assertEqual([1], sizes(SecurityGroupRuleIds=ids[:3], Filters=[{"Name": "security-group-rule-id", "Values": ids[2:]}]))

    def test_groups(self):
        self.ec2.create_tags(Resources=[self.group], Tags=[{"Key": "env", "Value": "prod"}])
        [shown] = self.ec2.describe_security_groups(GroupIds=[self.group])["SecurityGroups"]
        vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        self.assertEqual((self.account, vpc, "web", [{"Key": "env", "Value": "prod"}]),
                         (shown["OwnerId"], shown["VpcId"], shown["GroupName"], shown["Tags"]))
        [found] = self.ec2.describe_security_groups(Filters=[{"Name": "tag:env", "Values": ["prod"]}])["SecurityGroups"]
        self.assertEqual(self.group, found["GroupId"])
        self.refused("InvalidGroup.NotFound", self.ec2.describe_security_groups, GroupIds=["sg-0123456789abcdef0"])
        self.refused("InvalidGroupId.Malformed", self.ec2.describe_security_groups, GroupIds=["sg-x"])

    def test_groups_by_what_their_rules_allow(self):
        prefix_list = self.prefix_list("10.0.0.0/8")["PrefixListId"]
        self.authorize(Ipv6Ranges=[{"CidrIpv6": "::/0"}], PrefixListIds=[{"PrefixListId": prefix_list, "Description": "d"}])
        for name, value in (("ip-permission.ipv6-cidr", "::/0"), ("ip-permission.prefix-list-id", prefix_list)):
            [found] = self.ec2.describe_security_groups(Filters=[{"Name": name, "Values": [value]}])["SecurityGroups"]
            self.assertEqual(self.group, found["GroupId"])
        self.assertEqual([{"PrefixListId": prefix_list, "Description": "d"}], found["IpPermissions"][0]["PrefixListIds"])


class Delete(Rules):
    def test_refuses_a_group_that_is_in_use_or_is_the_default(self):
        other = self.ec2.create_security_group(GroupName="other", Description="o")["GroupId"]
        [rule] = self.authorize(UserIdGroupPairs=[{"GroupId": other}])
        self.refused("DependencyViolation", self.ec2.delete_security_group, GroupId=other)
        self.ec2.revoke_security_group_ingress(GroupId=self.group, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
        self.ec2.delete_security_group(GroupId=other)
        self.ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1, SecurityGroupIds=[self.group])
        self.refused("DependencyViolation", self.ec2.delete_security_group, GroupId=self.group)
        [default] = self.ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"]
        self.refused("CannotDelete", self.ec2.delete_security_group, GroupId=default["GroupId"])


class PrefixLists(Rules):
    def test_a_change_makes_a_version_and_needs_the_current_one(self):
        made = self.prefix_list("10.0.0.0/8", "192.168.0.0/16")
        change = {"PrefixListId": made["PrefixListId"], "RemoveEntries": [{"Cidr": "10.0.0.0/8"}]}
        self.refused("PrefixListVersionMismatch", self.ec2.modify_managed_prefix_list, CurrentVersion=7, **change)
        answer = self.ec2.modify_managed_prefix_list(CurrentVersion=1, **change)["PrefixList"]
        self.assertEqual((2, "office", "modify-complete"), (answer["Version"], answer["PrefixListName"], answer["State"]))
        def entries(**which):
            found = self.ec2.get_managed_prefix_list_entries(PrefixListId=made["PrefixListId"], **which)["Entries"]
            return [entry["Cidr"] for entry in found]
        self.assertEqual((["192.168.0.0/16"], ["10.0.0.0/8", "192.168.0.0/16"]), (entries(), entries(TargetVersion=1)))

    def test_pages_and_unknown_ids(self):
        made = self.prefix_list(*(f"10.{n}.0.0/16" for n in range(5)))
        page = self.ec2.get_managed_prefix_list_entries(PrefixListId=made["PrefixListId"], MaxResults=3)
        rest = self.ec2.get_managed_prefix_list_entries(PrefixListId=made["PrefixListId"], MaxResults=3, NextToken=page["NextToken"])
        self.assertEqual((3, 2), (len(page["Entries"]), len(rest["Entries"])))
        for call in (self.ec2.get_managed_prefix_list_entries, self.ec2.delete_managed_prefix_list):
            self.refused("InvalidPrefixListID.NotFound", call, PrefixListId="pl-0123456789abcdef0")


class AwsPrefixLists(Rules):
    """The lists that AWS manages: in every Region, owned by `AWS`, for reading and referring to."""
    NAMES = {
        "com.amazonaws.eu-west-1.s3": "IPv4", "com.amazonaws.eu-west-1.dynamodb": "IPv4", "com.amazonaws.eu-west-1.s3express": "IPv4",
        "com.amazonaws.eu-west-1.ec2-instance-connect": "IPv4", "com.amazonaws.eu-west-1.ipv6.ec2-instance-connect": "IPv6",
        "com.amazonaws.eu-west-1.route53-healthchecks": "IPv4", "com.amazonaws.eu-west-1.ipv6.route53-healthchecks": "IPv6",
        "com.amazonaws.eu-west-1.vpc-lattice": "IPv4", "com.amazonaws.eu-west-1.ipv6.vpc-lattice": "IPv6",
        "com.amazonaws.global.cloudfront.origin-facing": "IPv4", "com.amazonaws.global.ipv6.cloudfront.origin-facing": "IPv6",
        "com.amazonaws.global.groundstation": "IPv4"}

    def lists(self, region="us-east-1", account=None):
        ec2 = self.client("ec2", region=region, account=account or self.account)
        found = ec2.get_paginator("describe_managed_prefix_lists").paginate(Filters=[{"Name": "owner-id", "Values": ["AWS"]}])
        return {each["PrefixListName"]: each for answer in found for each in answer["PrefixLists"]}

    def list_id(self, name):
        return self.lists()[f"com.amazonaws.{name}"]["PrefixListId"]

    def test_every_region_has_them_with_the_same_ids_for_all_accounts(self):
        lists = self.lists("eu-west-1")
        self.assertEqual(self.NAMES, {name: each["AddressFamily"] for name, each in lists.items()})
        for each in lists.values():
            self.assertEqual(("AWS", "create-complete"), (each["OwnerId"], each["State"]))
            self.assertRegex(each["PrefixListId"], "^pl-[0-9a-f]{17}$")
            self.assertEqual(f"arn:aws:ec2:eu-west-1:aws:prefix-list/{each['PrefixListId']}", each["PrefixListArn"])
            self.assertFalse({"MaxEntries", "Version"} & each.keys(), "AWS shows neither")
        ids = {each["PrefixListId"] for each in lists.values()}
        self.assertEqual(lists, self.lists("eu-west-1", account="222299999999"), "and all accounts share them")
        self.assertFalse(ids & {each["PrefixListId"] for each in self.lists("us-east-1").values()}, "each Region has its own")

    def test_their_entries_are_read_page_by_page(self):
        cidrs, token = [], {}
        while True:
            answer = self.ec2.get_managed_prefix_list_entries(
                PrefixListId=self.list_id("us-east-1.ec2-instance-connect"), MaxResults=1, **token)
            self.assertEqual(1, len(answer["Entries"]))
            cidrs += [entry["Cidr"] for entry in answer["Entries"]]
            if "NextToken" not in answer:
                break
            token = {"NextToken": answer["NextToken"]}
        self.assertEqual(2, len(set(cidrs)), cidrs)
        six = self.ec2.get_managed_prefix_list_entries(PrefixListId=self.list_id("us-east-1.ipv6.ec2-instance-connect"))["Entries"]
        self.assertTrue(six and all(":" in entry["Cidr"] for entry in six), six)

    def test_nobody_changes_or_deletes_them(self):
        name = self.list_id("us-east-1.ec2-instance-connect")
        before = self.ec2.get_managed_prefix_list_entries(PrefixListId=name)["Entries"]
        self.refused("UnauthorizedOperation", self.ec2.modify_managed_prefix_list, PrefixListId=name, AddEntries=[{"Cidr": "10.0.0.0/8"}])
        self.refused("UnauthorizedOperation", self.ec2.modify_managed_prefix_list, PrefixListId=name, PrefixListName="mine")
        self.refused("UnauthorizedOperation", self.ec2.delete_managed_prefix_list, PrefixListId=name)
        self.assertEqual(before, self.ec2.get_managed_prefix_list_entries(PrefixListId=name)["Entries"])

    def test_nobody_makes_a_list_that_looks_like_one(self):
        name = "com.amazonaws.us-east-1.ec2-instance-connect"
        self.refused("InvalidParameterValue", self.ec2.create_managed_prefix_list, PrefixListName=name, MaxEntries=1, AddressFamily="IPv4")
        mine = self.prefix_list("10.0.0.0/8")["PrefixListId"]
        self.refused("InvalidParameterValue", self.ec2.modify_managed_prefix_list, PrefixListId=mine, PrefixListName=name)

    def test_a_rule_that_names_one_counts_by_its_weight(self):
        def fill(count):
            group = self.ec2.create_security_group(GroupName=secrets.token_hex(8), Description="f")["GroupId"]
            self.authorize(group=group, IpRanges=[{"CidrIp": f"10.{n}.0.0/16"} for n in range(count)])
            return group

        def refer(group, name):
            return self.authorize(group=group, PrefixListIds=[{"PrefixListId": self.list_id(name)}])
        for name, weight in (("global.cloudfront.origin-facing", 55), ("us-east-1.ec2-instance-connect", 2), ("us-east-1.s3", 1)):
            refer(fill(60 - weight), name)
            self.refused("RulesPerSecurityGroupLimitExceeded", refer, fill(61 - weight), name)
