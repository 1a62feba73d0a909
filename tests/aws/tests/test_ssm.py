"""OpsItems, and where the rest of Systems Manager is answered."""
import json

from support import TestCase


def dedup(value):
    return {"/aws/dedup": {"Type": "SearchableString", "Value": json.dumps({"dedupString": value})}}


class OpsItems(TestCase):
    def setUp(self):
        super().setUp()
        self.ssm = self.client("ssm")

    def create(self, **named):
        return self.ssm.create_ops_item(**{"Title": "SSH open", "Source": "backstop", "Description": "d", **named})["OpsItemId"]

    def test_round_trip(self):
        made = self.create(Severity="2", Priority=1, OperationalData={"incident": {"Value": "i-1", "Type": "SearchableString"}})
        item = self.ssm.get_ops_item(OpsItemId=made)["OpsItem"]
        self.assertRegex(made, "^oi-[0-9a-f]{12}$")
        self.assertEqual(("Open", "backstop", "2", 1, "i-1"), (item["Status"], item["Source"], item["Severity"], item["Priority"],
                                                               item["OperationalData"]["incident"]["Value"]))

    def test_the_same_dedup_string_is_refused_while_open_and_names_the_open_item(self):
        made = self.create(OperationalData=dedup("i-1"))
        self.create(OperationalData=dedup("i-2"))
        for status in ("Open", "InProgress"):
            self.ssm.update_ops_item(OpsItemId=made, Status=status)
            answer = self.refused("OpsItemAlreadyExistsException", self.create, OperationalData=dedup("i-1"))
            self.assertEqual(made, answer["OpsItemId"])
        self.ssm.update_ops_item(OpsItemId=made, Status="Resolved")
        self.assertNotEqual(made, self.create(OperationalData=dedup("i-1")))

    def test_limits(self):
        self.create(Title="x" * 1024, Description="x" * 2048)
        for wrong in ({"Title": "x" * 1025}, {"Description": "x" * 2049}, {"Title": ""},
                      {"OperationalData": {"/aws/dedup": {"Value": "not json"}}}):
            self.refused_by_either(**wrong)
        for key in ("awsThing", "amazon", "ssm-x", "/aws/other"):
            self.refused("OpsItemInvalidParameterException", self.create, OperationalData={key: {"Value": "v", "Type": "String"}})
        self.create(OperationalData={key: {"Value": "[]", "Type": "String"} for key in ("/aws/resources", "/aws/automations")})

    def refused_by_either(self, **named):
        """botocore refuses some values itself, by the same limits."""
        from botocore.exceptions import ParamValidationError
        try:
            self.refused("OpsItemInvalidParameterException", self.create, **named)
        except ParamValidationError:
            pass

    def test_update_merges_and_deletes_operational_data(self):
        made = self.create(OperationalData={"a": {"Value": "1", "Type": "String"}, "b": {"Value": "2", "Type": "String"}})
        self.ssm.update_ops_item(OpsItemId=made, Title="new", OperationalData={"c": {"Value": "3", "Type": "String"}}, OperationalDataToDelete=["a"])
        item = self.ssm.get_ops_item(OpsItemId=made)["OpsItem"]
        self.assertEqual(("new", {"b", "c"}, "2"), (item["Title"], set(item["OperationalData"]), item["Version"]))
        self.refused("OpsItemNotFoundException", self.ssm.get_ops_item, OpsItemId="oi-000000000000")

    def test_describe_filters_and_pages(self):
        made = [self.create(Title=f"item {n}", Source="backstop" if n % 2 else "person", OperationalData=dedup(f"i-{n}")) for n in range(6)]
        self.ssm.update_ops_item(OpsItemId=made[1], Status="Resolved")

        def found(*filters, **named):
            wanted = [dict(zip(("Key", "Values", "Operator"), f)) for f in filters]
            return [i["OpsItemId"] for i in self.ssm.describe_ops_items(OpsItemFilters=wanted, **named)["OpsItemSummaries"]]

        self.assertEqual([made[3], made[5]], found(("Source", ["backstop"], "Equal"), ("Status", ["Open"], "Equal")))
        self.assertEqual([made[4]], found(("Title", ["item 4"], "Contains")))
        self.assertEqual([made[2]], found(("OperationalDataValue", ["i-2"], "Contains")))
        self.assertEqual(made, found(("CreatedTime", ["2020-01-01T00:00:00Z"], "GreaterThan")))
        first = self.ssm.describe_ops_items(MaxResults=4)
        second = self.ssm.describe_ops_items(MaxResults=4, NextToken=first["NextToken"])
        self.assertEqual((4, 2, False), (len(first["OpsItemSummaries"]), len(second["OpsItemSummaries"]), "NextToken" in second))


class Routing(TestCase):
    def test_parameters_and_their_tags_live_in_one_place(self):
        ssm = self.client("ssm")
        ssm.put_parameter(Name="/a", Value="b", Type="String")
        ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId="/a", Tags=[{"Key": "k", "Value": "v"}])
        tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/a")["TagList"]
        self.assertEqual(("b", [{"Key": "k", "Value": "v"}]), (ssm.get_parameter(Name="/a")["Parameter"]["Value"], tags))
