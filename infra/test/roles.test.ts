/** Every role equals the manifest: one action more or less fails here. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Manifest, type Statement, manifests } from '../lib/manifest.ts';
import { ACCOUNT, HOME, POLICY, list, synthesise } from './synthesised.ts';

const stacks = synthesise();

/** One statement as a line that can be compared. */
const line = (actions: unknown, resources: unknown, conditions: object) =>
  `${list(actions)} on ${list(resources)} if ${JSON.stringify(conditions, Object.keys(flat(conditions)).sort())}`;

/** Every key at any depth, so that `JSON.stringify` sorts and keeps all. */
function flat(value: any): Record<string, true> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.assign({}, ...Object.entries(value).map(([k, v]) => ({ [k]: true, ...flat(v) })));
}

/** What the manifest says, written out for the account and Regions of the test. */
function expected(manifest: Manifest, lane: string): string[] {
  const statements: Statement[] = [...manifest.reads, ...manifest.engine];
  for (const response of manifest.responses) {
    for (const use of response.actions) {
      const { observe, apply, undo } =
        manifest.actions.find((a) => a.name === use.action)!.permissions;
      const unattended = ['auto', 'guarded', 'read'].includes(use.class);
      statements.push(...observe);
      if (lane === 'attended') statements.push(...apply, ...undo);
      else if (unattended) statements.push(...apply);
    }
  }
  const here = `${HOME}:${ACCOUNT}`;
  const own = `backstop-${manifest.responder}-${lane}`;
  const table = `arn:aws:dynamodb:${here}:table/backstop-journal`;
  const placeholders: Record<string, string[]> = {
    '${Table}': [table],
    '${Indexes}': [`${table}/index/*`],
    '${Topics}': ['page', 'ticket', 'info'].map((u) => `arn:aws:sns:${here}:backstop-${u}`),
    '${Key}': [`arn:aws:kms:${here}:key/*`],
    '${MemberRoles}': [],
    // No role is preauthorised here.
    '${RevocableRoles}': lane === 'attended' ? [`arn:aws:iam::${ACCOUNT}:role/*`] : [],
    '${DeadLetters}': [`arn:aws:sqs:${here}:${own}-dlq`],
    '${Logs}': [`arn:aws:logs:${here}:log-group:/aws/lambda/${own}:*`],
  };
  const lines = statements.flatMap((statement) => {
    const conditions: any = {};
    for (const c of statement.conditions) conditions[c.operator] = { ...conditions[c.operator], [c.key]: c.values };
    const known = placeholders[statement.resource];
    if (known !== undefined) return known.length === 0 ? [] : [line(statement.actions, known, conditions)];
    const global = statement.actions.some((a) => /^(iam|organizations):/.test(a));
    if (!global) {
      conditions.StringEquals = { ...conditions.StringEquals, 'aws:RequestedRegion': [HOME, 'us-east-1'] };
    }
    return [line(statement.actions, statement.resource.replace('${Partition}', 'aws')
      .replace('${Region}', '*').replace('${Account}', ACCOUNT), conditions)];
  });
  return [...new Set(lines)].sort();
}

const deployed = (role: any): string[] => role.Policies
  .flatMap((p: any) => p.PolicyDocument.Statement)
  .map((s: any) => {
    assert.equal(s.Effect, 'Allow');
    return line(s.Action, s.Resource, s.Condition ?? {});
  })
  .sort();

for (const manifest of manifests()) {
  for (const lane of ['unattended', 'attended']) {
    const name = `backstop-${manifest.responder}-${lane}`;
    const role = stacks.one('AWS::IAM::Role', 'RoleName', name);

    test(`${name}: the role is exactly what the manifest declares`, () => {
      assert.deepEqual(deployed(role), expected(manifest, lane));
      assert.equal(role.Policies.length, 1);
      assert.equal(role.ManagedPolicyArns, undefined, 'nothing that AWS or others may change');
      const others = [...stacks.of('AWS::IAM::Policy'), ...stacks.of('AWS::IAM::ManagedPolicy')];
      for (const policy of others) {
        assert.ok(!list(policy.Roles).includes(name), 'nothing attached besides');
      }
    });

    test(`${name}: only Lambda may assume it, under the boundary`, () => {
      assert.deepEqual(role.AssumeRolePolicyDocument.Statement, [{
        Action: 'sts:AssumeRole', Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' },
      }]);
      assert.equal(role.PermissionsBoundary,
        `arn:aws:iam::${ACCOUNT}:policy/backstop-${manifest.responder}-boundary`);
      const fn = stacks.one('AWS::Lambda::Function', 'FunctionName', name);
      assert.equal(fn.Role, `arn:aws:iam::${ACCOUNT}:role/${name}`);
    });

    test(`${name}: the policies are within IAM's limits`, () => {
      const size = (document: unknown) => JSON.stringify(document).replaceAll(/\s/g, '').length;
      assert.ok(size(role.Policies[0].PolicyDocument) <= 10240, 'inline policies of a role');
      const boundary = stacks.one('AWS::IAM::ManagedPolicy', 'ManagedPolicyName',
        `backstop-${manifest.responder}-boundary`);
      assert.ok(size(boundary.PolicyDocument) <= 6144, `${size(boundary.PolicyDocument)}`);
    });
  }

  test(`${manifest.responder}: what is never granted is not declared, and the boundary denies it`, () => {
    const boundary = stacks.one('AWS::IAM::ManagedPolicy', 'ManagedPolicyName',
      `backstop-${manifest.responder}-boundary`).PolicyDocument.Statement;
    const denied = boundary.filter((s: any) => s.Effect === 'Deny' && s.Resource === '*')
      .flatMap((s: any) => list(s.Action));
    const matches = (pattern: string, action: string) => pattern.endsWith('*')
      ? action.startsWith(pattern.slice(0, -1)) : action === pattern;
    // Spec §12, "never granted anywhere".
    for (const action of ['iam:DeleteRolePermissionsBoundary', 'iam:UpdateAssumeRolePolicy',
      'iam:CreateAccessKey', 'inspector2:Disable', 'inspector2:DisassociateMember',
      'lambda:DeleteFunction', 'ec2:TerminateInstances', 'organizations:AttachPolicy',
      'organizations:DetachPolicy', 'organizations:CreateAccount', 'organizations:LeaveOrganization',
      'organizations:UpdatePolicy', 'dynamodb:DeleteItem', 'dynamodb:Scan']) {
      assert.ok(denied.some((pattern: string) => matches(pattern, action)), action);
    }
    for (const [sid, action] of [['OnlyOwnCommands', 'ssm:SendCommand'],
      ['OnlyOwnAutomation', 'ssm:StartAutomationExecution']]) {
      const only = boundary.find((s: any) => s.Sid === sid);
      assert.equal(only.Action, action);
      for (const resource of only.NotResource) {
        assert.match(resource,
          /:(document|automation-definition)\/backstop-\*$|:(instance|managed-instance|automation-execution)\/\*$/);
      }
    }
    const statements = [...manifest.reads, ...manifest.engine,
      ...manifest.actions.flatMap((a) => Object.values(a.permissions).flat() as Statement[])];
    for (const { actions, resource, conditions, why } of statements) {
      assert.ok(why.length > 0, `${actions}: says why`);
      for (const action of actions) {
        assert.ok(!action.includes('*'), `${action}: a wildcard`);
        assert.ok(!denied.some((pattern: string) => matches(pattern, action)), `${action}: never granted`);
        if (action === 'iam:PassRole') {
          assert.notEqual(resource, '*', 'iam:PassRole on every role is never granted');
          assert.ok(conditions.some((c) => c.key === 'iam:PassedToService'), 'iam:PassRole to a service');
        }
        if (action === 'ssm:SendCommand' || action === 'ssm:StartAutomationExecution') {
          assert.notEqual(resource, '*', `${action} on everything is never granted`);
        }
      }
    }
  });

  test(`${manifest.responder}: the boundary allows the manifest's actions and no others`, () => {
    const [allow, ...rest] = stacks.one('AWS::IAM::ManagedPolicy', 'ManagedPolicyName',
      `backstop-${manifest.responder}-boundary`).PolicyDocument.Statement;
    const held = ['unattended', 'attended'].flatMap((lane) =>
      stacks.one('AWS::IAM::Role', 'RoleName', `backstop-${manifest.responder}-${lane}`)
        .Policies[0].PolicyDocument.Statement.flatMap((s: any) => list(s.Action)));
    const allowed = new Set(list(allow.Action));
    // `sts:AssumeRole` is for member accounts, of which this deployment has none.
    assert.deepEqual([...allowed].filter((a) => !held.includes(a)), ['sts:AssumeRole']);
    assert.deepEqual(held.filter((a) => !allowed.has(a)), []);
    assert.ok(rest.every((s: any) => s.Effect === 'Deny'));
  });
}

test('the unattended lane never holds what only people may do', () => {
  for (const manifest of manifests()) {
    const role = stacks.one('AWS::IAM::Role', 'RoleName', `backstop-${manifest.responder}-unattended`);
    const actions = role.Policies[0].PolicyDocument.Statement.flatMap((s: any) => list(s.Action));
    const shared = new Set(manifest.responses.flatMap((r) => r.actions)
      .filter((use) => ['auto', 'guarded', 'read'].includes(use.class))
      .flatMap((use) => manifest.actions.find((a) => a.name === use.action)!.permissions.apply)
      .flatMap((statement) => statement.actions));
    const undo = manifest.actions.flatMap((a) => a.permissions.undo).flatMap((s) => s.actions);
    for (const action of undo.filter((a) => !shared.has(a))) {
      assert.ok(!actions.includes(action), `${action} is for undo`);
    }
  }
});

test('a member account is reached through the role of this responder and lane, and no other', () => {
  const member = '222222222222';
  const two = synthesise({ policy: `
[scope]
accounts = ["${ACCOUNT}", "${member}"]
regions = ["${HOME}"]
home_region = "${HOME}"
`, context: {} });
  const before = process.env['CDK_DEFAULT_ACCOUNT'];
  assert.equal(before, undefined, 'the tests run without credentials');
  const role = two.one('AWS::IAM::Role', 'RoleName', 'backstop-ssh-access-attended');
  const assume = role.Policies[0].PolicyDocument.Statement
    .find((s: any) => s.Action === 'sts:AssumeRole');
  // Which of the two is home is only known with credentials; without, both are reached.
  assert.deepEqual(list(assume.Resource), [ACCOUNT, member].map((a) =>
    `arn:aws:iam::${a}:role/backstop-ssh-access-attended`));
});

test('each lane holds what its classes need: an invented responder', () => {
  const statement = (action: string): Statement =>
    ({ actions: [action], resource: '*', conditions: [], why: 'invented' });
  const action = (name: string) => ({ name, permissions: {
    observe: [statement(`ec2:Describe${name}`)], apply: [statement(`ec2:Modify${name}`)],
    undo: [statement(`ec2:Reset${name}`)],
  } });
  const classes = ['auto', 'guarded', 'read', 'approval', 'human'] as const;
  const invented: Manifest = {
    ...manifests()[0]!, responder: 'invented', reads: [statement('ec2:DescribeVpcs')], engine: [],
    actions: classes.map(action),
    responses: [{ id: 'R99.1', class: 'auto', title: '', actions:
      classes.map((name) => ({ action: name, class: name })) }],
  };
  const held = (lane: string) => list(synthesise({ manifests: [invented] })
    .one('AWS::IAM::Role', 'RoleName', `backstop-invented-${lane}`)
    .Policies[0].PolicyDocument.Statement.flatMap((s: any) => list(s.Action)));
  const all = (verb: string, of: readonly string[]) => of.map((name) => `ec2:${verb}${name}`);
  const observed = ['ec2:DescribeVpcs', ...all('Describe', classes)];
  assert.deepEqual(held('unattended'), list([...observed, ...all('Modify', classes.slice(0, 3))]));
  assert.deepEqual(held('attended'),
    list([...observed, ...all('Modify', classes), ...all('Reset', classes)]));
});

test('the unattended lane may write the policies of the preauthorised roles, and of no other', () => {
  const [ours, theirs] = [ACCOUNT, '222222222222'].map((a) => `arn:aws:iam::${a}:role/ci/deployer`);
  const named = synthesise({ policy:
    `${POLICY}\n[revoke-sessions]\npreauthorised = ["${ours}", "${theirs}"]\n` });
  const writes = (lane: string) => named
    .one('AWS::IAM::Role', 'RoleName', `backstop-revoke-sessions-${lane}`)
    .Policies[0].PolicyDocument.Statement
    .filter((s: any) => list(s.Action).includes('iam:PutRolePolicy'))
    .flatMap((s: any) => list(s.Resource));
  assert.deepEqual(writes('unattended'), [ours, theirs]);
  assert.deepEqual(new Set(writes('attended')), new Set([`arn:aws:iam::${ACCOUNT}:role/*`]));
});

test('who may write the policies of roles is denied those that are protected', () => {
  const glass = `arn:aws:iam::${ACCOUNT}:role/BreakGlass*`;
  const named = synthesise({ policy:
    `${POLICY}\n[principals]\nprotected = ["${glass}", "arn:aws:iam::${ACCOUNT}:user/root"]\n` });
  const denied = (responder: string) => named
    .one('AWS::IAM::ManagedPolicy', 'ManagedPolicyName', `backstop-${responder}-boundary`)
    .PolicyDocument.Statement.find((s: any) => s.Sid === 'ProtectedRoles');
  const { Action: actions, Resource: roles, Effect: effect } = denied('revoke-sessions');
  assert.equal(effect, 'Deny');
  assert.ok(actions.includes('iam:PutRole*') && actions.includes('iam:DeleteRole*'));
  for (const role of ['aws-service-role/*', 'aws-reserved/*', 'OrganizationAccountAccessRole',
    '*/OrganizationAccountAccessRole', 'AWSControlTowerExecution', 'cdk-*']) {
    assert.ok(roles.includes(`arn:aws:iam::*:role/${role}`), role);
  }
  assert.ok(roles.includes(glass) && roles.every((role: string) => role.includes(':role/')));
  assert.equal(denied('ssh-access'), undefined, 'it can write none');
});
