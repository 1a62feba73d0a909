/** Functions, queues, logs, journal, topics: what each has, and what stays when it goes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manifests } from '../lib/manifest.ts';
import { ACCOUNT, HOME, list, synthesise } from './synthesised.ts';

const stacks = synthesise();

for (const manifest of manifests()) {
  for (const lane of ['unattended', 'attended']) {
    const name = `backstop-${manifest.responder}-${lane}`;
    const fn = stacks.one('AWS::Lambda::Function', 'FunctionName', name);

    test(`${name}: the function`, () => {
      assert.deepEqual([fn.Runtime, fn.Handler, fn.Architectures, fn.MemorySize, fn.Timeout],
        ['provided.al2023', 'bootstrap', ['arm64'], 256, 60]);
      assert.deepEqual(fn.Environment.Variables, {
        BACKSTOP_CONFIG: 'backstop.toml',
        BACKSTOP_TABLE: 'backstop-journal',
        BACKSTOP_LANE: lane,
        BACKSTOP_TOPIC_PAGE: `arn:aws:sns:${HOME}:${ACCOUNT}:backstop-page`,
        BACKSTOP_TOPIC_TICKET: `arn:aws:sns:${HOME}:${ACCOUNT}:backstop-ticket`,
        BACKSTOP_TOPIC_INFO: `arn:aws:sns:${HOME}:${ACCOUNT}:backstop-info`,
      });
      assert.equal(fn.ReservedConcurrentExecutions, lane === 'unattended' ? 10 : 2);
      assert.equal(fn.LoggingConfig.LogGroup, `/aws/lambda/${name}`);
    });

    test(`${name}: what fails for good is kept`, () => {
      assert.equal(fn.DeadLetterConfig.TargetArn, `arn:aws:sqs:${HOME}:${ACCOUNT}:${name}-dlq`);
      const invoke = stacks.one('AWS::Lambda::EventInvokeConfig', 'FunctionName', name);
      assert.deepEqual([invoke.MaximumRetryAttempts, invoke.MaximumEventAgeInSeconds], [2, 21600]);
    });

    test(`${name}: its log outlives it, for a year`, () => {
      const logs = stacks.one('AWS::Logs::LogGroup', 'LogGroupName', `/aws/lambda/${name}`);
      assert.equal(logs.RetentionInDays, 365);
      const stays = [...stacks.stacks.get('backstop-journal')!.values()];
      assert.ok(stays.some((r) => r.Properties.LogGroupName === logs.LogGroupName), 'with the journal');
    });
  }

  test(`${manifest.responder}: both lanes are one package`, () => {
    const code = stacks.of('AWS::Lambda::Function', `backstop-${manifest.responder}`)
      .map((fn) => JSON.stringify(fn.Code));
    assert.equal(code.length, 2);
    assert.equal(new Set(code).size, 1);
  });
}

test('every queue keeps for 14 days, encrypted, and refuses what is not over TLS', () => {
  const queues = stacks.of('AWS::SQS::Queue');
  const policies = stacks.of('AWS::SQS::QueuePolicy');
  assert.ok(queues.length >= 4);
  for (const queue of queues) {
    assert.deepEqual([queue.MessageRetentionPeriod, queue.SqsManagedSseEnabled], [1209600, true]);
    const policy = policies.find((p) => String(p.Queues[0]).endsWith(`/${queue.QueueName}`));
    assert.ok(policy.PolicyDocument.Statement.some((s: any) => s.Effect === 'Deny'
      && s.Condition.Bool['aws:SecureTransport'] === 'false'), queue.QueueName);
  }
});

test('the journal survives everything but a person who means it', () => {
  const table = stacks.one('AWS::DynamoDB::GlobalTable', 'TableName', 'backstop-journal');
  const [replica] = table.Replicas;
  assert.equal(table.BillingMode, 'PAY_PER_REQUEST');
  assert.equal(replica.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled, true);
  assert.equal(replica.DeletionProtectionEnabled, true);
  assert.deepEqual(table.TimeToLiveSpecification, { AttributeName: 'expires_at', Enabled: true });
  assert.deepEqual(table.GlobalSecondaryIndexes.map((i: any) =>
    [i.IndexName, ...i.KeySchema.map((k: any) => k.AttributeName), i.Projection.ProjectionType]), [
    ['by-day', 'day', 'at', 'ALL'],
    ['unfinished', 'unfinished', 'at', 'ALL'],
  ]);
  const journal = stacks.stacks.get('backstop-journal')!;
  for (const { Type, DeletionPolicy, UpdateReplacePolicy } of journal.values()) {
    assert.deepEqual([DeletionPolicy, UpdateReplacePolicy], ['RetainExceptOnCreate', 'Retain'], Type);
  }
  const stack = stacks.app.node.findChild('backstop-journal') as any;
  assert.equal(stack.terminationProtection, true);
});

test('the topics are encrypted with a key that turns, and alarms may page', () => {
  const topics = stacks.of('AWS::SNS::Topic');
  assert.deepEqual(list(topics.map((t) => t.TopicName)),
    ['Automation-backstop', 'backstop-info', 'backstop-page', 'backstop-ticket']);
  for (const topic of topics) assert.equal(topic.KmsMasterKeyId, `arn:aws:kms:${HOME}:${ACCOUNT}:key/the-key`);
  assert.equal(stacks.one('AWS::KMS::Key', 'EnableKeyRotation', true as any).EnableKeyRotation, true);
  assert.equal(stacks.one('AWS::KMS::Alias', 'AliasName', 'alias/backstop').TargetKeyId,
    `arn:aws:kms:${HOME}:${ACCOUNT}:key/the-key`);
  const pages = stacks.of('AWS::SNS::TopicPolicy')
    .flatMap((p) => p.PolicyDocument.Statement).filter((s: any) => s.Sid === 'Alarms');
  assert.deepEqual(pages.map((s: any) => [s.Principal.Service, s.Action, s.Resource,
    s.Condition.StringEquals['aws:SourceAccount']]), [['cloudwatch.amazonaws.com', 'sns:Publish',
    `arn:aws:sns:${HOME}:${ACCOUNT}:backstop-page`, ACCOUNT]]);
});

test('a policy for people has no description: to change one would replace what cannot be', () => {
  for (const policy of stacks.of('AWS::IAM::ManagedPolicy')) {
    assert.ok(!policy.Description, policy.ManagedPolicyName);
  }
});

test('who redrives reads every dead-letter queue there is, in every Region', () => {
  const { Statement } = stacks.one('AWS::IAM::ManagedPolicy', 'ManagedPolicyName', 'backstop-redriver')
    .PolicyDocument;
  const deployed = [...stacks.stacks.keys()].flatMap((stack) => {
    const region = /-forward-(.*)$/.exec(stack)?.[1] ?? HOME;
    return stacks.of('AWS::SQS::Queue', stack).map((q) => `arn:aws:sqs:${region}:${ACCOUNT}:${q.QueueName}`);
  });
  assert.deepEqual(list(Statement.flatMap((s: any) => list(s.Resource))), list(deployed));
  assert.ok(!Statement.flatMap((s: any) => list(s.Action)).some((a: string) => a.startsWith('lambda:')));
});

test('who starts or approves a runbook invokes no function', () => {
  for (const name of ['backstop-runbook-starter', 'backstop-runbook-approver']) {
    const { Statement } = stacks.one('AWS::IAM::ManagedPolicy', 'ManagedPolicyName', name).PolicyDocument;
    const actions = Statement.flatMap((s: any) => list(s.Action));
    assert.ok(!actions.some((action: string) => action.startsWith('lambda:')), name);
    assert.equal(actions.includes('ssm:StartAutomationExecution'), name.endsWith('starter'));
    assert.equal(actions.includes('ssm:SendAutomationSignal'), name.endsWith('approver'));
    const pass = Statement.find((s: any) => s.Action === 'iam:PassRole');
    if (pass === undefined) continue;
    assert.deepEqual(list(pass.Resource), list(manifests().map((m) =>
      `arn:aws:iam::${ACCOUNT}:role/backstop-${m.responder}-automation`)));
    assert.deepEqual(pass.Condition, { StringEquals: { 'iam:PassedToService': 'ssm.amazonaws.com' } });
  }
});

test('every runbook has its document, every command and query too', () => {
  const all = manifests();
  const commands = all.flatMap((m) => m.commands.map((c) => `backstop-${m.responder}-${c.name}`));
  assert.deepEqual(list(stacks.of('AWS::SSM::Document', 'backstop-forward-us-east-1').map((d) => d.Name)),
    list(commands), 'a command is sent where the instance is');
  const home = [...stacks.stacks.keys()].filter((name) => !name.includes('-forward-'));
  assert.deepEqual(list(home.flatMap((name) => stacks.of('AWS::SSM::Document', name)).map((d) => d.Name)), list([
    ...all.flatMap((m) => m.runbooks).map((r) => `backstop-${r.name.replaceAll('.', '-')}`),
    ...commands,
  ]));
  assert.deepEqual(list(stacks.of('AWS::Logs::QueryDefinition').map((q) => q.Name)),
    list(all.flatMap((m) => m.queries.map((q) => `Backstop/${m.control}/${q.name}`))));
});

test('an operator may invoke the attended functions, and nothing else', () => {
  const policy = stacks.one('AWS::IAM::ManagedPolicy', 'ManagedPolicyName', 'backstop-operator');
  assert.deepEqual(policy.PolicyDocument.Statement.flatMap((s: any) => list(s.Action)),
    ['lambda:InvokeFunction']);
  assert.deepEqual(policy.PolicyDocument.Statement.flatMap((s: any) => list(s.Resource)),
    list(manifests().map((m) => `arn:aws:lambda:${HOME}:${ACCOUNT}:function:backstop-${m.responder}-attended`)));
});

test('a responder observes until it has been deployed once', () => {
  const modes = (deployed: string) => synthesise({ context: { deployed } })
    .of('AWS::Lambda::Function').map((fn) => fn.Environment.Variables.BACKSTOP_MODE);
  assert.deepEqual(new Set(modes('')), new Set(['observe']), 'who does not say observes');
  assert.deepEqual(new Set(modes('golden-ami')), new Set(['observe']), 'another one is deployed');
  assert.deepEqual(new Set(modes(manifests().map((m) => m.responder).join(','))), new Set([undefined]));
});

test('what is set is what is deployed', () => {
  const other = synthesise({ context: {
    architecture: 'x86_64', 'memory-mb': '512', 'timeout-seconds': '120',
    'log-retention-days': '30', 'reserved-concurrency-unattended': '0',
    'email-page': 'oncall@example.com',
  } });
  const fn = other.one('AWS::Lambda::Function', 'FunctionName', 'backstop-ssh-access-unattended');
  assert.deepEqual([fn.Architectures, fn.MemorySize, fn.Timeout, fn.ReservedConcurrentExecutions],
    [['x86_64'], 512, 120, undefined]);
  assert.ok(other.of('AWS::Logs::LogGroup').every((logs) => logs.RetentionInDays === 30));
  assert.deepEqual(other.of('AWS::SNS::Subscription').map((s) => [s.Protocol, s.Endpoint, s.TopicArn]),
    ['Automation-backstop', 'backstop-page'].map((topic) =>
      ['email', 'oncall@example.com', `arn:aws:sns:${HOME}:${ACCOUNT}:${topic}`]));
});

test('a policy without a home Region fits any Region, and forwards from none', () => {
  const any = synthesise({ policy: 'mode = "observe"\n' });
  assert.deepEqual([...any.stacks.keys()].filter((name) => name.includes('forward')), []);
  const role = any.one('AWS::IAM::Role', 'RoleName', 'backstop-ssh-access-attended');
  const revoke = role.Policies[0].PolicyDocument.Statement
    .find((s: any) => s.Action === 'ec2:RevokeSecurityGroupIngress');
  assert.equal(revoke.Resource, `arn:aws:ec2:${HOME}:${ACCOUNT}:security-group/*`);
});

test('a stack is far from the limit of 500 resources', () => {
  for (const [name, resources] of stacks.stacks) assert.ok(resources.size < 250, `${name}: ${resources.size}`);
});

test('no stack needs another one\'s exports', () => {
  const text = JSON.stringify(stacks.app.synth().stacks.map((s) => s.template));
  assert.ok(!text.includes('Fn::ImportValue'));
  assert.ok(!text.includes('"Export"'));
});
