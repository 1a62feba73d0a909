/**
 * The whole deployment as a user makes it, with the real CDK, on a local AWS: set up, deploy, deploy
 * again, destroy, deploy once more. `make test` runs it; it refuses any other AWS.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { manifests } from '../../lib/manifest.ts';

const ENDPOINT = process.env['BACKSTOP_LOCAL_AWS'] ?? '';
if (new URL(ENDPOINT).hostname !== '127.0.0.1') throw new Error('BACKSTOP_LOCAL_AWS is not on loopback');
const binary = process.env['BACKSTOP_BINARY'];
if (binary === undefined) throw new Error('BACKSTOP_BINARY names no function; hint: run `make test`');

const ACCOUNT = '999900000001';
const HOME = 'eu-west-1';
const FUNCTION = 'backstop-ssh-access-unattended';
const infra = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'backstop-deploy-'));
after(() => rmSync(folder, { recursive: true }));
const policy = join(folder, 'backstop.toml');
writeFileSync(policy, `mode = "enforce"
[scope]
accounts = ["${ACCOUNT}"]
regions = ["${HOME}", "us-east-1"]
home_region = "${HOME}"
[scope.production]
everything = true
`);
// Every responder is packed; each binary lies beside the one that is named.
for (const { responder } of manifests()) {
  mkdirSync(join(folder, responder));
  copyFileSync(policy, join(folder, responder, 'backstop.toml'));
  copyFileSync(join(dirname(binary), responder), join(folder, responder, 'bootstrap'));
}

function run(command: string, ...args: string[]): { code: number | null; said: string } {
  const done = spawnSync(command, args, {
    cwd: infra,
    encoding: 'utf8',
    env: {
      PATH: process.env['PATH'], HOME: folder, NO_COLOR: '1', NODE_NO_WARNINGS: '1', CI: 'true',
      AWS_ENDPOINT_URL: ENDPOINT, AWS_REGION: HOME, AWS_EC2_METADATA_DISABLED: 'true',
      AWS_ACCESS_KEY_ID: ACCOUNT, AWS_SECRET_ACCESS_KEY: 'dummy',
      BACKSTOP_CONFIG: policy, BACKSTOP_PACKAGES: folder, CDK_DISABLE_CLI_TELEMETRY: 'true',
    },
  });
  return { code: done.status, said: `${done.stdout}${done.stderr}` };
}
const deploy = (...args: string[]) => run('node', '--import', 'tsx', 'bin/deploy.ts', ...args);

/** One call, unsigned: the local AWS takes the key for the account. */
async function call(service: string, path: string, init: RequestInit = {}, region = HOME): Promise<any> {
  const answer = await fetch(`${ENDPOINT}${path}`, {
    ...init,
    headers: {
      Authorization: `AWS4-HMAC-SHA256 Credential=${ACCOUNT}/20260101/${region}/${service}/aws4_request, `
        + 'SignedHeaders=host, Signature=0',
      ...init.headers,
    },
  });
  return { status: answer.status, body: await answer.json() };
}
const target = (service: string, name: string, body: object) => call(service, '/', {
  method: 'POST', body: JSON.stringify(body),
  headers: { 'X-Amz-Target': name, 'Content-Type': 'application/x-amz-json-1.0' },
});
const mode = async () => (await call('lambda', `/2015-03-31/functions/${FUNCTION}/configuration`))
  .body.Environment?.Variables?.BACKSTOP_MODE;
const item = { pk: { S: 'i#kept' }, sk: { S: 'h' } };

test('a deployment from nothing to nothing, and back', async () => {
  const unprepared = deploy('deploy', '--yes');
  assert.equal(unprepared.code, 3, unprepared.said);
  assert.match(unprepared.said, /the CDK is not set up in eu-west-1, us-east-1\nhint: run `/);
  // The line that the hint prints.
  const line = /npx (cdk bootstrap [^`]+)`/.exec(unprepared.said)?.[1] ?? '';
  const bootstrap = run('npx', ...line.split(' '));
  assert.equal(bootstrap.code, 0, bootstrap.said);

  const unasked = deploy('deploy');
  assert.equal(unasked.code, 4, unasked.said);
  assert.match(unasked.said, /nobody is there to ask/);

  const first = deploy('deploy', '--yes');
  assert.equal(first.code, 0, first.said);
  assert.match(first.said, /create +backstop-ssh-access +eu-west-1 +mode observe \(first deployment/);
  assert.equal(await mode(), 'observe', 'although the policy says enforce');
  const put = await target('dynamodb', 'DynamoDB_20120810.PutItem',
    { TableName: 'backstop-journal', Item: item });
  assert.equal(put.status, 200, JSON.stringify(put.body));

  const diff = deploy('diff');
  assert.equal(diff.code, 0, diff.said);
  assert.match(diff.said, /\[-\] Removed: \.BACKSTOP_MODE/, 'what the next deployment changes');

  const second = deploy('deploy', '--yes');
  assert.equal(second.code, 0, second.said);
  assert.match(second.said, /update +backstop-ssh-access +eu-west-1 +mode enforce/);
  assert.equal(await mode(), undefined, 'the policy decides');
  const invoked = await call('lambda', '/2015-03-31/functions/backstop-ssh-access-attended/invocations',
    { method: 'POST', body: '{"backstop":{"incidents":{}}}' });
  assert.deepEqual(invoked.body, { incidents: [] });

  const sent = await target('sqs', 'AmazonSQS.SendMessage', {
    QueueUrl: `${ENDPOINT}/${ACCOUNT}/${FUNCTION}-dlq`, MessageBody: 'unread',
  });
  assert.equal(sent.status, 200, JSON.stringify(sent.body));
  const refused = deploy('destroy', '--yes');
  assert.equal(refused.code, 4, refused.said);
  assert.match(refused.said, new RegExp(`there are messages in ${FUNCTION}-dlq, and they would be lost`));

  const gone = deploy('destroy', '--yes', '--force');
  assert.equal(gone.code, 0, gone.said);
  assert.match(gone.said, /keep +backstop-journal/);
  const missing = await call('lambda', `/2015-03-31/functions/${FUNCTION}/configuration`);
  assert.equal(missing.status, 404, JSON.stringify(missing.body));
  const kept = await target('dynamodb', 'DynamoDB_20120810.GetItem',
    { TableName: 'backstop-journal', Key: item });
  assert.deepEqual(kept.body.Item, item, 'the journal is as it was');

  const again = deploy('deploy', '--yes');
  assert.equal(again.code, 0, again.said);
  assert.match(again.said, /update +backstop-journal/);
  assert.equal(await mode(), 'observe', 'a responder that comes back observes first');
});
