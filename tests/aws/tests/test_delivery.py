"""From a rule or a schedule to its target: who may, and what becomes of what cannot be delivered."""
import json

from support import TestCase, allow
from test_lambda import Functions

PATTERN = {"source": ["aws.ec2"], "detail-type": ["AWS API Call via CloudTrail"]}


class Delivery(TestCase):
    def queue(self, name, *services, region="us-east-1"):
        """A queue that these services may send to; its URL and ARN."""
        sqs = self.client("sqs", region=region)
        url, arn = sqs.create_queue(QueueName=name)["QueueUrl"], f"arn:aws:sqs:{region}:{self.account}:{name}"
        statement = {"Effect": "Allow", "Principal": {"Service": list(services)}, "Action": "sqs:SendMessage", "Resource": arn,
                     "Condition": {"StringEquals": {"aws:SourceAccount": self.account}}}
        if services:
            sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})})
        return url, arn

    def messages(self, url, region="us-east-1"):
        return self.client("sqs", region=region).receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get("Messages", [])

    def only(self, url, region="us-east-1"):
        found = self.eventually(lambda: self.messages(url, region))
        self.assertEqual(1, len(found))
        attributes = {k: v["StringValue"] for k, v in found[0].get("MessageAttributes", {}).items()}
        return json.loads(found[0]["Body"]), attributes

    def rule(self, name, target, region="us-east-1", state="ENABLED", pattern=PATTERN, **named):
        events = self.client("events", region=region)
        arn = events.put_rule(Name=name, EventPattern=json.dumps(pattern), State=state)["RuleArn"]
        events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": target, **named}])
        return arn

    def put(self, region="us-east-1", **detail):
        entry = {"Source": "aws.ec2", "DetailType": "AWS API Call via CloudTrail", "Detail": json.dumps(detail)}
        self.assertEqual(0, self.client("events", region=region).put_events(Entries=[entry])["FailedEntryCount"])


class Rules(Delivery):
    def test_what_only_reads_comes_to_a_rule_that_asks_for_it(self):
        (url, queue), (all_url, all_queue) = self.queue("q", "events.amazonaws.com"), self.queue("all", "events.amazonaws.com")
        self.rule("r", queue)
        self.rule("all", all_queue, state="ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")
        self.rule("off", queue, state="DISABLED")
        self.put(eventName="RunInstances", readOnly=False)
        self.put(eventName="DescribeInstances", readOnly=True)
        self.put(eventName="TestEventPattern", readOnly=True)
        names = lambda url: sorted(json.loads(m["Body"])["detail"]["eventName"] for m in self.messages(url))
        self.assertEqual(["RunInstances", "TestEventPattern"], names(url))
        self.assertEqual(["DescribeInstances", "RunInstances", "TestEventPattern"], names(all_url))

    def test_a_queue_gets_what_its_policy_lets_in_and_the_rest_is_a_dead_letter(self):
        url, queue = self.queue("q")
        letters, dlq = self.queue("rules-dlq", "events.amazonaws.com")
        rule = self.rule("r", queue, DeadLetterConfig={"Arn": dlq})
        self.put(eventName="RunInstances")
        event, attributes = self.only(letters)
        self.assertEqual("RunInstances", event["detail"]["eventName"])
        self.assertEqual((rule, queue, "NO_PERMISSIONS"), tuple(attributes[k] for k in ("RULE_ARN", "TARGET_ARN", "ERROR_CODE")))
        self.assertEqual([], self.messages(url))

    def test_a_dead_letter_needs_a_queue_that_lets_it_in(self):
        letters, dlq = self.queue("closed")
        self.rule("r", f"arn:aws:sqs:us-east-1:{self.account}:none", DeadLetterConfig={"Arn": dlq})
        open_letters, open_dlq = self.queue("open", "events.amazonaws.com")
        self.rule("other", f"arn:aws:lambda:us-east-1:{self.account}:function:none", DeadLetterConfig={"Arn": open_dlq})
        self.put(eventName="RunInstances")
        self.assertEqual("NO_RESOURCE", self.only(open_letters)[1]["ERROR_CODE"])
        self.assertEqual([], self.messages(letters))

    def forwarding(self, home, *statements, trust="events.amazonaws.com"):
        role = self.role("forward", *statements, trust=trust)
        letters, dlq = self.queue("forward-dlq", "events.amazonaws.com", region="us-east-1")
        self.rule("forward", home, RoleArn=role, DeadLetterConfig={"Arn": dlq})
        url, queue = self.queue("home", "events.amazonaws.com", region="eu-west-1")
        self.rule("home", queue, region="eu-west-1")
        self.put(eventName="RunInstances")
        return letters, url

    def test_another_region_gets_the_event_as_it_was(self):
        home = f"arn:aws:events:eu-west-1:{self.account}:event-bus/default"
        _, url = self.forwarding(home, {"Effect": "Allow", "Action": "events:PutEvents", "Resource": home})
        event, _ = self.only(url, region="eu-west-1")
        self.assertEqual(("us-east-1", self.account, "aws.ec2"), (event["region"], event["account"], event["source"]))

    def test_two_regions_that_forward_to_each_other_do_so_once(self):
        url, queue = self.queue("home", "events.amazonaws.com", region="eu-west-1")
        role = self.role("forward", allow("events:PutEvents"), trust="events.amazonaws.com")
        for here, there in (("us-east-1", "eu-west-1"), ("eu-west-1", "us-east-1")):
            self.rule("forward", f"arn:aws:events:{there}:{self.account}:event-bus/default", region=here, RoleArn=role)
        self.rule("home", queue, region="eu-west-1")
        self.put(eventName="RunInstances")
        self.only(url, region="eu-west-1")

    def test_a_role_that_may_not_put_events_there_makes_a_dead_letter(self):
        home = f"arn:aws:events:eu-west-1:{self.account}:event-bus/default"
        letters, url = self.forwarding(home, {"Effect": "Allow", "Action": "events:PutEvents", "Resource": home.replace("default", "other")})
        self.assertEqual("NO_PERMISSIONS", self.only(letters)[1]["ERROR_CODE"])
        self.assertEqual([], self.messages(url, region="eu-west-1"))

    def test_a_role_of_another_service_is_not_taken_on(self):
        home = f"arn:aws:events:eu-west-1:{self.account}:event-bus/default"
        letters, _ = self.forwarding(home, allow("events:PutEvents"), trust="lambda.amazonaws.com")
        self.assertEqual("FAILED_TO_ASSUME_ROLE", self.only(letters)[1]["ERROR_CODE"])


class RulesOfFunctions(Delivery, Functions):
    def test_a_function_is_invoked_by_the_rule_that_its_policy_names_and_no_other(self):
        function = self.deploy("f")
        letters, dlq = Delivery.queue(self, "rules-dlq", "events.amazonaws.com")
        rules = [self.rule(name, function, DeadLetterConfig={"Arn": dlq}) for name in ("named", "other")]
        self.functions.add_permission(
            FunctionName="f", StatementId="s", Action="lambda:InvokeFunction", Principal="events.amazonaws.com", SourceArn=rules[0],
            SourceAccount=self.account)
        self.put(eventName="RunInstances")
        self.eventually(lambda: self.handled("f"))
        _, attributes = self.only(letters)
        self.assertEqual((rules[1], "NO_PERMISSIONS"), (attributes["RULE_ARN"], attributes["ERROR_CODE"]))
        self.assertEqual(1, self.handled("f"))


class Scheduling(Delivery):
    def schedule(self, target, *statements, name="s", text='{"a": 1}', expression="rate(1 hour)", group="backstop", **named):
        scheduler = self.client("scheduler")
        try:
            scheduler.create_schedule_group(Name=group)
        except scheduler.exceptions.ConflictException:
            pass
        trust = {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole",
            "Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:scheduler:us-east-1:{self.account}:schedule-group/backstop"}}}]}
        iam = self.client("iam")
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))
        return scheduler.create_schedule(
            Name=name, GroupName=group, ScheduleExpression=expression, FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": target, "RoleArn": role, "Input": text, **named})["ScheduleArn"]

    def fire(self, name="s"):
        status, answer = self.aws.control("POST", "fire", {"account": self.account, "region": "us-east-1", "schedule": name})
        return answer if status != 200 else answer["sent"]


class Schedules(Scheduling):
    def test_it_sends_its_input_with_the_keywords_replaced(self):
        url, queue = self.queue("q")
        text = json.dumps({"slot": "<aws.scheduler.scheduled-time>", "of": "<aws.scheduler.schedule-arn>", "try": "<aws.scheduler.attempt-number>"})
        arn = self.schedule(queue, allow("sqs:SendMessage"), text=text)
        self.assertIs(True, self.fire())
        sent, _ = self.only(url)
        self.assertRegex(sent.pop("slot"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual({"of": arn, "try": "1"}, sent)

    def test_at_its_time_it_puts_an_event_of_its_own_source_on_the_bus(self):
        bus = f"arn:aws:events:us-east-1:{self.account}:event-bus/default"
        url, queue = self.queue("q", "events.amazonaws.com")
        self.rule("beats", queue, pattern={"source": ["backstop.heartbeat"], "detail": {"a": [1]}})
        own = {**allow("events:PutEvents"), "Condition": {"StringEquals": {"events:source": ["backstop.heartbeat"]}}}
        foreign = {"Source": "other", "DetailType": "Heartbeat"}
        self.schedule(bus, own, name="foreign", EventBridgeParameters=foreign)
        self.assertIs(False, self.fire("foreign"))
        self.schedule(bus, own, expression="at(2026-01-01T00:00:00)", EventBridgeParameters={**foreign, "Source": "backstop.heartbeat"})
        event, _ = self.only(url)
        self.assertEqual(("backstop.heartbeat", "Heartbeat", {"a": 1}), (event["source"], event["detail-type"], event["detail"]))

    def test_without_permission_it_sends_a_dead_letter_if_its_role_may(self):
        url, queue = self.queue("q")
        letters, dlq = self.queue("dlq")
        arn = self.schedule(queue, {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": dlq}, DeadLetterConfig={"Arn": dlq})
        self.assertIs(False, self.fire())
        body, attributes = self.only(letters)
        self.assertEqual(({"a": 1}, arn, "AccessDeniedException"), (body, attributes["SCHEDULE_ARN"], attributes["ERROR_CODE"]))
        self.schedule(queue, name="mute", DeadLetterConfig={"Arn": dlq})
        self.assertIs(False, self.fire("mute"))
        self.assertEqual([], self.messages(letters) + self.messages(url))

    def test_a_role_is_taken_on_for_the_group_that_it_trusts(self):
        _, queue = self.queue("q")
        self.schedule(queue, allow("sqs:SendMessage"), name="elsewhere", group="other")
        self.assertIs(False, self.fire("elsewhere"))

    def test_one_that_is_not_there(self):
        self.assertIn("0 schedules", self.fire("none")["error"])


class SchedulesOfFunctions(Scheduling, Functions):
    def test_it_invokes_a_function(self):
        function = self.deploy("f")
        self.schedule(function, allow("lambda:InvokeFunction"), text='{"backstop": {"sweep": {}}}')
        self.assertIs(True, self.fire())
        self.eventually(lambda: self.handled("f"))
