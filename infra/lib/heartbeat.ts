/** Puts a heartbeat on the bus every five minutes; each responder's rule for it does the rest. */
import { Duration } from 'aws-cdk-lib';
import { PolicyDocument, PolicyStatement, Role } from 'aws-cdk-lib/aws-iam';
import { CfnSchedule, CfnScheduleGroup } from 'aws-cdk-lib/aws-scheduler';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledgeDeadLetterQueue } from './checks.ts';
import { PREFIX, arns } from './names.ts';
import { HEARTBEAT } from './responder.ts';
import { schedulerTrust } from './schedules.ts';

export class Heartbeat extends Construct {
  constructor(scope: Construct, id: string) {
    super(scope, id);
    const name = `${PREFIX}-heartbeat`;
    const bus = arns(this).bus();
    const undelivered = new Queue(this, 'Undelivered', {
      queueName: `${name}-dlq`,
      retentionPeriod: Duration.days(14), // SQS's maximum
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
    });
    acknowledgeDeadLetterQueue(undelivered);
    const group = new CfnScheduleGroup(this, 'Group', { name });
    const role = new Role(this, 'Role', {
      roleName: `${name}-scheduler`,
      description: 'Puts heartbeats on the default bus',
      assumedBy: schedulerTrust(this, name),
      inlinePolicies: {
        backstop: new PolicyDocument({
          statements: [
            new PolicyStatement({
              actions: ['events:PutEvents'],
              resources: [bus],
              conditions: { StringEquals: { 'events:source': HEARTBEAT.pattern.source } },
            }),
            new PolicyStatement({ actions: ['sqs:SendMessage'], resources: [undelivered.queueArn] }),
          ],
        }),
      },
    });
    new CfnSchedule(this, 'Schedule', {
      name,
      groupName: name,
      description: 'A heartbeat for every responder',
      scheduleExpression: 'rate(5 minutes)',
      flexibleTimeWindow: { mode: 'OFF' },
      target: {
        arn: bus,
        roleArn: role.roleArn,
        eventBridgeParameters: {
          source: HEARTBEAT.pattern.source[0]!,
          detailType: HEARTBEAT.pattern['detail-type'][0]!,
        },
        input: '{}',
        deadLetterConfig: { arn: undelivered.queueArn },
        // A late heartbeat proves nothing.
        retryPolicy: { maximumEventAgeInSeconds: 60, maximumRetryAttempts: 1 },
      },
    }).addResourceDependency(group);
  }
}
