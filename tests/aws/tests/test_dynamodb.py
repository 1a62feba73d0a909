"""What the journal relies on in DynamoDB."""
from support import TestCase


class Journal(TestCase):
    def setUp(self):
        super().setUp()
        self.aws.control("POST", "setup", {"account": self.account, "region": "us-east-1"})
        self.db = self.client("dynamodb")

    def key(self, sk, pk="i#1"):
        return {"pk": {"S": pk}, "sk": {"S": sk}}

    def item(self, sk, pk="i#1", **more):
        return {**self.key(sk, pk), **{k: {"S": v} for k, v in more.items()}}

    def put(self, sk, pk="i#1", condition=None, **more):
        extra = {"ConditionExpression": condition} if condition else {}
        return self.db.put_item(TableName="backstop-journal", Item=self.item(sk, pk, **more), **extra)

    def get(self, sk):
        return self.db.get_item(TableName="backstop-journal", Key=self.key(sk), ConsistentRead=True).get("Item")

    def write(self, *items, **named):
        return self.db.transact_write_items(TransactItems=[{kind: {"TableName": "backstop-journal", **item}} for kind, item in items], **named)

    def query(self, **named):
        return self.db.query(TableName="backstop-journal", **named)


class Transactions(Journal):
    def test_check_put_and_update_happen_together(self):
        self.put("h", owner="me")
        self.write(("ConditionCheck", {"Key": self.key("c"), "ConditionExpression": "attribute_not_exists(pk)"}),
                   ("Put", {"Item": self.item("s#1")}),
                   ("Update", {"Key": self.key("h"), "UpdateExpression": "SET lease = :l", "ConditionExpression": "#o = :me",
                               "ExpressionAttributeNames": {"#o": "owner"}, "ExpressionAttributeValues": {":l": {"S": "later"}, ":me": {"S": "me"}}}))
        self.assertEqual((self.item("s#1"), "later"), (self.get("s#1"), self.get("h")["lease"]["S"]))

    def test_a_cancelled_one_changes_nothing_and_says_why_in_order(self):
        self.put("h", owner="other")
        answer = self.refused("TransactionCanceledException", self.write,
                              ("Put", {"Item": self.item("s#1")}),
                              ("Update", {"Key": self.key("h"), "UpdateExpression": "SET lease = :l", "ConditionExpression": "#o = :me",
                                          "ExpressionAttributeNames": {"#o": "owner"}, "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                                          "ExpressionAttributeValues": {":l": {"S": "later"}, ":me": {"S": "me"}}}),
                              ("ConditionCheck", {"Key": self.key("c"), "ConditionExpression": "attribute_exists(pk)"}),
                              ("Put", {"Item": self.item("s#2")}))
        self.assertEqual(["None", "ConditionalCheckFailed", "ConditionalCheckFailed", "None"], [r["Code"] for r in answer["CancellationReasons"]])
        self.assertEqual(self.item("h", owner="other"), answer["CancellationReasons"][1]["Item"])
        self.assertNotIn("Item", answer["CancellationReasons"][2])
        self.assertIn("[None, ConditionalCheckFailed, ConditionalCheckFailed, None]", answer["Error"]["Message"])
        self.assertEqual((None, None, self.item("h", owner="other")), (self.get("s#1"), self.get("s#2"), self.get("h")))

    def test_a_client_request_token_applies_once(self):
        add = ("Update", {"Key": self.key("n"), "UpdateExpression": "ADD n :one", "ExpressionAttributeValues": {":one": {"N": "1"}}})
        for _ in range(2):
            self.write(add, ClientRequestToken="token-1")
        self.assertEqual("1", self.get("n")["n"]["N"])
        self.write(add, ClientRequestToken="token-2")
        self.assertEqual("2", self.get("n")["n"]["N"])
        self.refused("IdempotentParameterMismatchException", self.write, ("Put", {"Item": self.item("x")}), ClientRequestToken="token-1")

    def test_the_same_item_twice_is_refused(self):
        self.refused("ValidationException", self.write, ("Put", {"Item": self.item("a")}), ("Put", {"Item": self.item("a")}))


class Items(Journal):
    def test_a_claim_is_put_once(self):
        self.put("h", condition="attribute_not_exists(pk)")
        self.refused("ConditionalCheckFailedException", self.put, "h", condition="attribute_not_exists(pk)", owner="late")

    def test_update_returns_the_new_values_and_keeps_nested_data(self):
        value = {"M": {"a": {"L": [{"N": "1.50"}, {"BOOL": True}, {"NULL": True}]}, "s": {"SS": ["a", "b"]}}}
        answer = self.db.update_item(TableName="backstop-journal", Key=self.key("h"), UpdateExpression="SET d = :d",
                                     ExpressionAttributeValues={":d": value}, ReturnValues="ALL_NEW")["Attributes"]
        self.assertEqual([{"N": "1.5"}, {"BOOL": True}, {"NULL": True}], answer["d"]["M"]["a"]["L"])
        self.assertEqual(["a", "b"], sorted(self.get("h")["d"]["M"]["s"]["SS"]))

    def test_a_missing_table_is_an_error(self):
        for call in (lambda: self.db.get_item(TableName="nothing", Key=self.key("a")), lambda: self.db.put_item(TableName="nothing", Item=self.key("a")),
                     lambda: self.db.query(TableName="nothing", KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": {"S": "a"}}),
                     lambda: self.db.transact_write_items(TransactItems=[{"Put": {"TableName": "nothing", "Item": self.key("a")}}])):
            self.refused("ResourceNotFoundException", call)

    def test_an_item_over_the_limit_is_refused(self):
        self.refused("ValidationException", self.put, "big", body="x" * 410_000)


class Queries(Journal):
    def test_prefix_in_order_and_in_pages(self):
        for n in range(7):
            self.put(f"s#{n:03}")
        self.put("h")
        self.put("s#000", pk="i#2")
        found, sizes, start = [], [], {}
        while True:
            answer = self.query(KeyConditionExpression="pk = :p AND begins_with(sk, :s)", Limit=3, ConsistentRead=True,
                                ExpressionAttributeValues={":p": {"S": "i#1"}, ":s": {"S": "s#"}}, **start)
            found += [item["sk"]["S"] for item in answer["Items"]]
            sizes.append(answer["Count"])
            if "LastEvaluatedKey" not in answer:
                break
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
        self.assertEqual(([f"s#{n:03}" for n in range(7)], [3, 3, 1]), (found, sizes))

    def test_backwards_and_filtered_after_the_limit(self):
        for n in range(4):
            self.put(f"s#{n}", kind="odd" if n % 2 else "even")
        values = {":p": {"S": "i#1"}}
        back = self.query(KeyConditionExpression="pk = :p", ExpressionAttributeValues=values, ScanIndexForward=False, Limit=1)
        self.assertEqual(["s#3"], [i["sk"]["S"] for i in back["Items"]])
        some = self.query(KeyConditionExpression="pk = :p", FilterExpression="kind = :k", Limit=2,
                          ExpressionAttributeValues={**values, ":k": {"S": "odd"}})
        self.assertEqual((1, 2, True), (some["Count"], some["ScannedCount"], "LastEvaluatedKey" in some))

    def test_a_page_ends_at_one_megabyte(self):
        for n in range(4):
            self.put(f"e#{n}", body="x" * 390_000)
        first = self.query(KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": {"S": "i#1"}})
        self.assertLess(first["Count"], 4)
        self.assertIn("LastEvaluatedKey", first)

    def test_indexes_in_order_of_time_and_in_pages(self):
        for n in (3, 1, 2):
            self.put("h", pk=f"i#{n}", day="2026-01-01", at=f"2026-01-01T00:00:0{n}Z", outcome="held")
        self.put("h", pk="i#9", day="2026-01-02", at="2026-01-02T00:00:00Z")
        wanted = {"IndexName": "by-day", "KeyConditionExpression": "#d = :d AND #a > :a", "ExpressionAttributeNames": {"#d": "day", "#a": "at"},
                  "ExpressionAttributeValues": {":d": {"S": "2026-01-01"}, ":a": {"S": "2026-01-01T00:00:01Z"}}, "Limit": 1}
        first = self.query(**wanted)
        second = self.query(**wanted, ExclusiveStartKey=first["LastEvaluatedKey"])
        self.assertEqual([("i#2", "held"), ("i#3", "held")], [(i["pk"]["S"], i["outcome"]["S"]) for i in first["Items"] + second["Items"]])
        self.refused("ValidationException", self.query, **{**wanted, "ConsistentRead": True})

    def test_a_sparse_index_holds_what_is_unfinished(self):
        self.put("h", pk="i#1", unfinished="y", at="2026-01-01T00:00:00Z")
        self.put("h", pk="i#2", at="2026-01-01T00:00:00Z")

        def unfinished():
            answer = self.query(IndexName="unfinished", KeyConditionExpression="unfinished = :y", ExpressionAttributeValues={":y": {"S": "y"}})
            return [item["pk"]["S"] for item in answer["Items"]]

        self.assertEqual(["i#1"], unfinished())
        self.db.update_item(TableName="backstop-journal", Key=self.key("h"), UpdateExpression="REMOVE unfinished")
        self.assertEqual([], unfinished())
