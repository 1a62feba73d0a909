/**
 * Puts a heartbeat on the Region's bus every five minutes. Each responder's rule for it does the
 * rest; from another Region, it comes by way of the forwarding.
 */
import { PolicyDocument, PolicyStatement, Role } from 'aws-cdk-lib/aws-iam';
import { CfnSchedule, CfnScheduleGroup } from 'aws-cdk-lib/aws-scheduler';
import { Construct } from 'constructs';
import { DeadLetters } from './dead-letters.ts';
import { arns, heartbeat, heartbeatDeadLetters } from './names.ts';
import { HEARTBEAT } from './responder.ts';
import { schedulerTrust } from './schedules.ts';

export class Heartbeat extends Construct {
  /** `away`: the Region, if it is not the home Region. Roles are of all Regions. */
  constructor(scope: Construct, id: string, away?: string) {
    super(scope, id);
    const name = heartbeat(away);
    const bus = arns(this).bus();
    const { queue } = new DeadLetters(this, 'Undelivered', heartbeatDeadLetters(away));
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
            new PolicyStatement({ actions: ['sqs:SendMessage'], resources: [queue.queueArn] }),
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
        deadLetterConfig: { arn: queue.queueArn },
        // A late heartbeat proves nothing.
        retryPolicy: { maximumEventAgeInSeconds: 60, maximumRetryAttempts: 1 },
      },
    }).addResourceDependency(group);
  }
}
