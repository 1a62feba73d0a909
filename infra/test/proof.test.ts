/** The proof of permissions, on a constructed deployment and record: what it finds, and must. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { recorded } from '../proof/calls.ts';
import type { Call } from '../proof/calls.ts';
import { typesOf } from '../proof/fits.ts';
import type { Template } from '../proof/intrinsics.ts';
import { judge } from '../proof/proof.ts';
import type { Denial, Judgement } from '../proof/proof.ts';
import { report } from '../proof/report.ts';
import { requests } from '../proof/requests.ts';
import { roles } from '../proof/roles.ts';
import { REASONS as ALL_REASONS } from '../proof/unused.ts';
import {
  ACCOUNT, ATTENDED, REGION, UNATTENDED, call, calls, propertiesOf, statementsOf, templates,
} from './sample.ts';
import { synthesise } from './synthesised.ts';

// The sample's responder is invented: a real one's reasons are about permissions it does not hold.
const REASONS = ALL_REASONS.filter((reason) => reason.role === '*');

const place = { account: ACCOUNT, region: REGION };
const verdict = (judgement: Judgement, role: string) => {
  const found = judgement.verdicts.find((one) => one.role === role);
  assert.ok(found, `${role} is judged`);
  return found;
};
const other = (role: string) => (role === ATTENDED ? UNATTENDED : ATTENDED);

/** Judges the sample after a change; only `role` may suffer from it. */
async function denials(role: string, change: (all: Template[]) => void): Promise<Denial[]> {
  const all = templates();
  change(all as Template[]);
  const judgement = await judge(calls(), all as Template[], REASONS);
  assert.deepEqual([...judgement.unknown], []);
  assert.deepEqual(verdict(judgement, other(role)).denials, [], 'the other role is as it was');
  const found = verdict(judgement, role).denials;
  const { text, proven } = report(judgement);
  assert.equal(proven, false);
  for (const { request } of found.slice(0, 1)) {
    assert.match(text, new RegExp(`FAILED ${role}: denied ${request.action} on `));
  }
  return [...found];
}

/** The actions and resources, each once. */
const asked = (all: readonly Denial[]) =>
  [...new Set(all.map(({ request }) => `${request.action} ${request.resource}`))].sort();

const sg = (id: string) => `arn:aws:ec2:${REGION}:${ACCOUNT}:security-group/${id}`;
const sgr = (id: string) => `arn:aws:ec2:${REGION}:${ACCOUNT}:security-group-rule/${id}`;

test('the sample is proven: nothing is denied, and every permission is needed', async () => {
  const judgement = await judge(calls(), templates() as Template[], REASONS);
  const { text, proven } = report(judgement);
  assert.equal(proven, true, text);
  assert.equal(judgement.others, 1);
  assert.deepEqual(judgement.verdicts.map((one) => one.role), [UNATTENDED, ATTENDED]);
  for (const { denials: denied, unneeded } of judgement.verdicts) {
    assert.deepEqual(denied, []);
    assert.deepEqual(unneeded.map(({ grant }) => grant.Action[0]), [
      'sqs:SendMessage', 'logs:CreateLogStream', 'logs:PutLogEvents',
    ]);
  }
  const stream = `arn:aws:logs:us-east-1:${ACCOUNT}:log-group:/aws/Attended:*`;
  assert.ok(text.includes(
    `  Lambda itself writes the log, as the role:\n    logs:CreateLogStream on ${stream}\n`), text);
});

test('the same request is judged once', async () => {
  const all = templates() as Template[];
  const first = verdict(await judge(calls(), all, REASONS), ATTENDED);
  const second = verdict(await judge([...calls(), ...calls()], all, REASONS), ATTENDED);
  assert.equal(second.calls, 2 * first.calls);
  assert.equal(second.requests, first.requests);
});

describe('one permission less is one denial', () => {
  for (const name of [UNATTENDED, ATTENDED]) {
    const role = roles(templates() as Template[], place).get(name);
    assert.ok(role);
    const actions = [...new Set(role.grants.map((grant) => grant.Action[0]))]
      .filter((action) => !/^(sqs|logs):/.test(action));
    assert.ok(actions.length >= 9);
    for (const action of actions) {
      test(`${name} without ${action}`, async () => {
        const denied = await denials(name, (all) => {
          for (const one of statementsOf(all, name)) {
            // An action that nothing asks for stands in, so that no statement is left empty.
            const of = [one.Action ?? []].flat();
            one.Action = of.map((name) => (name === action ? 'ec2:RunInstances' : name));
          }
        });
        assert.deepEqual([...new Set(denied.map(({ request }) => request.action))], [action]);
        assert.deepEqual([...new Set(denied.map(({ because }) => because))], [
          'no statement allows it',
        ]);
      });
    }
  }
});

describe('a narrower role is denied what it lost, and nothing else', () => {
  const changed = (role: string, action: string, change: (one: Record<string, unknown>) => void) =>
    denials(role, (all) => {
      const of = statementsOf(all, role).filter((one) => [one.Action].flat().includes(action));
      assert.equal(of.length, 1);
      change(of[0] as unknown as Record<string, unknown>);
    });

  test('another resource', async () => {
    const denied = await changed(UNATTENDED, 'ec2:RevokeSecurityGroupIngress', (one) => {
      one['Resource'] = sg('sg-2');
    });
    assert.deepEqual(asked(denied), [`ec2:RevokeSecurityGroupIngress ${sg('sg-1')}`]);
  });

  test('one resource of three: the prefix list of AWS and of others', async () => {
    const denied = await changed(ATTENDED, 'ec2:ModifySecurityGroupRules', (one) => {
      one['Resource'] = [sg('*'), sgr('*'), `arn:aws:ec2:${REGION}:${ACCOUNT}:prefix-list/*`];
    });
    assert.deepEqual(asked(denied), [
      `ec2:ModifySecurityGroupRules arn:aws:ec2:${REGION}:999999999999:prefix-list/pl-1`,
      `ec2:ModifySecurityGroupRules arn:aws:ec2:${REGION}:aws:prefix-list/pl-1`,
    ]);
  });

  test('one resource of three: the rule', async () => {
    const denied = await changed(ATTENDED, 'ec2:ModifySecurityGroupRules', (one) => {
      one['Resource'] = [sg('*'), sgr('sgr-1'), 'arn:aws:ec2:*:*:prefix-list/*'];
    });
    assert.deepEqual(asked(denied), [`ec2:ModifySecurityGroupRules ${sgr('sgr-2')}`]);
  });

  test('the table without its index', async () => {
    const denied = await changed(UNATTENDED, 'dynamodb:Query', (one) => {
      one['Resource'] = { 'Fn::ImportValue': 'sample-journal' };
    });
    const arn = `arn:aws:dynamodb:${REGION}:${ACCOUNT}:table/sample-journal`;
    assert.deepEqual(asked(denied), [`dynamodb:Query ${arn}/index/by-day`]);
  });

  for (const [action, condition, resources] of [
    [
      'ec2:CreateTags',
      { StringEquals: { 'ec2:CreateAction': 'RunInstances' } },
      [`ec2:CreateTags ${sgr('*')}`],
    ],
    [
      'ec2:DescribeSecurityGroups',
      { StringEquals: { 'aws:RequestedRegion': ['us-east-1'] } },
      ['ec2:DescribeSecurityGroups *'],
    ],
    [
      'kms:Decrypt',
      { StringLike: { 'kms:ViaService': 'sqs.*.amazonaws.com' } },
      ['kms:Decrypt', 'kms:GenerateDataKey'].map(
        (name) => `${name} arn:aws:kms:${REGION}:${ACCOUNT}:key/Key`),
    ],
    [
      'kms:Decrypt',
      { 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': ['alias/other'] } },
      ['kms:Decrypt', 'kms:GenerateDataKey'].map(
        (name) => `${name} arn:aws:kms:${REGION}:${ACCOUNT}:key/Key`),
    ],
    [
      'ssm:CreateOpsItem',
      { ArnNotLike: { 'aws:PrincipalArn': `arn:aws:iam::*:role/${ATTENDED}` } },
      ['ssm:CreateOpsItem *'],
    ],
    [
      'sts:AssumeRole',
      { StringEquals: { 'sts:RoleSessionName': 'sample-2' } },
      [`sts:AssumeRole arn:aws:iam::222222222222:role/${ATTENDED}`],
    ],
    [
      'dynamodb:PutItem',
      { StringNotEqualsIfExists: { 'dynamodb:EnclosingOperation': 'TransactWriteItems' } },
      [`dynamodb:PutItem arn:aws:dynamodb:${REGION}:${ACCOUNT}:table/sample-journal`],
    ],
  ] as const) {
    test(`another condition: ${JSON.stringify(condition)}`, async () => {
      const denied = await changed(ATTENDED, action, (one) => (one['Condition'] = condition));
      assert.deepEqual(asked(denied), resources);
    });
  }

  test('a statement that denies', async () => {
    const denied = await denials(UNATTENDED, (all) => {
      const Action = 'ec2:Revoke*';
      statementsOf(all, UNATTENDED).push({ Effect: 'Deny', Action, Resource: sg('sg-1') });
    });
    assert.deepEqual(denied.map(({ because }) => because), ['a statement denies it']);
  });

  test('a boundary of its own that forbids', async () => {
    const denied = await denials(UNATTENDED, (all) => {
      const resources = all[0]?.Resources as Record<string, unknown>;
      resources['Narrow'] = structuredClone(resources['Boundary']);
      const { Properties } = resources['Narrow'] as {
        Properties: { PolicyDocument: { Statement: { Action: string[] }[] } };
      };
      const [first] = Properties.PolicyDocument.Statement;
      assert.ok(first);
      first.Action = first.Action.filter((action) => action !== 'ssm:*');
      propertiesOf(all, UNATTENDED).PermissionsBoundary = { Ref: 'Narrow' };
    });
    assert.deepEqual(asked(denied), ['ssm:CreateOpsItem *']);
    assert.deepEqual(denied.map(({ because }) => because), ['the boundary forbids it']);
  });
});

test('a call in another Region does not move the role there', async () => {
  const away = (operation: string, params: unknown) =>
    call(UNATTENDED, operation, params, { region: 'us-west-2' });
  const made = [
    away('ec2:RevokeSecurityGroupIngress', { GroupId: 'sg-1' }),
    // On the same resource as at home, and yet another request.
    away('ec2:DescribeSecurityGroups', {}),
  ];
  const judgement = await judge([...calls(), ...made], templates() as Template[], REASONS);
  assert.deepEqual(verdict(judgement, UNATTENDED).denials.map(({ request }) => request.resource), [
    `arn:aws:ec2:us-west-2:${ACCOUNT}:security-group/sg-1`, '*',
  ]);
});

describe('what is held without need', () => {
  const judged = async (change: (all: Template[]) => void, reasons = REASONS, record = calls()) => {
    const all = templates();
    change(all as Template[]);
    return judge(record, all as Template[], reasons);
  };
  const grant = (Action: string[], Resource: unknown) => (all: Template[]) => {
    statementsOf(all, UNATTENDED).push({ Effect: 'Allow', Action, Resource });
  };
  const unexplained = (judgement: Judgement) =>
    judgement.verdicts.flatMap(({ role, unneeded }) =>
      unneeded
        .filter(({ why }) => why === undefined)
        .map((one) => `${role} ${one.grant.Action[0]}`));

  test('fails, one action of a statement too', async () => {
    const judgement = await judged(
      grant(['ec2:DescribeVpcs', 'ec2:DescribeSecurityGroups', 'ec2:DescribeSubnets'], '*'));
    assert.deepEqual(unexplained(judgement).sort(), [
      // Granted twice: without either, the other one allows it.
      `${UNATTENDED} ec2:DescribeSecurityGroups`,
      `${UNATTENDED} ec2:DescribeSecurityGroups`,
      `${UNATTENDED} ec2:DescribeSubnets`,
      `${UNATTENDED} ec2:DescribeVpcs`,
    ]);
    const { text, proven } = report(judgement);
    assert.equal(proven, false);
    assert.match(text, new RegExp(`FAILED ${UNATTENDED}: no call needs ec2:DescribeVpcs on \\*`));
  });

  test('passes with a reason for its role', async () => {
    const reason = { role: 'sample/unattended', actions: ['ec2:DescribeVpcs'], why: 'soon' };
    const judgement = await judged(grant(['ec2:DescribeVpcs'], '*'), [...REASONS, reason]);
    assert.deepEqual(unexplained(judgement), []);
    assert.equal(report(judgement).proven, true);
  });

  test('does not pass with a reason for another role or resource', async () => {
    for (const reason of [
      { role: 'sample/attended', actions: ['sns:Publish'], why: 'soon' },
      { role: '*', actions: ['sns:Publish'], resource: 'backstop-page', why: 'soon' },
    ]) {
      const more = grant(['sns:Publish'], `arn:aws:sns:${REGION}:${ACCOUNT}:backstop-info`);
      const judgement = await judged(more, [...REASONS, reason]);
      assert.deepEqual(unexplained(judgement), [`${UNATTENDED} sns:Publish`]);
      assert.equal(judgement.stale.length, 1);
    }
  });

  test('a reason is stale for what is needed, and for what nobody holds', async () => {
    const reason = { role: '*', actions: ['ec2:DescribeVpcs', 'ssm:CreateOpsItem'], why: 'soon' };
    const judgement = await judged(() => {}, [...REASONS, reason]);
    assert.deepEqual(judgement.stale, [
      '*: ec2:DescribeVpcs: no role holds it', '*: ssm:CreateOpsItem: it is needed',
    ]);
    assert.equal(report(judgement).proven, false);
  });

  test('a role without calls is not proven', async () => {
    const record = calls().filter((one) => !one.user_agent.includes(UNATTENDED));
    const { text, proven } = report(await judged(() => {}, REASONS, record));
    assert.equal(proven, false);
    assert.match(text, new RegExp(`FAILED ${UNATTENDED}: no call was judged`));
  });

  test('no roles and no calls are not proven', async () => {
    assert.equal(report(await judge([], [{ Resources: {} }], [])).proven, false);
  });
});

describe('what the proof does not know fails it, and says what to add', () => {
  for (const [name, made, said] of [
    ['an action', call(ATTENDED, 'ec2:Nonsense', {}), /IAM knows no action ec2:Nonsense; hint: /],
    ['a service', call(ATTENDED, 'nonsense:Do', {}), /IAM knows no action nonsense:Do; hint: /],
    [
      'the name of a resource',
      call(ATTENDED, 'ec2:RevokeSecurityGroupIngress', { 'Some.1.Id': 'x' }),
      /checked against a security-group, .*Some\.Id.*hint: .*'ec2:security-group'/,
    ],
    [
      'a member of a transaction',
      call(ATTENDED, 'dynamodb:TransactWriteItems', { TransactItems: [{ Swap: {} }] }),
      /holds a Swap/,
    ],
    ['a role', call('backstop-strange-attended', 'ec2:DescribeVpcs', {}), /no template declares/],
    [
      'a topic',
      call(ATTENDED, 'sns:Publish', { TopicArn: `arn:aws:sns:${REGION}:${ACCOUNT}:strange` }),
      /no template declares the topic/,
    ],
  ] as [string, Call, RegExp][]) {
    test(name, async () => {
      const judgement = await judge([...calls(), made], templates() as Template[], REASONS);
      assert.equal(judgement.unknown.size, 1);
      assert.match([...judgement.unknown.keys()][0] ?? '', said);
      const { text, proven } = report(judgement);
      assert.equal(proven, false);
      assert.match(text, /FAILED not judged \(1 calls\): /);
    });
  }

  for (const [name, change, said] of [
    [
      'a condition key',
      (all) => statementsOf(all, ATTENDED).push({
        Effect: 'Allow', Action: 'ec2:RunInstances', Resource: '*',
        Condition: { StringNotEquals: { 'aws:ResourceTag/team': 'x' } },
      }),
      /condition on aws:resourcetag\/team, whose value the proof cannot tell; hint: /,
    ],
    [
      'an intrinsic function',
      (all) => statementsOf(all, ATTENDED).push({
        Effect: 'Allow', Action: 'ec2:RunInstances', Resource: { 'Fn::Select': [0, []] },
      }),
      /Fn::Select is not read; hint: /,
    ],
    [
      'a wildcard action',
      (all) => statementsOf(all, ATTENDED).push({
        Effect: 'Allow', Action: 'ec2:*', Resource: '*',
      }),
      /cannot be judged by action/,
    ],
    [
      'a policy variable',
      (all) => statementsOf(all, ATTENDED).push({
        Effect: 'Allow', Action: 'ec2:RunInstances', Resource: 'arn:aws:ec2:*:*:${aws:username}',
      }),
      /a statement with a variable/,
    ],
    [
      'a policy of AWS',
      (all) => Object.assign(propertiesOf(all, ATTENDED), {
        ManagedPolicyArns: ['arn:aws:iam::aws:policy/ReadOnlyAccess'],
      }),
      /managed policy of another place/,
    ],
    [
      'which of two roles is meant',
      (all) => all.push(structuredClone(all[0] as Template)),
      /two templates declare the role/,
    ],
  ] as [string, (all: Template[]) => unknown, RegExp][]) {
    test(name, async () => {
      const all = templates();
      change(all as Template[]);
      await assert.rejects(judge(calls(), all as Template[], REASONS), said);
    });
  }
});

test('a specimen of the tests is named, not judged', async () => {
  const specimen = call('backstop-specimen-attended', 'ec2:DescribeVpcs', {}, { root: true });
  const judgement = await judge([...calls(), specimen], templates() as Template[], REASONS);
  assert.deepEqual([...judgement.undeployed], [['backstop-specimen-attended', 1]]);
  const { text, proven } = report(judgement);
  assert.equal(proven, true, text);
  assert.match(text, /not judged: 1 calls as backstop-specimen-attended/);
});

describe('a call as requests', () => {
  const of = async (made: Call) =>
    (await requests(made, () => undefined)).map((one) => `${one.action} ${one.resource}`);

  test('a transaction is what it is made of', async () => {
    const TransactItems = ['ConditionCheck', 'Delete', 'Put', 'Update'].map((kind, n) =>
      ({ [kind]: { TableName: `t${n}` } }));
    const arn = `arn:aws:dynamodb:${REGION}:${ACCOUNT}:table/`;
    assert.deepEqual(
      await of(call(ATTENDED, 'dynamodb:TransactWriteItems', { TransactItems })),
      ['ConditionCheckItem', 'DeleteItem', 'PutItem', 'UpdateItem'].map(
        (name, n) => `dynamodb:${name} ${arn}t${n}`));
  });

  test('a query of an index is checked against the index, not the table', async () => {
    const made = call(ATTENDED, 'dynamodb:Query', { TableName: 't', IndexName: 'by-day' });
    assert.deepEqual(await of(made), [
      `dynamodb:Query arn:aws:dynamodb:${REGION}:${ACCOUNT}:table/t/index/by-day`,
    ]);
  });

  test('rules of a group: each of them, and not the groups that they admit', async () => {
    const made = call(ATTENDED, 'ec2:ModifySecurityGroupRules', {
      GroupId: 'sg-1',
      'SecurityGroupRule.1.SecurityGroupRuleId': 'sgr-1',
      'SecurityGroupRule.1.SecurityGroupRule.ReferencedGroupId': 'sg-2',
      'SecurityGroupRule.2.SecurityGroupRuleId': 'sgr-2',
    });
    assert.deepEqual((await of(made)).sort(), [sgr('sgr-1'), sgr('sgr-2'), sg('sg-1')].map(
      (arn) => `ec2:ModifySecurityGroupRules ${arn}`));
  });

  test('an unencrypted topic needs no key, an encrypted one does', async () => {
    const TopicArn = `arn:aws:sns:${REGION}:${ACCOUNT}:t`;
    const made = call(ATTENDED, 'sns:Publish', { TopicArn });
    assert.deepEqual(await of(made), [`sns:Publish ${TopicArn}`]);
    const key = { arn: 'arn:aws:kms:x:1:key/k', aliases: ['alias/a'] };
    assert.deepEqual((await requests(made, () => key)).slice(1), ['Decrypt', 'GenerateDataKey'].map(
      (name) => ({
        action: `kms:${name}`,
        resource: key.arn,
        context: {
          'kms:resourcealiases': ['alias/a'],
          'kms:viaservice': `sns.${REGION}.amazonaws.com`,
        },
      })));
  });

  test('another partition', async () => {
    const made = call(ATTENDED, 'ec2:RevokeSecurityGroupIngress', { GroupId: 'sg-1' }, {
      region: 'cn-north-1',
    });
    assert.deepEqual(await of(made), [
      `ec2:RevokeSecurityGroupIngress arn:aws-cn:ec2:cn-north-1:${ACCOUNT}:security-group/sg-1`,
    ]);
  });

  test('resources by the names that IAM gives them, in JSON and in REST', async () => {
    const instances = { 'InstanceId.1': 'i-1', 'InstanceId.2': 'i-2' };
    const arn = `arn:aws:ec2:${REGION}:${ACCOUNT}:instance/`;
    assert.deepEqual(
      await of(call(ATTENDED, 'ec2:StopInstances', instances)),
      ['i-1', 'i-2'].map((id) => `ec2:StopInstances ${arn}${id}`));
    const command = { DocumentName: 'backstop-x', InstanceIds: ['i-1', 'mi-2'] };
    assert.deepEqual(
      await of(call(ATTENDED, 'ssm:SendCommand', command)),
      [
        `arn:aws:ssm:${REGION}:${ACCOUNT}:document/backstop-x`,
        `${arn}i-1`,
        `arn:aws:ssm:${REGION}:${ACCOUNT}:managed-instance/mi-2`,
      ].map((one) => `ssm:SendCommand ${one}`));
    assert.deepEqual(
      await of(call(ATTENDED, 'ecr:PutImageTagMutability', { repositoryName: 'team/app' })),
      [`ecr:PutImageTagMutability arn:aws:ecr:${REGION}:${ACCOUNT}:repository/team/app`]);
  });
});

test('which types of an action a policy resource can match', async () => {
  const arn = `arn:aws:dynamodb:*:${ACCOUNT}:table`;
  for (const [action, resource, types] of [
    ['dynamodb:Query', `${arn}/t`, ['table']],
    ['dynamodb:Query', `${arn}/t/index/*`, ['index']],
    ['dynamodb:Query', `${arn}/*`, ['index', 'table']],
    ['dynamodb:GetItem', `${arn}/t/index/*`, []],
    ['logs:PutLogEvents', `arn:aws:logs:x:${ACCOUNT}:log-group:/aws/lambda/f:*`, ['log-stream']],
    ['sts:AssumeRole', `arn:aws:iam::${ACCOUNT}:role/path/name`, ['role']],
    ['sns:Publish', `arn:aws:sqs:x:${ACCOUNT}:name`, []],
    ['ec2:DescribeVpcs', '*', []],
  ] as const) {
    assert.deepEqual(await typesOf(action, resource), types, `${action} ${resource}`);
  }
});

describe('the command', () => {
  const prove = (folder: string, record: string) =>
    spawnSync(process.execPath, [
      '--import', 'tsx', fileURLToPath(new URL('../proof/prove.ts', import.meta.url)),
      '--templates', folder, '--calls', record,
    ], { encoding: 'utf8' });
  const folder = mkdtempSync(join(tmpdir(), 'backstop-proof-'));
  const record = join(folder, 'record.json');
  after(() => rmSync(folder, { recursive: true }));

  test('fails where a responder has no role', () => {
    writeFileSync(record, JSON.stringify({ calls: [] }));
    const { status, stderr } = prove(folder, record);
    assert.equal(status, 1);
    assert.match(stderr, /^permissions: no template in .* has backstop-/);
  });

  test('fails for what is not proven', () => {
    // As the deployment is synthesised: of its roles, this record proves nothing.
    const { directory } = synthesise().app.synth();
    writeFileSync(record, JSON.stringify({ calls: [] }));
    const { status, stdout } = prove(directory, record);
    assert.equal(status, 1);
    assert.match(stdout, /FAILED backstop-.*-unattended: no call was judged/);
    assert.match(stdout, /permissions: denied 0, not proven/);
  });
});

describe('the record', () => {
  const answering = async (body: unknown, use: (endpoint: string) => Promise<void>) => {
    const server = createServer((_, response) => response.end(JSON.stringify(body)));
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    try {
      await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  };

  test('is read from a local AWS', async () => {
    const made = { ...call(ATTENDED, 'ec2:DescribeVpcs', {}), seq: 1 };
    await answering({ calls: [made], last: 1 }, async (endpoint) =>
      assert.deepEqual(await recorded({ endpoint }), [made]));
  });

  test('is refused where calls fell out of it', async () => {
    const made = { ...call(ATTENDED, 'ec2:DescribeVpcs', {}), seq: 7 };
    await answering({ calls: [made], last: 7 }, async (endpoint) =>
      assert.rejects(recorded({ endpoint }), /the record is incomplete: it begins with call 7/));
  });

  test('is asked of loopback only', async () => {
    for (const host of ['10.0.0.1', 'localhost.example.com', '127.0.0.1.example.com']) {
      await assert.rejects(recorded({ endpoint: `http://${host}:4566` }), /not on loopback/);
    }
    await assert.rejects(recorded({}), /no record/);
  });
});
