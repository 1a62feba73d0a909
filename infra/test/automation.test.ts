import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { App, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import {
  type AutomationDocument,
  RunbookDocument,
  automation,
  documentName,
  fieldName,
} from '../lib/automation.ts';
import type { Manifest, Runbook } from '../lib/manifest.ts';
import { KEY_ALIAS } from '../lib/names.ts';
import { FUNCTION, type Json, ROLE, SETTINGS, TOPIC, choices, every, step } from './runbooks.ts';
import { isRe2, schema } from './schema.ts';

const first = every.find((one) => one.manifest.responder === 'ssh-access');
assert.ok(first, 'no manifest has a runbook: nothing would be tested');

const check = schema('automation.schema.json');
const asked = automation(first.manifest, first.runbook, SETTINGS[0]!);

// https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-variables.html
const SYSTEM = new Set([
  'global:ACCOUNT_ID',
  'global:DATE',
  'global:DATE_TIME',
  'global:REGION',
  'automation:EXECUTION_ID',
]);
// https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-approve.html
const APPROVE_OUTPUTS = ['ApprovalStatus', 'ApproverDecisions'];

/** References that name nothing which is known when they are resolved. */
function dangling(document: AutomationDocument): string[] {
  const known = new Set([...SYSTEM, ...Object.keys(document.parameters)]);
  const names = new Set(document.mainSteps.map((s) => s['name']));
  const wrong: string[] = [];
  const look = (text: string): void => {
    for (const [, name = ''] of text.matchAll(/\{\{\s*([^}]*?)\s*\}\}/g)) {
      if (!known.has(name)) wrong.push(name);
    }
  };
  look(JSON.stringify([document.description, document.assumeRole]));
  for (const s of document.mainSteps) {
    look(JSON.stringify(s));
    for (const { Name } of (s['outputs'] ?? []) as { Name: string }[]) {
      known.add(`${String(s['name'])}.${Name}`);
    }
    if (s['action'] === 'aws:approve') {
      for (const output of APPROVE_OUTPUTS) known.add(`${String(s['name'])}.${output}`);
    }
    const next = [s['nextStep'], ...choices(s).map((c) => c['NextStep'])].filter(Boolean);
    for (const name of next) if (!names.has(name)) wrong.push(String(name));
  }
  return [...wrong, ...document.outputs.filter((output) => !known.has(output))];
}

describe('the documents', () => {
  for (const { manifest, runbook } of every) {
    for (const setting of SETTINGS) {
      const document: AutomationDocument = automation(manifest, runbook, setting);
      const title = `${runbook.name}, ${setting.approvers ? 'approvers fixed' : 'approvers asked'}`;
      test(`${title}: schema 0.3 takes it, and every reference names something`, () => {
        assert.equal(check(document), undefined);
        assert.deepEqual(dangling(document), []);
        const names = document.mainSteps.map((s) => s['name']);
        assert.equal(new Set(names).size, names.length);
        // https://docs.aws.amazon.com/systems-manager/latest/userguide/documents-creating-content.html
        assert.ok(JSON.stringify(document).length < 64 * 1024, 'more than 64 KB');
        assert.match(documentName(runbook), /^(?!aws|amazon|amzn)[a-zA-Z0-9_.-]{3,128}$/);
      });
    }
  }

  test('nothing that a person or an event says stands in a script', () => {
    const changed = structuredClone(first.manifest) as Manifest;
    const scripts = (document: AutomationDocument): unknown[] =>
      ['Plan', 'Apply'].map((name) => step(document, name).inputs['Script']);
    const files = ['plan', 'apply'].map((name) =>
      readFileSync(new URL(`../automation/${name}.py`, import.meta.url), 'utf8'),
    );
    for (const setting of SETTINGS) {
      assert.deepEqual(scripts(automation(changed, first.runbook, setting)), files);
    }
  });

  type Broken = Json & { mainSteps: (Json & { inputs: Json })[] };
  const broken: [string, (d: Broken) => void][] = [
    ['another schema version', (d) => (d['schemaVersion'] = '2.2')],
    ['no role', (d) => delete d['assumeRole']],
    ['a role of another service', (d) => (d['assumeRole'] = 'arn:aws:sts::1:assumed-role/x')],
    ['a member that is not AWS’s', (d) => (d['version'] = 1)],
    ['no step', (d) => (d.mainSteps = [])],
    ['an unknown action', (d) => (d.mainSteps[0]!['action'] = 'aws:runAnything')],
    ['a step without a name', (d) => delete d.mainSteps[0]!['name']],
    ['a step with an unknown member', (d) => (d.mainSteps[0]!['retry'] = 3)],
    ['a script that may run too long', (d) => (d.mainSteps[0]!['timeoutSeconds'] = 601)],
    ['a runtime that is gone', (d) => (d.mainSteps[0]!.inputs['Runtime'] = 'python3.6')],
    ['a script without a handler', (d) => delete d.mainSteps[0]!.inputs['Handler']],
    ['a script with a reference in it', (d) => (d.mainSteps[0]!.inputs['Script'] = 'f("{{ A }}")')],
    ['an input of another action', (d) => (d.mainSteps[0]!.inputs['FunctionName'] = 'x')],
    ['an output without a type', (d) => delete (d.mainSteps[0]!['outputs'] as Json[])[0]!['Type']],
    ['a branch without choices', (d) => (d.mainSteps[1]!.inputs['Choices'] = [])],
    [
      'a choice without an operation',
      (d) => delete (d.mainSteps[1]!.inputs['Choices'] as Json[])[0]!['StringEquals'],
    ],
    ['a branch with outputs', (d) => (d.mainSteps[1]!['outputs'] = [])],
    ['a step that ends and goes on', (d) => (d.mainSteps[2]!['isEnd'] = true)],
    ['an approval by nobody', (d) => (d.mainSteps[2]!.inputs['Approvers'] = [])],
    ['no approval needed', (d) => (d.mainSteps[2]!.inputs['MinRequiredApprovals'] = 0)],
    ['a message too long', (d) => (d.mainSteps[2]!.inputs['Message'] = 'x'.repeat(4097))],
    [
      'a topic that Automation does not notify',
      (d) => (d.mainSteps[2]!.inputs['NotificationArn'] = TOPIC.replace('Automation-', '')),
    ],
    ['an unknown failure mode', (d) => (d.mainSteps[0]!['onFailure'] = 'Retry')],
    ['a parameter of no type', (d) => (d['parameters'] = { A: { description: 'x' } })],
    ['a parameter of an unknown type', (d) => (d['parameters'] = { A: { type: 'Number' } })],
    [
      'a default of another type',
      (d) => (d['parameters'] = { A: { type: 'String', default: [] } }),
    ],
    [
      'a pattern that RE2 refuses',
      (d) => (d['parameters'] = { A: { type: 'String', allowedPattern: '^(?=a)$' } }),
    ],
    [
      'a repetition that RE2 refuses',
      (d) => (d['parameters'] = { A: { type: 'String', allowedPattern: '^a{1,1200}$' } }),
    ],
    ['an output of no step', (d) => (d['outputs'] = ['Result'])],
  ];
  for (const [title, wreck] of broken) {
    test(`the schema refuses ${title}`, () => {
      const document: AutomationDocument = structuredClone(
        automation(first.manifest, first.runbook, SETTINGS[1]!),
      );
      wreck(document as unknown as Broken);
      assert.notEqual(check(document), undefined);
    });
  }

  test('a reference to nothing, to a later step or to another step’s name is found', () => {
    for (const name of ['Nobody', 'Apply.Result', 'Plan.Nothing', 'ssm:secret']) {
      const document: AutomationDocument = structuredClone(asked);
      step(document, 'Approve').inputs['Message'] = `{{ ${name} }}`;
      assert.deepEqual(dangling(document), [name]);
    }
    const document: AutomationDocument = structuredClone(asked);
    step(document, 'Approve')['nextStep'] = 'Applied';
    assert.deepEqual(dangling(document), ['Applied']);
  });

  test('the approval ends before the plan expires; what cannot work is refused', () => {
    const made = (more: object): AutomationDocument =>
      automation(first.manifest, first.runbook, { assumeRole: ROLE, ...more });
    assert.equal(step(made({}), 'Approve')['timeoutSeconds'], 13_800);
    assert.equal(step(made({ approvalExpirySecs: 3600 }), 'Approve')['timeoutSeconds'], 3000);
    assert.throws(() => made({ approvalExpirySecs: 600 }), /expire before anybody/);
    assert.deepEqual(made({ approvers: [] }), made({}));
    assert.throws(() => made({ approvers: Array(11).fill('x') }), /10 approvers at most/);
    assert.throws(() => made({ approvers: ['alice'], approvals: 2 }), /cannot be had/);
    const clash = {
      ...first.runbook,
      parameters: [{ ...first.runbook.parameters[0]!, name: 'reason' }],
    };
    assert.throws(
      () => automation(first.manifest, clash, { assumeRole: ROLE }),
      /Reason is there already/,
    );
  });

  test('with approvers, whoever starts it cannot choose them', () => {
    const fixed = automation(first.manifest, first.runbook, SETTINGS[1]!);
    assert.ok('Approvers' in asked.parameters, 'the form does not ask');
    assert.equal(step(asked, 'Approve').inputs['Approvers'], '{{ Approvers }}');
    assert.ok(!('Approvers' in fixed.parameters), 'the form asks');
    assert.deepEqual(step(fixed, 'Approve').inputs['Approvers'], ['alice', 'bob']);
  });
});

describe('the form', () => {
  for (const { manifest, runbook } of every) {
    const { parameters } = automation(manifest, runbook, SETTINGS[0]!);
    test(`${runbook.name}: has every parameter of the manifest, and no other`, () => {
      assert.deepEqual(Object.keys(parameters), [
        ...runbook.parameters.map((p) => fieldName(p.name)),
        'Account',
        'Region',
        'RequestedBy',
        'Reason',
        'Option',
        'Approvers',
      ]);
    });
    for (const p of runbook.parameters) {
      test(`${runbook.name}: ${p.name} takes what the manifest takes, or nothing`, () => {
        const field = parameters[fieldName(p.name)]!;
        for (const words of [p.title, p.example]) {
          assert.ok(field.description.includes(words), words);
        }
        assert.equal(field.default, '');
        assert.ok(isRe2(field.allowedPattern!), 'not RE2');
        const form = new RegExp(field.allowedPattern!);
        const manifestPattern = new RegExp(p.pattern);
        assert.match('', form);
        assert.doesNotMatch('', manifestPattern, 'an empty one is only ever left out');
        const values = [p.example, `${p.example} `, `x${p.example}`, `${p.example}\n${p.example}`];
        values.push(p.example.toUpperCase(), '*', '{{ Account }}', `${p.example};id`, '../x');
        for (const value of values) {
          assert.equal(form.test(value), manifestPattern.test(value), JSON.stringify(value));
        }
        assert.match(p.example, form);
        assert.doesNotMatch(`${p.example};id`, form);
      });
    }
  }

  const { parameters } = asked;
  const table: [string, string[], string[]][] = [
    ['Account', ['111122223333'], ['', '11112222333', '1111222233334', 'a11122223333', ' 1']],
    ['Region', ['eu-west-1', 'us-gov-west-1'], ['', 'eu_west_1', 'EU-WEST-1', 'eu-west-1;', 'eu']],
    ['RequestedBy', ['alice', 'Zoë <z@x.org>'], ['', 'a\nb', '{{ Region }}', 'x"y', 'x\\y']],
    ['Reason', ['INC-42: why not?'], ['', 'a\u0000', 'a}', 'x'.repeat(201)]],
    ['Option', ['', 'narrow', 'revoke'], ['Narrow', 'a b', 'x'.repeat(41)]],
  ];
  for (const [name, good, bad] of table) {
    test(`${name} takes what it should, and no more`, () => {
      const pattern = parameters[name]!.allowedPattern!;
      assert.ok(isRe2(pattern), 'not RE2');
      for (const value of good) assert.match(value, new RegExp(pattern));
      for (const value of bad) assert.doesNotMatch(value, new RegExp(pattern));
    });
  }
});

describe('the construct', () => {
  const env = { account: '111122223333', region: 'eu-west-1' };

  function synthesised(runbooks: Runbook[], notify: boolean): Template {
    const stack = new Stack(new App(), 'Test', { env });
    const topic = { topicName: 'Automation-backstop', keyAlias: KEY_ALIAS };
    const manifest = { ...first!.manifest, runbooks };
    for (const runbook of runbooks) {
      new RunbookDocument(stack, runbook.name, {
        manifest,
        runbook,
        approvers: ['alice'],
        ...(notify && { notify: topic }),
      });
    }
    return Template.fromStack(stack);
  }

  const second = { ...first.runbook, name: 'ssh-access.another' };

  test('each runbook is a document that CloudFormation updates in place', () => {
    const template = synthesised([first.runbook, second], false);
    template.resourceCountIs('AWS::SSM::Document', 2);
    for (const runbook of [first.runbook, second]) {
      template.hasResourceProperties('AWS::SSM::Document', {
        Name: documentName(runbook),
        DocumentType: 'Automation',
        DocumentFormat: 'YAML',
        UpdateMethod: 'NewVersion',
      });
    }
    assert.equal(documentName(first.runbook), 'backstop-ssh-access-revoke-ingress');
  });

  test('the content is the document, with the role’s ARN in it', () => {
    const template = synthesised([first.runbook], true);
    const [resource] = Object.values(template.findResources('AWS::SSM::Document'));
    const [glue, parts] = resource!['Properties']['Content']['Fn::Join'] as [string, unknown[]];
    const text = parts.map((part) => {
      if (typeof part === 'string') return part;
      return JSON.stringify(part).includes('sshaccessautomationRole') ? ROLE : 'aws';
    });
    const content = JSON.parse(text.join(glue)) as unknown;
    assert.deepEqual(
      content,
      automation(first.manifest, first.runbook, {
        assumeRole: ROLE,
        approvers: ['alice'],
        topicArn: TOPIC.replace('111111111111', env.account),
      }),
    );
    assert.equal(check(content), undefined);
  });

  test('one role for the responder: only executions of this account and Region assume it', () => {
    const template = synthesised([first.runbook, second], true);
    template.resourceCountIs('AWS::IAM::Role', 1);
    template.hasResourceProperties('AWS::IAM::Role', {
      RoleName: `backstop-${first.manifest.responder}-automation`,
      AssumeRolePolicyDocument: {
        Statement: [
          {
            Action: 'sts:AssumeRole',
            Effect: 'Allow',
            Principal: { Service: 'ssm.amazonaws.com' },
            Condition: {
              StringEquals: { 'aws:SourceAccount': '111122223333' },
              ArnLike: {
                'aws:SourceArn': {
                  'Fn::Join': [
                    '',
                    [
                      'arn:',
                      { Ref: 'AWS::Partition' },
                      ':ssm:eu-west-1:111122223333:automation-execution/*',
                    ],
                  ],
                },
              },
            },
          },
        ],
      },
      ManagedPolicyArns: Match.absent(),
      Policies: Match.absent(),
    });
  });

  test('it may invoke the attended function, notify the topic, and nothing else', () => {
    const statements = (notify: boolean): Json[] => {
      const template = synthesised([first!.runbook, second], notify);
      const policies = Object.values(template.findResources('AWS::IAM::Policy'));
      assert.equal(policies.length, 1);
      return policies[0]!['Properties']['PolicyDocument']['Statement'] as Json[];
    };
    const arn = (rest: string): Json => ({
      'Fn::Join': ['', ['arn:', { Ref: 'AWS::Partition' }, rest]],
    });
    const invoke = {
      Action: 'lambda:InvokeFunction',
      Effect: 'Allow',
      Resource: arn(`:lambda:eu-west-1:111122223333:function:${FUNCTION}`),
    };
    assert.deepEqual(statements(false), [invoke]);
    assert.deepEqual(statements(true), [
      invoke,
      {
        Action: 'sns:Publish',
        Effect: 'Allow',
        Resource: arn(':sns:eu-west-1:111122223333:Automation-backstop'),
      },
      {
        Action: ['kms:GenerateDataKey', 'kms:Decrypt'],
        Effect: 'Allow',
        Resource: arn(':kms:eu-west-1:111122223333:key/*'),
        Condition: {
          StringEquals: { 'kms:ViaService': 'sns.eu-west-1.amazonaws.com' },
          'ForAnyValue:StringEquals': { 'kms:ResourceAliases': 'alias/backstop' },
        },
      },
    ]);
  });

  test('a topic that Automation does not notify is refused', () => {
    const stack = new Stack(new App(), 'Test', { env });
    const { manifest, runbook } = first;
    const notify = { topicName: 'backstop-page' };
    assert.throws(
      () => new RunbookDocument(stack, 'Runbook', { manifest, runbook, notify }),
      /only notifies topics named Automation…: backstop-page/,
    );
  });
});
