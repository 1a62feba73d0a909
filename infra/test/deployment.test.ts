/** What a deployment says that it will do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { App } from 'aws-cdk-lib';
import cdk from '../cdk.json' with { type: 'json' };
import { describe, plan, regions, removal } from '../lib/deployment.ts';
import { manifests } from '../lib/manifest.ts';
import { settings } from '../lib/settings.ts';
import { ACCOUNT, HOME, POLICY } from './synthesised.ts';

const context = { ...cdk.context, approvers: 'arn:aws:iam::111111111111:role/OnCall' };
const configured = (policy = POLICY) => settings(new App({ context }).node, policy);
const existing = (stacks: Record<string, Record<string, string>>, account = ACCOUNT) => ({
  account,
  stacks: new Map(Object.entries(stacks).map(([r, s]) => [r, new Map(Object.entries(s))] as const)),
});
const CDK = { CDKToolkit: 'CREATE_COMPLETE' };
const responders = manifests().map((m) => m.responder);

test('the first deployment observes, although the policy says enforce', () => {
  const first = plan(configured(), manifests(), existing({ [HOME]: CDK, 'us-east-1': CDK }));
  assert.deepEqual(first.deployed, []);
  assert.deepEqual(first.unprepared, []);
  assert.deepEqual(first.steps.map((s) => [s.stack, s.region, s.change]), [
    ['backstop-journal', HOME, 'create'],
    ['backstop-shared', HOME, 'create'],
    ...responders.map((r) => [`backstop-${r}`, HOME, 'create']),
    ['backstop-forward-us-east-1', 'us-east-1', 'create'],
  ]);
  for (const step of first.steps.filter((s) => s.mode)) assert.equal(step.mode, 'observe');
  const said = describe(first);
  assert.match(said, /^account 111111111111, home Region eu-west-1, arm64\n/);
  assert.match(said, /create {2}backstop-ssh-access +eu-west-1 +mode observe \(first deployment/);
});

test('the next one does what the policy says, for whoever was there', () => {
  const there = { [HOME]: { ...CDK, 'backstop-ssh-access': 'UPDATE_COMPLETE' }, 'us-east-1': CDK };
  const next = plan(configured(), manifests(), existing(there));
  assert.deepEqual(next.deployed, ['ssh-access']);
  const own = next.steps.find((s) => s.stack === 'backstop-ssh-access')!;
  assert.deepEqual([own.change, own.mode, own.first], ['update', 'enforce', false]);
  const stricter = configured(`${POLICY}\n[responders.ssh-access]\nmode = "plan"\n`);
  assert.equal(plan(stricter, manifests(), existing(there)).steps
    .find((s) => s.stack === 'backstop-ssh-access')!.mode, 'plan');
});

test('a stack that was never whole was never deployed', () => {
  for (const status of ['ROLLBACK_COMPLETE', 'REVIEW_IN_PROGRESS', 'DELETE_COMPLETE', 'CREATE_FAILED',
    'CREATE_IN_PROGRESS', 'ROLLBACK_IN_PROGRESS', 'ROLLBACK_FAILED', 'DELETE_FAILED']) {
    const next = plan(configured(), manifests(),
      existing({ [HOME]: { ...CDK, 'backstop-ssh-access': status }, 'us-east-1': CDK }));
    assert.deepEqual(next.deployed, [], status);
    assert.equal(next.steps.find((s) => s.stack === 'backstop-ssh-access')!.mode, 'observe', status);
  }
});

test('what would ignore every event is said', () => {
  const warned = (policy: string, account = ACCOUNT) =>
    plan(configured(policy), manifests(), existing({}, account)).warnings.join('\n');
  assert.equal(warned(POLICY), '');
  assert.match(warned(POLICY, '222222222222'), /222222222222, is not in `scope\.accounts`/);
  assert.match(warned(POLICY.replace(`["${ACCOUNT}"]`, '[]')), /`scope\.accounts` is empty/);
  assert.match(warned(POLICY.replace('"eu-west-1", ', '')), /eu-west-1, is not in `scope\.regions`/);
});

test('a Region without the CDK, and a stack that is busy, are named', () => {
  const next = plan(configured(), manifests(),
    existing({ [HOME]: { ...CDK, 'backstop-shared': 'UPDATE_IN_PROGRESS' } }));
  assert.deepEqual(next.unprepared, ['us-east-1']);
  assert.deepEqual(next.obstacles, [{
    what: 'backstop-shared in eu-west-1 is UPDATE_IN_PROGRESS', hint: 'wait until that has ended',
  }]);
});

test('without a home Region nothing is deployed', () => {
  assert.throws(() => regions(configured('mode = "observe"\n')), /names no home Region[\s\S]*hint: set `scope\.home_region`/);
});

test('destroy takes everything but the journal, responders before what they need', () => {
  const { stacks, queues, stays } = removal(configured(), manifests());
  assert.deepEqual(stacks, ['backstop-forward-us-east-1', ...responders.map((r) => `backstop-${r}`), 'backstop-shared']);
  assert.equal(stays, 'backstop-journal');
  assert.deepEqual(queues.map(({ region, name }) => `${region} ${name}`), [
    ...responders.flatMap((r) => ['unattended-dlq', 'attended-dlq', 'rules-dlq'].map((q) => `${HOME} backstop-${r}-${q}`)),
    `${HOME} backstop-heartbeat-dlq`,
    'us-east-1 backstop-forward-us-east-1-dlq', 'us-east-1 backstop-heartbeat-us-east-1-dlq',
  ]);
});

test('a journal that was never whole is in the way, and what is of nobody any more is said', () => {
  const next = plan(configured(), manifests(), existing({
    [HOME]: { ...CDK, 'backstop-journal': 'ROLLBACK_COMPLETE', 'backstop-old': 'CREATE_COMPLETE' },
    'us-east-1': CDK,
  }));
  assert.deepEqual(next.obstacles, [{
    what: 'backstop-journal is ROLLBACK_COMPLETE, so it was never whole',
    hint: 'turn off its termination protection and delete the stack, then deploy again',
  }]);
  assert.match(next.warnings.join('\n'), /backstop-old in eu-west-1 is of no responder/);
});

test('IAM that is not watched, and approvers that nobody named, are said', () => {
  const [first] = manifests();
  const iam = [{ ...first!, rules: [{ ...first!.rules[0]!, scope: 'us-east-1' as const }] }];
  const without = POLICY.replace(', "us-east-1"', '');
  assert.match(plan(configured(without), iam, existing({})).warnings.join('\n'), /IAM is not watched/);
  const nobody = settings(new App({ context: cdk.context }).node, POLICY);
  assert.match(plan(nobody, manifests(), existing({})).warnings.join('\n'), /no `approvers` are set/);
});
