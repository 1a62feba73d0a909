/**
 * What must not go unseen: each alarm pages. How responses end is not among it: the functions tell
 * that themselves, and a function that cannot leaves a dead letter.
 */
import { Duration } from 'aws-cdk-lib';
import {
  Alarm, ComparisonOperator, type IMetric, MathExpression, Metric, TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { Manifest } from './manifest.ts';
import * as metrics from './metrics.ts';
import {
  LANES, PREFIX, arns, deadLetters, functionName, heartbeatDeadLetters, ruleDeadLetters, ruleName,
} from './names.ts';

/** Alarms that page, under names that begin alike. */
class Alarms extends Construct {
  private readonly pages: ITopic;
  private readonly prefix: string;

  constructor(scope: Construct, id: string, prefix: string) {
    super(scope, id);
    this.pages = Topic.fromTopicArn(this, 'Pages', arns(this).topic('page'));
    this.prefix = prefix;
  }

  protected above0(name: string, metric: IMetric, alarmDescription: string): void {
    this.alarm(name, {
      metric, alarmDescription,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      threshold: 0,
      evaluationPeriods: 1,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
  }

  protected waiting(name: string, queue: string): void {
    this.above0(name, metrics.waiting(queue), 'Something could not be handled, and waits in the '
      + 'dead-letter queue: read it, mend the cause, then send it again (docs/deployment.md).');
  }

  /** Silence for 15 minutes. */
  protected silent(name: string, beats: IMetric, alarmDescription: string): void {
    this.alarm(name, {
      // Without the zeros, CloudWatch looks further back for points that are not missing, and
      // stays OK for longer. Where there never was a point, missing data counts.
      metric: new MathExpression({
        expression: 'FILL(beats, 0)', usingMetrics: { beats }, period: Duration.minutes(5),
      }),
      alarmDescription,
      comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
      threshold: 1,
      evaluationPeriods: 3,
      datapointsToAlarm: 3,
      treatMissingData: TreatMissingData.BREACHING,
    });
  }

  private alarm(name: string, props: Omit<ConstructorParameters<typeof Alarm>[2], 'alarmName'>): void {
    new Alarm(this, name, { ...props, alarmName: `${this.prefix}-${name}` })
      .addAlarmAction(new SnsAction(this.pages));
  }
}

export class ResponderAlarms extends Alarms {
  constructor(scope: Construct, id: string, { responder, control, rules }: Manifest) {
    super(scope, id, `${PREFIX}-${responder}`);
    for (const lane of LANES) {
      this.waiting(`${lane}-dlq`, deadLetters(responder, lane));
      this.above0(`${lane}-throttles`, new Metric({
        namespace: 'AWS/Lambda', metricName: 'Throttles', statistic: 'Sum',
        dimensionsMap: { FunctionName: functionName(responder, lane) }, period: Duration.minutes(5),
      }), 'Invocations wait for the reserved concurrency: raise it, or find out who floods it.');
    }
    this.waiting('rules-dlq', ruleDeadLetters(responder));
    for (const rule of rules) {
      this.above0(`${rule.name}-lost`, new Metric({
        namespace: 'AWS/Events', metricName: 'InvocationsFailedToBeSentToDlq', statistic: 'Sum',
        dimensionsMap: { RuleName: ruleName(responder, rule.name) }, period: Duration.minutes(5),
      }), 'EventBridge could neither invoke the function nor keep the event: it is lost.');
    }
    this.silent('heartbeat', metrics.heartbeats(control), 'No heartbeat came through bus, rule and '
      + 'function for 15 minutes: events may not be handled either.');
  }
}

export class SharedAlarms extends Alarms {
  /** `regions`: those in scope, the home Region among them or not. */
  constructor(scope: Construct, id: string, regions: readonly string[]) {
    super(scope, id, PREFIX);
    this.waiting('heartbeat-dlq', heartbeatDeadLetters());
    for (const region of regions) {
      this.silent(`heartbeat-${region}`, metrics.regionalHeartbeats(region), 'No heartbeat came '
        + `from ${region} for 15 minutes: what happens there may not be seen.`);
    }
  }
}
