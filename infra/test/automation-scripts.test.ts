/** The scripts of the Automation documents, executed with a function that answers as told. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { automation, fieldName } from '../lib/automation.ts';
import { FUNCTION, type Json, SETTINGS, choices, every, step } from './runbooks.ts';

const first = every.find((one) => one.manifest.responder === 'ssh-access');
assert.ok(first, 'no manifest has a runbook: nothing would be tested');
const asked = automation(first.manifest, first.runbook, SETTINGS[0]!);

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
