/** What must not go unseen: each alarm pages. Missing data is fine, but for the heartbeat. */
import { Duration } from 'aws-cdk-lib';
import {
  Alarm, ComparisonOperator, type IMetric, Metric, TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { Manifest } from './manifest.ts';
import * as metrics from './metrics.ts';
import { PREFIX, arns, functionName, ruleName } from './names.ts';

export interface ResponderAlarmsProps {
  readonly manifest: Manifest;
  readonly functions: readonly IFunction[];
  readonly queues: readonly Queue[];
}

export class ResponderAlarms extends Construct {
  private readonly pages: ITopic;
  private readonly prefix: string;

  constructor(scope: Construct, id: string, props: ResponderAlarmsProps) {
    super(scope, id);
    const { manifest } = props;
    this.pages = Topic.fromTopicArn(this, 'Pages', arns(this).topic('page'));
    this.prefix = `${PREFIX}-${manifest.responder}`;

    for (const queue of props.queues) {
      const name = queue.node.scope === this.node.scope ? 'rules' : queue.node.scope!.node.id;
      this.above0(`${name}-dlq`, queue.metricApproximateNumberOfMessagesVisible({
        period: Duration.minutes(1), statistic: 'Maximum',
      }), 'Something could not be handled, and waits in the dead-letter queue: read it, mend the '
        + 'cause, then send it again (docs/deployment.md).');
    }
    for (const lane of ['unattended', 'attended'] as const) {
      const of = (metricName: string) => new Metric({
        namespace: 'AWS/Lambda', metricName, statistic: 'Sum', period: Duration.minutes(5),
        dimensionsMap: { FunctionName: functionName(manifest.responder, lane) },
      });
      if (lane === 'unattended') {
        // A person sees the error of what they started.
        this.above0('errors', of('Errors'), 'Invocations fail; Lambda tries each twice more.');
      }
      this.above0(`${lane}-throttles`, of('Throttles'),
        'Invocations wait for the reserved concurrency: raise it, or find out who floods it.');
    }
    for (const rule of manifest.rules) {
      this.above0(`${rule.name}-undelivered`, new Metric({
        namespace: 'AWS/Events', metricName: 'FailedInvocations', statistic: 'Sum',
        dimensionsMap: { RuleName: ruleName(manifest.responder, rule.name) },
        period: Duration.minutes(5),
      }), 'EventBridge cannot invoke the function for this rule.');
    }
    this.above0('failed', metrics.incidents(manifest.control, 'failed'),
      'A response failed: its incident says which step and why.');
    for (const limit of metrics.LIMITS) {
      this.above0(`limit-${limit}`, metrics.limit(manifest.control, limit),
        'A limit has stopped unattended responses: they are held, and wait for a person.');
    }
    new Alarm(this, 'heartbeat', {
      alarmName: `${this.prefix}-heartbeat`,
      alarmDescription: 'No heartbeat came through bus, rule and function for 15 minutes: events '
        + 'may not be handled either.',
      metric: metrics.heartbeats(manifest.control),
      comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
      threshold: 1,
      evaluationPeriods: 3,
      datapointsToAlarm: 3,
      // Silence is what it is about.
      treatMissingData: TreatMissingData.BREACHING,
    }).addAlarmAction(new SnsAction(this.pages));
  }

  private above0(name: string, metric: IMetric, description: string): void {
    new Alarm(this, name, {
      alarmName: `${this.prefix}-${name.toLowerCase()}`,
      alarmDescription: description,
      metric,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      threshold: 0,
      evaluationPeriods: 1,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    }).addAlarmAction(new SnsAction(this.pages));
  }
}
