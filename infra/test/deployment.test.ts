/** What a deployment says that it will do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { App } from 'aws-cdk-lib';
import cdk from '../cdk.json' with { type: 'json' };
import { describe, plan, regions, removal } from '../lib/deployment.ts';
import { manifests } from '../lib/manifest.ts';
import { settings } from '../lib/settings.ts';
import { ACCOUNT, HOME, POLICY } from './synthesised.ts';

const configured = (policy = POLICY) => settings(new App({ context: cdk.context }).node, policy);
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

test('a stack that was rolled back was never deployed', () => {
  for (const status of ['ROLLBACK_COMPLETE', 'REVIEW_IN_PROGRESS', 'DELETE_COMPLETE']) {
    const next = plan(configured(), manifests(),
      existing({ [HOME]: { ...CDK, 'backstop-ssh-access': status }, 'us-east-1': CDK }));
    assert.deepEqual(next.deployed, [], status);
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
  assert.match(next.warnings.join('\n'), /backstop-shared in eu-west-1 is UPDATE_IN_PROGRESS/);
});

test('without a home Region nothing is deployed', () => {
  assert.throws(() => regions(configured('mode = "observe"\n')), /names no home Region[\s\S]*hint: set `scope\.home_region`/);
});

test('destroy takes everything but the journal, responders before what they need', () => {
  const { stacks, queues, stays } = removal(configured(), manifests());
  assert.deepEqual(stacks, ['backstop-forward-us-east-1', ...responders.map((r) => `backstop-${r}`), 'backstop-shared']);
  assert.equal(stays, 'backstop-journal');
  assert.equal(queues.length, 3 * responders.length);
});
