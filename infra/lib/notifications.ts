/** How people are told: topics by urgency and for approvals, encrypted with a key of their own. */
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Effect, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import { APPROVALS, KEY_ALIAS, URGENCIES, arns, topicName } from './names.ts';
import type { Settings } from './settings.ts';

export class Notifications extends Construct {
  constructor(scope: Construct, id: string, settings: Settings) {
    super(scope, id);
    const key = new Key(this, 'Key', {
      alias: KEY_ALIAS,
      description: 'Encrypts what Backstop tells people',
      enableKeyRotation: true,
      pendingWindow: Duration.days(30), // KMS's maximum: deleted by mistake, it can come back
      // Nothing at rest depends on it: messages are delivered within minutes.
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const { account } = Stack.of(this);
    const alarms = new ServicePrincipal('cloudwatch.amazonaws.com');
    const ofThisAccount = { StringEquals: { 'aws:SourceAccount': account } };
    key.addToResourcePolicy(new PolicyStatement({
      sid: 'Alarms',
      effect: Effect.ALLOW,
      principals: [alarms],
      actions: ['kms:Decrypt', 'kms:GenerateDataKey*'],
      resources: ['*'], // in a key's policy: this key
      conditions: ofThisAccount,
    }));
    const approvals = new Topic(this, 'approvals', {
      topicName: APPROVALS,
      displayName: 'Backstop approvals',
      masterKey: key,
      enforceSSL: true,
    });
    if (settings.email.page !== undefined) {
      approvals.addSubscription(new EmailSubscription(settings.email.page));
    }
    for (const urgency of URGENCIES) {
      const topic = new Topic(this, urgency, {
        topicName: topicName(urgency),
        displayName: `Backstop ${urgency}`,
        masterKey: key,
        enforceSSL: true,
      });
      if (urgency === 'page') {
        topic.addToResourcePolicy(new PolicyStatement({
          sid: 'Alarms',
          effect: Effect.ALLOW,
          principals: [alarms],
          actions: ['sns:Publish'],
          resources: [topic.topicArn],
          conditions: {
            ...ofThisAccount,
            ArnLike: { 'aws:SourceArn': arns(this).of('cloudwatch', 'alarm:backstop-*') },
          },
        }));
      }
      const address = settings.email[urgency];
      if (address !== undefined) topic.addSubscription(new EmailSubscription(address));
    }
  }
}
