/** One dashboard: how fast things were contained, how they ended, and what waits for a person. */
import { Duration } from 'aws-cdk-lib';
import {
  Dashboard as CloudWatchDashboard, GraphWidget, type IWidget, Row, SingleValueWidget, TextWidget,
} from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import type { Manifest } from './manifest.ts';
import * as metrics from './metrics.ts';
import { LANES, PREFIX, deadLetters, ruleDeadLetters } from './names.ts';

export class Dashboard extends Construct {
  constructor(scope: Construct, id: string, manifests: readonly Manifest[]) {
    super(scope, id);
    new CloudWatchDashboard(this, 'Dashboard', {
      dashboardName: PREFIX,
      defaultInterval: Duration.days(7),
      widgets: manifests.map(rows).flatMap((control) => control.map((widgets) => [new Row(...widgets)])),
    });
  }
}

/** The two rows of one control: a title, then times, outcomes, what waits, what stopped it. */
function rows(manifest: Manifest): IWidget[][] {
  const { control, responder } = manifest;
  const percentile = (name: string, label: string) => ['p50', 'p99'].map((statistic) =>
    metrics.time(control, name, statistic).with({ label: `${label} ${statistic}` }));
  const queues = [...LANES.map((lane) => deadLetters(responder, lane)), ruleDeadLetters(responder)];
  return [
    [new TextWidget({
      width: 24, height: 1, markdown: `## ${control} · ${responder}: ${manifest.title}`,
    })],
    [
      new GraphWidget({
        title: 'Time to contain', width: 6, height: 6,
        leftYAxis: { label: 'ms', showUnits: false, min: 0 },
        left: [...percentile('EventToContain', 'contained'),
          ...percentile('EventToVerified', 'verified')],
      }),
      new GraphWidget({
        title: 'Outcomes', width: 6, height: 6, stacked: true, leftYAxis: { min: 0 },
        left: metrics.OUTCOMES.map((outcome) =>
          metrics.incidents(control, outcome, Duration.hours(1)).with({ label: outcome })),
      }),
      new SingleValueWidget({
        title: 'Waits for a person', width: 6, height: 6, setPeriodToTimeRange: true,
        metrics: ['held', 'partial', 'planned', 'failed'].map((outcome) =>
          metrics.incidents(control, outcome, Duration.days(1)).with({ label: outcome })),
      }),
      new GraphWidget({
        title: 'Not handled, and limits', width: 6, height: 6, leftYAxis: { min: 0 },
        left: queues.map((queue) => metrics.waiting(queue).with({ label: queue })),
        right: [
          ...metrics.LIMITS.map((limit) =>
            metrics.limit(control, limit).with({ label: `limit: ${limit}` })),
          metrics.heartbeats(control).with({ label: 'heartbeats' }),
        ],
      }),
    ],
  ];
}
