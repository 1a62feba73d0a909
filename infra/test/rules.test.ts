/** Every rule equals the manifest, and goes to exactly one function. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manifests } from '../lib/manifest.ts';
import { ACCOUNT, HOME, list, synthesise } from './synthesised.ts';

const stacks = synthesise();

for (const manifest of manifests()) {
  const stack = `backstop-${manifest.responder}`;
  const arn = `arn:aws:lambda:${HOME}:${ACCOUNT}:function:backstop-${manifest.responder}-unattended`;
  const rules = stacks.of('AWS::Events::Rule', stack);

  test(`${manifest.responder}: the rules are the manifest's, and the heartbeat's`, () => {
    const named = (name: string) => `backstop-${manifest.responder}-${name}`;
    assert.deepEqual(list(rules.map((rule) => rule.Name)),
      list([...manifest.rules.map((rule) => named(rule.name)), named('heartbeat')]));
    for (const rule of manifest.rules) {
      const deployed = stacks.one('AWS::Events::Rule', 'Name', named(rule.name));
      assert.deepEqual(deployed.EventPattern, rule.pattern);
      assert.equal(deployed.State, rule.state);
      assert.equal(deployed.EventBusName, undefined, 'the default bus: CloudTrail delivers there');
      assert.ok(JSON.stringify(rule.pattern).length <= 4096, 'the limit of a pattern');
      assert.ok(deployed.Name.length <= 64, 'the limit of a name');
    }
    assert.deepEqual(stacks.one('AWS::Events::Rule', 'Name', named('heartbeat')).EventPattern,
      { source: ['backstop.heartbeat'], 'detail-type': ['Backstop Heartbeat'] });
  });

  test(`${manifest.responder}: a rule invokes the unattended function, and loses nothing`, () => {
    for (const rule of rules) {
      assert.deepEqual(rule.Targets, [{
        Id: 'function',
        Arn: arn,
        DeadLetterConfig: { Arn: `arn:aws:sqs:${HOME}:${ACCOUNT}:${stack}-rules-dlq` },
        RetryPolicy: { MaximumEventAgeInSeconds: 21600, MaximumRetryAttempts: 185 },
      }]);
    }
  });

  test(`${manifest.responder}: only these rules may invoke it, and write to their queue`, () => {
    const ruleArns = list(rules.map((r) => `arn:aws:events:${HOME}:${ACCOUNT}:rule/${r.Name}`));
    const permissions = stacks.of('AWS::Lambda::Permission', stack);
    assert.deepEqual(list(permissions.map((p) => p.SourceArn)), ruleArns);
    for (const { SourceArn, ...rest } of permissions) {
      assert.ok(!SourceArn.includes('*'), SourceArn);
      assert.deepEqual(rest, {
        Action: 'lambda:InvokeFunction', Principal: 'events.amazonaws.com', SourceAccount: ACCOUNT,
        FunctionName: `backstop-${manifest.responder}-unattended`,
      });
    }
    const policy = stacks.of('AWS::SQS::QueuePolicy', stack)
      .find((p) => String(p.Queues[0]).endsWith('-rules-dlq'));
    const allowed = policy.PolicyDocument.Statement.filter((s: any) => s.Effect === 'Allow');
    assert.deepEqual(allowed.map((s: any) => [s.Principal, s.Action, s.Condition]), [[
      { Service: 'events.amazonaws.com' }, 'sqs:SendMessage', {
        ArnLike: { 'aws:SourceArn': `arn:aws:events:${HOME}:${ACCOUNT}:rule/${stack}-*` },
        StringEquals: { 'aws:SourceAccount': ACCOUNT },
      },
    ]]);
  });

  test(`${manifest.responder}: a rule is live only once it may invoke, and keep`, () => {
    const template: any = stacks.raw(stack);
    for (const [id, resource] of Object.entries<any>(template.Resources)) {
      if (resource.Type !== 'AWS::Events::Rule') continue;
      const waits = list(resource.DependsOn).map((on) => template.Resources[on].Type);
      assert.ok(waits.includes('AWS::Lambda::Permission'), id);
      assert.ok(waits.includes('AWS::SQS::QueuePolicy'), id);
    }
  });

  test(`${manifest.responder}: the schedules are the manifest's`, () => {
    const schedules = stacks.of('AWS::Scheduler::Schedule', stack);
    assert.deepEqual(schedules.map((s) => [s.Name, s.ScheduleExpression, s.State ?? 'ENABLED']),
      manifest.schedules.map((s) => [`${stack}-${s.name}`, s.expression, 'ENABLED']));
    for (const { Name, Target } of schedules) {
      assert.equal(Target.Arn, arn);
      assert.deepEqual(JSON.parse(Target.Input), { backstop: { sweep: {
        schedule: Name.slice(stack.length + 1), slot: '<aws.scheduler.scheduled-time>',
      } } });
      
      assert.equal(Target.DeadLetterConfig.Arn,
        `arn:aws:sqs:${HOME}:${ACCOUNT}:${stack}-rules-dlq`);
      assert.equal(Target.RoleArn, `arn:aws:iam::${ACCOUNT}:role/${stack}-scheduler`);
    }
    const role = stacks.one('AWS::IAM::Role', 'RoleName', `${stack}-scheduler`);
    assert.deepEqual(role.Policies[0].PolicyDocument.Statement.map((s: any) => [s.Action, s.Resource]), [
      ['lambda:InvokeFunction', arn],
      ['sqs:SendMessage', `arn:aws:sqs:${HOME}:${ACCOUNT}:${stack}-rules-dlq`],
    ]);
    assert.deepEqual(role.AssumeRolePolicyDocument.Statement[0].Condition, { StringEquals: {
      'aws:SourceAccount': ACCOUNT,
      'aws:SourceArn': `arn:aws:scheduler:${HOME}:${ACCOUNT}:schedule-group/${stack}`,
    } });
  });
}

test('the heartbeat is put on the default bus, as nothing else', () => {
  const [schedule] = stacks.of('AWS::Scheduler::Schedule', 'backstop-shared');
  assert.equal(schedule.Target.Arn, `arn:aws:events:${HOME}:${ACCOUNT}:event-bus/default`);
  assert.deepEqual(schedule.Target.EventBridgeParameters,
    { Source: 'backstop.heartbeat', DetailType: 'Backstop Heartbeat' });
  const role = stacks.one('AWS::IAM::Role', 'RoleName', 'backstop-heartbeat-scheduler');
  const [put] = role.Policies[0].PolicyDocument.Statement;
  assert.deepEqual([put.Action, put.Resource, put.Condition], ['events:PutEvents',
    `arn:aws:events:${HOME}:${ACCOUNT}:event-bus/default`,
    { StringEquals: { 'events:source': ['backstop.heartbeat'] } }]);
});

test('many rules are within the limits of a queue\'s policy and of a function\'s', () => {
  const [first] = manifests();
  const rules = Array.from({ length: 30 }, (_, n) => ({ ...first!.rules[0]!, name: `calls-${n}` }));
  const many = synthesise({ manifests: [{ ...first!, responder: 'invented', rules }] });
  for (const policy of many.of('AWS::SQS::QueuePolicy')) {
    assert.ok(policy.PolicyDocument.Statement.length <= 20, 'SQS: 20 statements');
    assert.ok(JSON.stringify(policy.PolicyDocument).length <= 8192, 'SQS: 8 KB');
  }
  const permissions = JSON.stringify(many.of('AWS::Lambda::Permission'));
  assert.ok(permissions.length <= 20480, 'Lambda: 20 KB');
  for (const [name, resources] of many.stacks) assert.ok(resources.size < 450, `${name}: ${resources.size}`);
});
