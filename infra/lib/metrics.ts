/** The metrics that the functions write, and those that AWS writes about them. */
import { Duration } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { METRICS } from './names.ts';

/** Outcomes as `Incidents` counts them, in the order in which the dashboard shows them. */
export const OUTCOMES = ['contained', 'partial', 'held', 'failed', 'planned', 'observed',
  'compliant', 'undone', 'duplicate'] as const;
/** The limits that `LimitsReached` counts. */
export const LIMITS = ['fight', 'breaker'] as const;

const own = (name: string, statistic: string, dimensionsMap: Record<string, string>, period: Duration) =>
  new Metric({ namespace: METRICS, metricName: name, statistic, dimensionsMap, period });

export const incidents = (control: string, outcome: string, period = Duration.minutes(5)) =>
  own('Incidents', 'Sum', { Control: control, Outcome: outcome }, period);
export const time = (control: string, name: string, statistic: string, period = Duration.hours(1)) =>
  own(name, statistic, { Control: control }, period);
export const limit = (control: string, limit: string, period = Duration.minutes(5)) =>
  own('LimitsReached', 'Sum', { Control: control, Limit: limit }, period);
export const heartbeats = (control: string, period = Duration.minutes(5)) =>
  own('Heartbeats', 'Sum', { Control: control }, period);
export const regionalHeartbeats = (region: string, period = Duration.minutes(5)) =>
  own('Heartbeats', 'Sum', { Region: region }, period);

/** Messages that wait in a queue. */
export const waiting = (queueName: string, period = Duration.minutes(1)) => new Metric({
  namespace: 'AWS/SQS', metricName: 'ApproximateNumberOfMessagesVisible', statistic: 'Maximum',
  dimensionsMap: { QueueName: queueName }, period,
});
