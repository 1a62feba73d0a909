import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
import { type Manifest, type Runbook, manifests } from '../lib/manifest.ts';
import { KEY_ALIAS, functionName } from '../lib/names.ts';
import { isRe2, schema } from './schema.ts';

const ROLE = 'arn:aws:iam::111111111111:role/backstop-ssh-access-automation';
const TOPIC = 'arn:aws:sns:eu-west-1:111111111111:Automation-backstop';
const SETTINGS = [
  { assumeRole: ROLE },
  { assumeRole: ROLE, approvers: ['alice', 'bob'], approvals: 2, topicArn: TOPIC },
];
const every = manifests().flatMap((manifest) =>
  manifest.runbooks.map((runbook) => ({ manifest, runbook })),
);
const [first] = every;
assert.ok(first, 'no manifest has a runbook: nothing would be tested');

const check = schema('automation.schema.json');
const asked = automation(first.manifest, first.runbook, SETTINGS[0]!);

type Json = Record<string, unknown>;

/** A step of a document, loosely typed: tests break it on purpose. */
function step(document: AutomationDocument, name: string): Json & { inputs: Json } {
  const found = document.mainSteps.find((s) => s['name'] === name);
  assert.ok(found, `no step ${name}`);
  return found as Json & { inputs: Json };
}

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

function choices(s: Json): Json[] {
  return ((s['inputs'] as Json)['Choices'] ?? []) as Json[];
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

/** One invocation of the function, as the fake client answers it. */
interface Answer {
  readonly reply?: unknown;
  readonly error?: { readonly errorType: string; readonly errorMessage: string };
  /** How long the function takes. */
  readonly seconds?: number;
}

interface Ran {
  readonly ok: boolean;
  /** What the script returned. */
  readonly out: Json;
  readonly stderr: string;
  /** What the function was asked, in order. */
  readonly calls: { FunctionName: string; Payload: Json; Config: Json }[];
}

// The client as boto3 documents it; each answer is given once, and one too many is an error.
const BOTO3 = `
import io, json, os, time
now = [0]
time.monotonic = lambda: now[0]
answers = json.load(open(os.environ["ANSWERS"]))
class Lambda:
    def __init__(self, config): self.config = config
    def invoke(self, FunctionName, Payload):
        call = {"FunctionName": FunctionName, "Payload": json.loads(Payload),
                "Config": vars(self.config)}
        open(os.environ["CALLS"], "a").write(json.dumps(call) + "\\n")
        answer = answers.pop(0)
        now[0] += answer.get("seconds", 0)
        body = json.dumps(answer.get("error") or answer.get("reply")).encode()
        found = {"StatusCode": 200, "Payload": io.BytesIO(body)}
        return {**found, "FunctionError": "Unhandled"} if "error" in answer else found
def client(name, config):
    assert name == "lambda"
    return Lambda(config)
`;
const BOTOCORE = `
class Config:
    def __init__(self, **options): vars(self).update(options)
`;
// As Automation calls a script: the payload first, the answer as JSON.
const RUN = `
import json, sys
scope = {}
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), scope)
print(json.dumps(scope[sys.argv[2]](json.load(sys.stdin), {})))
`;

/** Runs the script as it stands in the document. */
function run(name: 'Plan' | 'Apply', payload: Json, answers: Answer[]): Ran {
  const { inputs } = step(asked, name);
  const folder = mkdtempSync(join(tmpdir(), 'backstop-automation-'));
  try {
    const put = (file: string, text: string): string => {
      writeFileSync(join(folder, file), text);
      return join(folder, file);
    };
    mkdirSync(join(folder, 'botocore'));
    put('boto3.py', BOTO3);
    put('botocore/config.py', BOTOCORE);
    const file = put('script.py', String(inputs['Script']));
    const ran = spawnSync(
      'python3',
      ['-B', put('run.py', RUN), file, String(inputs['Handler'])],
      {
        input: JSON.stringify(payload),
        encoding: 'utf8',
        env: {
          ...process.env,
          PYTHONPATH: folder,
          ANSWERS: put('answers.json', JSON.stringify(answers)),
          CALLS: put('calls', ''),
        },
      },
    );
    const calls = readFileSync(join(folder, 'calls'), 'utf8').split('\n').filter(Boolean);
    return {
      ok: ran.status === 0,
      out: ran.status === 0 ? (JSON.parse(ran.stdout) as Json) : {},
      stderr: ran.stderr,
      calls: calls.map((call) => JSON.parse(call) as Ran['calls'][number]),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const HASH = 'a'.repeat(64);
const HASH2 = 'b'.repeat(64);
const FUNCTION = functionName(first.manifest.responder, 'attended');

/** What the form fills in, for an empty form but for `target`. */
function filled(more: Json = {}): Json {
  return {
    function: FUNCTION,
    runbook: 'ssh-access.revoke-ingress',
    target: { group_id: 'sg-0123456789abcdef0', rule_id: '', instance_id: '' },
    account: '111122223333',
    region: 'eu-west-1',
    requested_by: 'alice',
    reason: 'INC-42',
    option: '',
    ...more,
  };
}

/** An incident as design §4 has it. */
function incident(more: Json = {}): Json {
  return {
    id: 'ssh-access-20261125-abcdefghijkl',
    control: 'aws-work-02',
    signal: 'R2.1a',
    resource: 'arn:aws:ec2:eu-west-1:111122223333:security-group/sg-0123456789abcdef0',
    account: '111122223333',
    region: 'eu-west-1',
    urgency: 'ticket',
    outcome: 'planned',
    reason: 'a person asked for the plan only',
    plan_hash: HASH,
    steps: [
      {
        n: 1,
        action: 'ec2.security-group-rule.revoke/1',
        class: 'auto',
        status: 'held',
        reason: 'it admits TCP 22 from 0.0.0.0/0',
        resource: 'arn:aws:ec2:eu-west-1:111122223333:security-group-rule/sgr-0123456789abcdef0',
        before: { cidr: '0.0.0.0/0', description: 'x' },
        after: null,
        command: 'aws ec2 revoke-security-group-ingress --group-id sg-0123456789abcdef0',
        undo_command: 'aws ec2 authorize-security-group-ingress',
      },
    ],
    ...more,
  };
}

const CHOICE = {
  default: 'narrow',
  options: [
    ['narrow', 'take TCP 22 out of the range'],
    ['revoke', 'revoke the whole rule'],
  ],
};

function planned(answers: Answer[], more: Json = {}): Ran {
  return run('Plan', filled(more), answers);
}

describe('the script Plan', () => {
  test('orders a plan of what the form holds, once, and drops what was left empty', () => {
    const ran = planned([{ reply: { incidents: [incident()] } }]);
    assert.ok(ran.ok, ran.stderr);
    assert.equal(ran.calls.length, 1);
    assert.equal(ran.calls[0]!.FunctionName, FUNCTION);
    assert.deepEqual(ran.calls[0]!.Payload, {
      backstop: {
        run: {
          runbook: 'ssh-access.revoke-ingress',
          target: { group_id: 'sg-0123456789abcdef0' },
          account: '111122223333',
          region: 'eu-west-1',
          apply: false,
          requested_by: 'alice',
          reason: 'INC-42',
        },
      },
    });
    const { retries, read_timeout: timeout } = ran.calls[0]!.Config;
    assert.deepEqual(retries, { total_max_attempts: 1 }, 'a repeated call is a second order');
    assert.ok(Number(timeout) > 60 && Number(timeout) < 600, `${String(timeout)} s`);
  });

  test('every field of the form reaches the order', () => {
    const { inputs } = step(asked, 'Plan');
    assert.deepEqual(inputs['InputPayload'], {
      function: FUNCTION,
      runbook: first.runbook.name,
      target: Object.fromEntries(
        first.runbook.parameters.map((p) => [p.name, `{{ ${fieldName(p.name)} }}`]),
      ),
      account: '{{ Account }}',
      region: '{{ Region }}',
      requested_by: '{{ RequestedBy }}',
      reason: '{{ Reason }}',
      option: '{{ Option }}',
    });
  });

  test('shows the incident, the hash, and each step whole', () => {
    const { out } = planned([{ reply: { incidents: [incident()] } }]);
    assert.equal(out['decision'], 'approve');
    assert.deepEqual(out['approvals'], [`ssh-access-20261125-abcdefghijkl ${HASH}`]);
    assert.deepEqual(out['incidents'], ['ssh-access-20261125-abcdefghijkl']);
    for (const words of [
      'Approve to apply 1 plan:',
      'ssh-access-20261125-abcdefghijkl',
      HASH,
      'STEP 1: ec2.security-group-rule.revoke/1 (auto, held)',
      'on: arn:aws:ec2:eu-west-1:111122223333:security-group-rule/sgr-0123456789abcdef0',
      'why: it admits TCP 22 from 0.0.0.0/0',
      'before: {"cidr": "0.0.0.0/0", "description": "x"}',
      'after: as the command says',
      'runs: aws ec2 revoke-security-group-ingress --group-id sg-0123456789abcdef0',
      'undo: aws ec2 authorize-security-group-ingress',
    ]) {
      assert.ok((out['message'] as string).includes(words), words);
      assert.ok((out['plan'] as string).includes(words), words);
    }
  });

  test('ends before the approval, and says why, when there is nothing to approve', () => {
    const human = incident();
    (human['steps'] as Json[])[0]!['class'] = 'human';
    const none = { plan_hash: null, steps: [] };
    const cases: [Json[], RegExp][] = [
      [[], /found nothing to look at/],
      [
        [incident({ ...none, outcome: 'compliant', reason: 'no rule admits SSH' })],
        /why: no rule admits SSH/,
      ],
      [
        [incident({ ...none, outcome: 'held', reason: 'it could not be assessed: AccessDenied' })],
        /it could not be assessed: AccessDenied/,
      ],
      [[human], /STEP 1: .*\(human, held\)/],
    ];
    for (const [incidents, why] of cases) {
      const { ok, out, stderr } = planned([{ reply: { incidents } }]);
      assert.ok(ok, stderr);
      assert.equal(out['decision'], 'nothing');
      assert.deepEqual(out['approvals'], []);
      assert.match(out['plan'] as string, /There is nothing to approve/);
      assert.match(out['plan'] as string, why);
    }
    const branch = step(asked, 'IsThereAPlan');
    assert.deepEqual(
      choices(branch).map((c) => c['StringEquals']),
      ['approve'],
    );
    assert.equal(branch['isEnd'], true);
    assert.equal(branch.inputs['Default'], undefined);
  });

  test('fails with the function’s own words', () => {
    const error = { errorType: 'invalid', errorMessage: 'needs one target\nhint: give `group_id`' };
    const refused = planned([{ error }]);
    assert.equal(refused.ok, false);
    assert.match(refused.stderr, /invalid: needs one target hint: give `group_id`/);
    const ignored = planned([{ reply: { incidents: [], ignored: 'not ours' } }]);
    assert.equal(ignored.ok, false);
    assert.match(ignored.stderr, /nothing was planned: not ours/);
  });

  test('takes every incident, and shows those that need no approval too', () => {
    const second = { id: 'ssh-access-20261125-mnopqrstuvwx', plan_hash: HASH2 };
    const third = { id: 'ssh-access-20261125-zzzzzzzzzzzz', outcome: 'compliant', plan_hash: null };
    const { out } = planned([
      { reply: { incidents: [incident(), incident(second), incident({ ...third, steps: [] })] } },
    ]);
    assert.deepEqual(out['approvals'], [
      `ssh-access-20261125-abcdefghijkl ${HASH}`,
      `ssh-access-20261125-mnopqrstuvwx ${HASH2}`,
    ]);
    assert.equal((out['incidents'] as string[]).length, 3);
    assert.match(out['message'] as string, /^Approve to apply 2 plans:/);
    assert.match(String(out['message']), /INCIDENT ssh-access-20261125-z{12} \(compliant\)/);
  });

  test('a plan that is open already is approved where it is open', () => {
    const twin = incident({ id: 'ssh-access-20261125-twintwintwin', outcome: 'held' });
    const duplicate = incident({
      outcome: 'duplicate',
      reason: 'the same plan is open',
      duplicate_of: 'ssh-access-20261125-twintwintwin',
      plan_hash: null,
    });
    const { out, calls } = planned([
      { reply: { incidents: [duplicate] } },
      { reply: { incidents: [twin] } },
    ]);
    assert.deepEqual(calls[1]!.Payload, {
      backstop: { show: { incident: 'ssh-access-20261125-twintwintwin' } },
    });
    assert.deepEqual(out['approvals'], [`ssh-access-20261125-twintwintwin ${HASH}`]);
  });

  test('an option goes to the plans that hold the choice, and to no others', () => {
    const chosen = incident({ choice: CHOICE });
    const other = incident({ id: 'ssh-access-20261125-mnopqrstuvwx', plan_hash: HASH2 });
    const option = { option: 'revoke' };
    const { out } = planned([{ reply: { incidents: [chosen, other] } }], option);
    assert.deepEqual(out['approvals'], [
      `ssh-access-20261125-abcdefghijkl ${HASH} revoke`,
      `ssh-access-20261125-mnopqrstuvwx ${HASH2}`,
    ]);
    assert.match(out['message'] as string, /choice: narrow unless another option is given/);
    assert.match(out['message'] as string, /revoke: revoke the whole rule/);
    const none = planned([{ reply: { incidents: [other] } }], option);
    assert.match(none.stderr, /the plan holds no choice/);
    const wrong = planned([{ reply: { incidents: [chosen] } }], { option: 'burn' });
    assert.match(wrong.stderr, /has no option burn; it has: narrow, revoke/);
    const left = planned([{ reply: { incidents: [chosen] } }]);
    assert.deepEqual(left.out['approvals'], [`ssh-access-20261125-abcdefghijkl ${HASH}`]);
  });

  test('a long plan is shortened, never its incidents and hashes; both limits hold', () => {
    const facts = Array<string>(3000).fill('😀'.repeat(40));
    const incidents = Array.from({ length: 20 }, (_, n) =>
      incident({ id: `ssh-access-20261125-abcdefghij${n + 10}`, facts }),
    );
    const { ok, out, stderr } = planned([{ reply: { incidents } }]);
    assert.ok(ok, stderr);
    const message = out['message'] as string;
    assert.ok(message.length <= 4096 && message.length > 4000, `${message.length}`);
    assert.match(message, /\[shortened: .*\]$/);
    for (const { id } of incidents) {
      assert.ok(message.includes(`${String(id)} plan ${HASH}`), String(id));
    }
    assert.match(out['plan'] as string, /\[shortened: .*\]$/);
    const escaped = JSON.stringify(out).replace(/[\u0080-\uffff]/g, 'uuuuuu');
    assert.ok(escaped.length < 100_000, `${escaped.length}`);
    const many = Array.from({ length: 60 }, (_, n) => incident({ id: `ssh-access-20261125-${n}` }));
    const refused = planned([{ reply: { incidents: many } }]);
    assert.match(refused.stderr, /60 plans are more than one approval can show/);
  });

  test('text of events makes no reference, and no line of its own', () => {
    const evil = '{{ ssm:secret }}\nSTEP 9: nothing\u001b[2J';
    const { out } = planned([
      { reply: { incidents: [incident({ facts: [evil], reason: evil, blast_radius: evil })] } },
    ]);
    for (const words of [out['message'], out['plan']] as string[]) {
      assert.doesNotMatch(words, /\{\{|\}\}|\u001b/);
      assert.doesNotMatch(words, /^STEP 9/m);
      assert.match(words, /\{ \{ ssm:secret \} \}/);
    }
  });
});

function applied(answers: Answer[], more: Json = {}): Ran {
  const payload = {
    function: FUNCTION,
    approvals: [`ssh-access-20261125-abcdefghijkl ${HASH}`],
    decisions: [],
    execution: '1a2b3c4d-0000-0000-0000-000000000000',
    ...more,
  };
  return run('Apply', payload, answers);
}

describe('the script Apply', () => {
  const contained = (more: Json = {}): Answer => ({
    reply: { incidents: [incident({ outcome: 'contained', reason: 'verified', ...more })] },
  });

  test('approves exactly the hash that was shown, once', () => {
    const ran = applied([contained({ aftermath: ['no other way in'], follow_up: ['tell bob'] })]);
    assert.ok(ran.ok, ran.stderr);
    assert.equal(ran.calls.length, 1);
    assert.equal(ran.calls[0]!.FunctionName, FUNCTION);
    assert.deepEqual(ran.calls[0]!.Payload, {
      backstop: {
        approve: {
          incident: 'ssh-access-20261125-abcdefghijkl',
          plan_hash: HASH,
          approved_by: 'automation execution 1a2b3c4d-0000-0000-0000-000000000000',
        },
      },
    });
    assert.deepEqual(ran.calls[0]!.Config['retries'], { total_max_attempts: 1 });
    assert.equal(
      ran.out['result'],
      'ssh-access-20261125-abcdefghijkl: contained: verified\n' +
        '  now: no other way in\n  to do: tell bob',
    );
  });

  test('hands on the option, and who approved', () => {
    const decisions = [
      { Approver: 'arn:aws:iam::111122223333:user/bob', Decision: 'Approve' },
      '{"approver":"arn:aws:iam::111122223333:user/carol","decision":"Approve"}',
      { Approver: 'arn:aws:iam::111122223333:user/mallory', Decision: 'Reject' },
      'not as expected',
      7,
    ];
    const { calls } = applied([contained()], {
      approvals: [`ssh-access-20261125-abcdefghijkl ${HASH} revoke`],
      decisions,
    });
    const { approve } = calls[0]!.Payload['backstop'] as { approve: Json };
    assert.equal(approve['option'], 'revoke');
    assert.equal(
      approve['approved_by'],
      'arn:aws:iam::111122223333:user/bob, arn:aws:iam::111122223333:user/carol, ' +
        'automation execution 1a2b3c4d-0000-0000-0000-000000000000',
    );
  });

  test('succeeds only where something was put right', () => {
    for (const outcome of ['contained', 'partial', 'compliant']) {
      assert.ok(applied([contained({ outcome })]).ok, outcome);
    }
    for (const outcome of ['failed', 'held', 'planned', 'observed', 'duplicate', null]) {
      const ran = applied([contained({ outcome, reason: 'the call was refused' })]);
      assert.ok(!ran.ok, String(outcome));
      assert.match(ran.stderr, /not applied:\nssh-access-[0-9a-z-]+: .*the call was refused/);
    }
  });

  test('one that fails does not stop the others, and all are told', () => {
    const error = { errorType: 'conflict', errorMessage: 'the plan has expired\nhint: again' };
    const ids = ['a', 'b', 'c'].map((x) => `ssh-access-20261125-${x.repeat(12)}`);
    const ran = applied(
      [contained({ id: ids[0] }), { error }, contained({ id: ids[2], outcome: 'partial' })],
      { approvals: ids.map((id) => `${id} ${HASH}`) },
    );
    assert.equal(ran.ok, false);
    assert.equal(ran.calls.length, 3);
    assert.match(ran.stderr, new RegExp(`not applied:\n${ids[1]}: conflict: the plan has expired`));
    const rest = `of all:\n${ids[0]}: contained: verified\n${ids[2]}: partial`;
    assert.match(ran.stderr, new RegExp(rest));
  });

  test('begins nothing that could not end within the step’s time', () => {
    const ids = ['a', 'b'].map((x) => `ssh-access-20261125-${x.repeat(12)}`);
    const ran = applied([{ ...contained({ id: ids[0] }), seconds: 401 }, contained()], {
      approvals: ids.map((id) => `${id} ${HASH}`),
    });
    assert.equal(ran.ok, false);
    assert.equal(ran.calls.length, 1);
    assert.match(ran.stderr, new RegExp(`not applied:\n${ids[1]}: not begun`));
    const timeout = Number(ran.calls[0]!.Config['read_timeout']);
    assert.ok(400 + timeout < 600, `${timeout} s`);
  });

  test('takes nothing but an incident and a hash', () => {
    const wrong = ['', `x ${HASH.slice(1)}`, `X ${HASH}`, `x;y ${HASH}`];
    for (const approval of [...wrong, `x ${HASH} a b`, `x ${HASH}\n`]) {
      const ran = applied([], { approvals: [approval] });
      assert.equal(ran.ok, false);
      assert.equal(ran.calls.length, 0);
      assert.match(ran.stderr, /it is not an incident with a hash/);
    }
  });

  test('is given what Plan and Approve put out', () => {
    assert.deepEqual(step(asked, 'Apply').inputs['InputPayload'], {
      function: FUNCTION,
      approvals: '{{ Plan.Approvals }}',
      decisions: '{{ Approve.ApproverDecisions }}',
      execution: '{{ automation:EXECUTION_ID }}',
    });
    assert.equal(step(asked, 'Approve').inputs['Message'], '{{ Plan.Message }}');
    // Every declared output is one that the script returns.
    const { out } = planned([{ reply: { incidents: [] } }]);
    const outputs = step(asked, 'Plan')['outputs'] as { Selector: string; Type: string }[];
    for (const { Selector, Type } of outputs) {
      const value = out[Selector.replace('$.Payload.', '')];
      assert.equal(Array.isArray(value) ? 'StringList' : 'String', Type, Selector);
      assert.notEqual(value, undefined);
    }
  });
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
