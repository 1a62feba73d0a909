/** Alarms and dashboard read metrics that are written: names, dimensions and words of the Rust. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { manifests } from '../lib/manifest.ts';
import { LIMITS, OUTCOMES } from '../lib/metrics.ts';
import { ACCOUNT, HOME, list, synthesise } from './synthesised.ts';

const rust = (path: string) => readFileSync(new URL(`../../shared/${path}`, import.meta.url), 'utf8');
const stacks = synthesise();

/** Metric and set of dimensions, as `emf.rs` documents them; a Rust test holds it to that. */
const written = new Set(rust('lambda/src/emf.rs').split('\n')
  .filter((line) => /^\/\/! \| `/.test(line))
  .flatMap((line) => {
    const [, names, , dimensions] = line.slice(4).split('|').map((cell) => cell.trim());
    const words = (cell: string) => [...cell.matchAll(/`(\w+)`/g)].map((m) => m[1]!);
    return words(names!).flatMap((name) => dimensions!.split(';')
      .map((set) => `${name} by ${words(set).sort()}`));
  }));

interface Read { readonly namespace: string; readonly name: string; readonly dimensions: Record<string, string> }

/** Every metric of the dashboard, from CloudWatch's short form of it. */
function dashboard(): Read[] {
  const [board] = stacks.of('AWS::CloudWatch::Dashboard');
  const body = JSON.parse(board.DashboardBody);
  return body.widgets.flatMap((widget: any) => (widget.properties.metrics ?? []).map((row: any[]) => {
    const [namespace, name, ...rest] = row.filter((cell) => typeof cell === 'string');
    const dimensions: Record<string, string> = {};
    for (let i = 0; i + 1 < rest.length; i += 2) dimensions[rest[i]!] = rest[i + 1]!;
    return { namespace, name, dimensions };
  }));
}

const alarms: any[] = [...stacks.of('AWS::CloudWatch::Alarm')];
/** The metrics of an alarm: its own, or those of its expression. */
const stats = (alarm: any): any[] => alarm.Metrics === undefined ? [alarm]
  : alarm.Metrics.flatMap((m: any) => (m.MetricStat === undefined ? [] : [m.MetricStat.Metric]));
const read: Read[] = [...dashboard(), ...alarms.flatMap(stats).map((metric) => ({
  namespace: metric.Namespace, name: metric.MetricName,
  dimensions: Object.fromEntries(metric.Dimensions.map((d: any) => [d.Name, d.Value])),
}))];

test('every metric of ours that is read is one that is written', () => {
  assert.ok(written.size >= 6, [...written].join('; '));
  const own = read.filter((metric) => metric.namespace === 'Backstop');
  assert.ok(own.length > 15);
  for (const { name, dimensions } of own) {
    const set = `${name} by ${Object.keys(dimensions).sort()}`;
    assert.ok(written.has(set), `${set} is read, and never written`);
  }
  const controls = new Set(manifests().map((m) => m.control));
  for (const { dimensions } of own) {
    assert.ok('Region' in dimensions || controls.has(dimensions['Control']!), JSON.stringify(dimensions));
  }
});

test('outcomes and limits are those that there are', () => {
  const words = (name: string) => {
    const body = rust('core/src/words.rs').split(new RegExp(`\\n    ${name} \\{`))[1]!.split('\n    }')[0]!;
    return [...body.matchAll(/= "([a-z-]+)"/g)].map((m) => m[1]);
  };
  assert.deepEqual(list(OUTCOMES), list(words('Outcome')));
  assert.deepEqual(list(LIMITS), list(words('Limit')));
});

test('the namespace is the one that is written', () => {
  assert.match(rust('lambda/src/emf.rs'), /const NAMESPACE: &str = "Backstop";/);
  assert.match(rust('core/src/metrics.rs'), /const HEARTBEAT: &str = "backstop\.heartbeat";/);
});

test('what AWS writes is asked for by names of ours', () => {
  const names = new Set(['FunctionName', 'QueueName', 'RuleName']);
  const known = new Set([...stacks.of('AWS::Lambda::Function').map((f) => f.FunctionName),
    ...stacks.of('AWS::SQS::Queue').map((q) => q.QueueName),
    ...stacks.of('AWS::Events::Rule').map((r) => r.Name)]);
  for (const { namespace, dimensions } of read.filter((m) => m.namespace?.startsWith('AWS/'))) {
    for (const [key, value] of Object.entries(dimensions)) {
      assert.ok(names.has(key), `${namespace}: ${key}`);
      const name = String(value).split('/').at(-1)!;
      assert.ok(known.has(name), `${namespace} ${key} ${value}`);
    }
  }
});

test('silence of any Region is an alarm, at home', () => {
  const own = stacks.of('AWS::CloudWatch::Alarm', 'backstop-shared');
  assert.deepEqual(list(own.map((a) => a.AlarmName)), ['backstop-heartbeat-dlq',
    ...[HOME, 'us-east-1'].map((region) => `backstop-heartbeat-${region}`)]);
  for (const alarm of own.filter((a) => !a.AlarmName.endsWith('-dlq'))) {
    assert.equal(alarm.TreatMissingData, 'breaching');
    assert.deepEqual([alarm.Threshold, alarm.EvaluationPeriods, alarm.DatapointsToAlarm], [1, 3, 3]);
    assert.ok(alarm.Metrics.some((m: any) => m.Expression === 'FILL(beats, 0)'));
  }
});

for (const manifest of manifests()) {
  test(`${manifest.responder}: silence is an alarm, nothing else that is missing is`, () => {
    const own = alarms.filter((a) => a.AlarmName.startsWith(`backstop-${manifest.responder}-`));
    for (const alarm of own) {
      const heartbeat = alarm.AlarmName.endsWith('-heartbeat');
      assert.equal(alarm.TreatMissingData, heartbeat ? 'breaching' : 'notBreaching', alarm.AlarmName);
      assert.deepEqual(alarm.AlarmActions, [`arn:aws:sns:${HOME}:${ACCOUNT}:backstop-page`]);
      assert.ok(alarm.AlarmDescription.length > 20, alarm.AlarmName);
    }
    const names = own.map((a) => a.AlarmName.replace(`backstop-${manifest.responder}-`, ''));
    assert.deepEqual(list(names), list(['heartbeat', 'unattended-dlq', 'attended-dlq', 'rules-dlq',
      'unattended-throttles', 'attended-throttles', ...manifest.rules.map((r) => `${r.name}-lost`)]));
  });

  test(`${manifest.responder}: the dashboard has its times, outcomes, queues and limits`, () => {
    const [board] = stacks.of('AWS::CloudWatch::Dashboard');
    const of = dashboard().filter((m) => m.dimensions['Control'] === manifest.control);
    const stat = JSON.stringify(JSON.parse(board.DashboardBody));
    for (const p of ['"stat":"p50"', '"stat":"p99"']) assert.ok(stat.includes(p), p);
    assert.equal(of.filter((m) => m.name === 'EventToContain').length, 2);
    assert.deepEqual(list([...new Set(of.filter((m) => m.name === 'Incidents').map((m) => m.dimensions['Outcome']))]),
      list(OUTCOMES));
    assert.deepEqual(list(of.filter((m) => m.name === 'LimitsReached').map((m) => m.dimensions['Limit'])), list(LIMITS));
    assert.equal(dashboard().filter((m) => m.dimensions['QueueName']?.startsWith(`backstop-${manifest.responder}-`)).length, 3);
  });
}
