"""Notifications: SNS to SQS, as the subscribers of the three topics see them."""
import json

from support import TestCase


class Topics(TestCase):
    def setUp(self):
        super().setUp()
        self.sns, self.sqs = self.client("sns"), self.client("sqs")
        self.topic = self.sns.create_topic(Name="backstop-page")["TopicArn"]
        self.queue = self.sqs.create_queue(QueueName="pager")["QueueUrl"]
        self.arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": self.arn}]})})

    def received(self):
        found = self.eventually(lambda: self.sqs.receive_message(QueueUrl=self.queue, MessageAttributeNames=["All"]).get("Messages"))
        return found[0]

    def subscribe(self, **attributes):
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=self.arn, Attributes=attributes)

    def test_each_protocol_gets_its_own_wording(self):
        self.subscribe()
        self.sns.publish(TopicArn=self.topic, Subject="SSH open", MessageStructure="json", Message=json.dumps({
            "default": "short", "sqs": json.dumps({"incident": "i-1"}), "email": "Dear all"}))
        envelope = json.loads(self.received()["Body"])
        self.assertEqual(("Notification", self.topic, "SSH open", {"incident": "i-1"}),
                         (envelope["Type"], envelope["TopicArn"], envelope["Subject"], json.loads(envelope["Message"])))

    def test_loopback_counts_as_tls(self):
        statement = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sns:Publish", "Resource": self.topic}
        refuse = lambda secure: self.sns.set_topic_attributes(TopicArn=self.topic, AttributeName="Policy", AttributeValue=json.dumps({
            "Version": "2012-10-17", "Statement": [{**statement, "Condition": {"Bool": {"aws:SecureTransport": secure}}}]}))
        refuse("false")
        self.sns.publish(TopicArn=self.topic, Message="m")
        refuse("true")
        self.refused("AuthorizationError", self.sns.publish, TopicArn=self.topic, Message="m")

    def test_default_is_used_and_required(self):
        self.subscribe(RawMessageDelivery="true")
        self.sns.publish(TopicArn=self.topic, MessageStructure="json", Message=json.dumps({"default": "short"}))
        self.assertEqual("short", self.received()["Body"])
        for wrong in ("not json", json.dumps({"email": "x"})):
            self.refused("InvalidParameter", self.sns.publish, TopicArn=self.topic, MessageStructure="json", Message=wrong)

    def test_attributes_filter_and_travel(self):
        self.subscribe(RawMessageDelivery="true", FilterPolicy=json.dumps({"urgency": ["page"]}))
        for urgency in ("info", "page"):
            self.sns.publish(TopicArn=self.topic, Message=urgency, MessageAttributes={"urgency": {"DataType": "String", "StringValue": urgency}})
        message = self.received()
        self.assertEqual(("page", "page"), (message["Body"], message["MessageAttributes"]["urgency"]["StringValue"]))
        self.assertNotIn("Messages", self.sqs.receive_message(QueueUrl=self.queue))

    def test_a_missing_topic_and_a_message_over_the_limit_are_refused(self):
        self.refused("NotFound", self.sns.publish, TopicArn=self.topic + "x", Message="m")
        self.refused("InvalidParameter", self.sns.publish, TopicArn=self.topic, Message="x" * 262_145)
        self.refused("InvalidParameter", self.sns.publish, TopicArn=self.topic, Message="m", Subject="x" * 101)
