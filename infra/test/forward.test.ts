/** Forwarding: everything that a manifest's rules match, each event once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forwardings } from '../lib/forward.ts';
import { type Manifest, type Pattern, type Rule, manifests } from '../lib/manifest.ts';
import { ACCOUNT, HOME, POLICY, synthesise } from './synthesised.ts';

const calls = (source: string, eventName: NonNullable<Pattern['detail']>['eventName']): Pattern => ({
  source: [source], 'detail-type': ['AWS API Call via CloudTrail'],
  detail: { eventName, errorCode: [{ exists: false }] },
});
const rule = (pattern: Pattern, more: Partial<Rule> = {}): Rule =>
  ({ name: 'r', pattern, state: 'ENABLED', scope: 'regional', ...more });
const of = (...rules: Rule[]): Manifest => ({ ...manifests()[0]!, rules });

/** Whether a pattern matches an event; only what our patterns hold. */
function matches(pattern: Pattern, event: { source: string; type: string; name?: string }): boolean {
  return pattern.source.includes(event.source) && pattern['detail-type'].includes(event.type)
    && (pattern.detail === undefined || pattern.detail.eventName.some((name) =>
      typeof name === 'string' ? name === event.name : event.name?.startsWith(name.prefix)));
}

/** An event for each name of each rule. */
const events = (all: readonly Manifest[]) => all.flatMap((m) => m.rules).flatMap((one) => {
  const base = { source: one.pattern.source[0]!, type: one.pattern['detail-type'][0]! };
  return (one.pattern.detail?.eventName ?? [undefined]).flatMap((name) =>
    name === undefined ? [base] : typeof name === 'string' ? [{ ...base, name }]
      : [{ ...base, name: name.prefix }, { ...base, name: `${name.prefix}20150331v2` }]);
});

const SPECIAL = 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS';
const cases: Record<string, readonly Manifest[]> = {
  'the manifests': manifests(),
  'two responders that watch the same call': [
    of(rule(calls('aws.ec2', ['RunInstances', 'CreateFleet']))), of(rule(calls('aws.ec2', ['RunInstances'])))],
  'a name and a prefix that covers it': [
    of(rule(calls('aws.lambda', [{ prefix: 'UpdateFunctionCode' }]))),
    of(rule(calls('aws.lambda', ['UpdateFunctionCode20150331v2'])))],
  'the same call in both states': [
    of(rule(calls('aws.sts', ['AssumeRole']))), of(rule(calls('aws.sts', ['AssumeRole']), { state: SPECIAL }))],
  'a prefix in one state, a name under it in the other': [
    of(rule(calls('aws.lambda', [{ prefix: 'UpdateFunctionCode' }]), { state: SPECIAL })),
    of(rule(calls('aws.lambda', ['UpdateFunctionCode20150331v2'])))],
  'a name in the special state, a prefix over it in the ordinary one': [
    of(rule(calls('aws.lambda', ['UpdateFunctionCode20150331v2']), { state: SPECIAL })),
    of(rule(calls('aws.lambda', [{ prefix: 'UpdateFunctionCode' }])))],
  'a prefix under another one': [
    of(rule(calls('aws.lambda', [{ prefix: 'Update' }, { prefix: 'UpdateFunction' }])))],
  'every call of a service beside some': [
    of(rule({ source: ['aws.ecr'], 'detail-type': ['AWS API Call via CloudTrail'] })),
    of(rule(calls('aws.ecr', ['PutImage'])))],
  'native events beside calls': [
    of(rule({ source: ['aws.ec2'], 'detail-type': ['EC2 Instance State-change Notification'] })),
    of(rule({ source: ['aws.ec2'], 'detail-type': ['EC2 Instance State-change Notification'] }),
      rule(calls('aws.ec2', ['RunInstances'])))],
  'more names than one pattern holds': [
    of(rule(calls('aws.ssm', Array.from({ length: 300 }, (_, n) => `SomeRatherLongEventName${n}`))))],
  'a prefix, and names under it beyond the length of a pattern': [
    of(rule(calls('aws.ssm', [...Array.from({ length: 300 }, (_, n) => `SomeRatherLongEventName${n}`),
      { prefix: 'SomeRatherLong' }])))],
};

for (const [name, all] of Object.entries(cases)) {
  test(`${name}: every event is forwarded once`, () => {
    const rules = forwardings(all, 'eu-central-1');
    for (const event of events(all)) {
      const matched = rules.filter((one) => matches(one.pattern, event));
      assert.equal(matched.length, 1, `${JSON.stringify(event)}: ${matched.map((m) => m.name)}`);
    }
    for (const one of rules) {
      assert.ok(JSON.stringify(one.pattern).length <= 4096, one.name);
      assert.ok(one.name.length <= 64, one.name);
    }
    assert.equal(new Set(rules.map((r) => r.name)).size, rules.length);
  });
}

test('a call that one rule sees only in the special state is forwarded in it', () => {
  const [only] = forwardings([of(rule(calls('aws.sts', ['AssumeRole']), { state: SPECIAL }))], 'eu-central-1');
  assert.equal(only!.state, SPECIAL);
});

test('what is recorded in us-east-1 only is forwarded from there only', () => {
  const iam = [of(rule(calls('aws.iam', ['AttachRolePolicy']), { scope: 'us-east-1' }),
    rule(calls('aws.ec2', ['RunInstances'])))];
  const sources = (region: string) => forwardings(iam, region).map((r) => r.pattern.source[0])
    .filter((source) => source !== 'backstop.heartbeat');
  assert.deepEqual(sources('us-east-1'), ['aws.iam', 'aws.ec2']);
  assert.deepEqual(sources('eu-central-1'), ['aws.ec2']);
});

test('the heartbeat of another Region comes home', () => {
  const beats = forwardings(manifests(), 'eu-central-1')
    .filter((one) => one.pattern.source.includes('backstop.heartbeat'));
  assert.deepEqual(beats.map((one) => one.pattern),
    [{ source: ['backstop.heartbeat'], 'detail-type': ['Backstop Heartbeat'] }]);
  const [schedule] = synthesise().of('AWS::Scheduler::Schedule', 'backstop-forward-us-east-1');
  assert.equal(schedule.Target.Arn, `arn:aws:events:us-east-1:${ACCOUNT}:event-bus/default`);
});

test('a Region in scope forwards to the home bus as a role that may do only that', () => {
  const stacks = synthesise();
  const stack = 'backstop-forward-us-east-1';
  const bus = `arn:aws:events:${HOME}:${ACCOUNT}:event-bus/default`;
  const rules = stacks.of('AWS::Events::Rule', stack);
  assert.deepEqual(rules.map((r) => [r.Name, r.EventPattern, r.State]),
    forwardings(manifests(), 'us-east-1').map((f) => [f.name, f.pattern, f.state]));
  for (const { Targets: [target] } of rules) {
    assert.equal(target.Arn, bus);
    assert.equal(target.RoleArn, `arn:aws:iam::${ACCOUNT}:role/${stack}`);
    assert.equal(target.DeadLetterConfig.Arn, `arn:aws:sqs:us-east-1:${ACCOUNT}:${stack}-dlq`);
  }
  const role = stacks.one('AWS::IAM::Role', 'RoleName', stack);
  assert.deepEqual(role.Policies[0].PolicyDocument.Statement,
    [{ Action: 'events:PutEvents', Effect: 'Allow', Resource: bus }]);
  assert.deepEqual(stacks.app.synth().stacks.filter((s) => s.stackName === stack)
    .map((s) => s.environment.region), ['us-east-1']);
});

test('IAM that nobody watches is said at synthesis', () => {
  const iam = [of(rule(calls('aws.iam', ['AttachRolePolicy']), { scope: 'us-east-1' }))];
  const said = (policy: string) => JSON.stringify(synthesise({ manifests: iam, policy }).app.synth()
    .stacks.flatMap((s) => s.messages));
  assert.match(said(POLICY.replace('"eu-west-1", "us-east-1"', '"eu-west-1"')), /IAM is not watched/);
  assert.doesNotMatch(said(POLICY), /IAM is not watched/);
});
