/** The schedules of a responder's manifest: EventBridge Scheduler, straight to the function. */
import { Stack } from 'aws-cdk-lib';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { CfnSchedule, CfnScheduleGroup } from 'aws-cdk-lib/aws-scheduler';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { Manifest } from './manifest.ts';
import { PREFIX, arns } from './names.ts';

export interface SchedulesProps {
  readonly manifest: Manifest;
  readonly function: IFunction;
  /** Where an invocation goes that could not be made. */
  readonly deadLetters: IQueue;
}

/** Only this group's schedules may use the role: another one's would be a confused deputy. */
export function schedulerTrust(scope: Construct, group: string): ServicePrincipal {
  return new ServicePrincipal('scheduler.amazonaws.com', {
    conditions: {
      StringEquals: {
        'aws:SourceAccount': Stack.of(scope).account,
        'aws:SourceArn': arns(scope).of('scheduler', `schedule-group/${group}`),
      },
    },
  });
}

export class Schedules extends Construct {
  constructor(scope: Construct, id: string, props: SchedulesProps) {
    super(scope, id);
    const { manifest } = props;
    if (manifest.schedules.length === 0) return;
    const name = `${PREFIX}-${manifest.responder}`;
    const group = new CfnScheduleGroup(this, 'Group', { name });
    const role = new Role(this, 'Role', {
      roleName: `${name}-scheduler`,
      description: `Invokes ${name}-unattended on schedule`,
      assumedBy: schedulerTrust(this, name),
      inlinePolicies: {
        backstop: new PolicyDocument({
          statements: [
            new PolicyStatement({
              actions: ['lambda:InvokeFunction'], resources: [props.function.functionArn],
            }),
            new PolicyStatement({
              actions: ['sqs:SendMessage'], resources: [props.deadLetters.queueArn],
            }),
          ],
        }),
      },
    });
    for (const schedule of manifest.schedules) {
      const one = new CfnSchedule(this, schedule.name, {
        name: `${name}-${schedule.name}`,
        groupName: name,
        description: schedule.title,
        scheduleExpression: schedule.expression,
        // Spread, so that ten responders do not read the same account in the same second.
        flexibleTimeWindow: { mode: 'FLEXIBLE', maximumWindowInMinutes: 5 },
        target: {
          arn: props.function.functionArn,
          roleArn: role.roleArn,
          // The slot is filled in by Scheduler: a second delivery finds what the first has made.
          input: JSON.stringify({
            backstop: { sweep: { schedule: schedule.name, slot: '<aws.scheduler.scheduled-time>' } },
          }),
          deadLetterConfig: { arn: props.deadLetters.queueArn },
          retryPolicy: { maximumEventAgeInSeconds: 3600, maximumRetryAttempts: 3 },
        },
      });
      one.addResourceDependency(group);
    }
  }
}
