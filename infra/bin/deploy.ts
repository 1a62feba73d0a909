/**
 * `deploy`, `diff` and `destroy`: says what it will do, asks, then lets the CDK do it.
 *
 * usage: deploy.ts deploy|diff|destroy [--yes] [--force]
 */
import { spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CloudFormationClient, paginateDescribeStacks } from '@aws-sdk/client-cloudformation';
import { GetQueueAttributesCommand, GetQueueUrlCommand, SQSClient } from '@aws-sdk/client-sqs';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { App } from 'aws-cdk-lib';
import cdkJson from '../cdk.json' with { type: 'json' };
import { CDK_STACK, type Existing, describe, plan, regions, removal } from '../lib/deployment.ts';
import { manifests } from '../lib/manifest.ts';
import { PREFIX } from '../lib/names.ts';
import { SettingError, policyText, settings } from '../lib/settings.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** What stops a deployment: names the thing, the cause, and one hint. */
class Refusal extends Error {
  readonly code: number;
  constructor(what: string, hint: string, code = 2) {
    super(`${what}\nhint: ${hint}`);
    this.code = code;
  }
}

async function main(): Promise<number> {
  const { positionals: [verb], values } = parseArgs({
    allowPositionals: true,
    options: { yes: { type: 'boolean', default: false }, force: { type: 'boolean', default: false } },
  });
  if (verb !== 'deploy' && verb !== 'diff' && verb !== 'destroy') {
    throw new Refusal(`there is no verb \`${verb ?? ''}\``, 'deploy, diff or destroy');
  }
  const policy = process.env['BACKSTOP_CONFIG'] ?? here('../../config/backstop.toml');
  const configured = settings(new App({ context: cdkJson.context }).node, policyText(policy));
  const where = regions(configured);
  const existing = await survey(where);
  return verb === 'destroy'
    ? destroy(configured, existing, values)
    : deploy(verb, configured, existing, values.yes);
}

type Configured = ReturnType<typeof settings>;

async function deploy(
  verb: 'deploy' | 'diff', configured: Configured, existing: Existing, yes: boolean,
): Promise<number> {
  const packages = process.env['BACKSTOP_PACKAGES'];
  if (packages === undefined) {
    throw new Refusal('`BACKSTOP_PACKAGES` names no folder of built functions', `run \`make ${verb}\``);
  }
  const deployment = plan(configured, manifests(), existing);
  console.log(`${describe(deployment)}\n`);
  const [obstacle] = deployment.obstacles;
  if (obstacle !== undefined) throw new Refusal(obstacle.what, obstacle.hint, 3);
  if (deployment.unprepared.length > 0) {
    const targets = deployment.unprepared.map((r) => `aws://${existing.account}/${r}`).join(' ');
    throw new Refusal(`the CDK is not set up in ${deployment.unprepared.join(', ')}`,
      `run \`cd infra && npx cdk bootstrap -c placeholder=true ${targets}\` once`, 3);
  }
  const context = ['-c', `packages=${packages}`, '-c', `deployed=${deployment.deployed.join(',')}`];
  const stacks = deployment.steps.map((step) => step.stack);
  if (verb === 'diff') return cdk('diff', ...stacks, ...context);
  if (!await agreed('deploy this?', yes)) return 1;
  // What changes in permissions has been said by the tests and by `make diff`.
  return cdk('deploy', ...stacks, '--require-approval', 'never', '--concurrency', '4', ...context);
}

async function destroy(
  configured: Configured, existing: Existing, how: { yes: boolean; force: boolean },
): Promise<number> {
  const { stacks, queues, stays } = removal(configured, manifests());
  const [home] = regions(configured);
  const waiting = await undelivered(queues);
  console.log([
    `account ${existing.account}, home Region ${home}`, '',
    ...stacks.map((stack) => `  remove  ${stack}`),
    `  keep    ${stays} (the journal and the logs; nothing here removes them)`, '',
  ].join('\n'));
  if (waiting.length > 0 && !how.force) {
    throw new Refusal(`there are messages in ${waiting.join(', ')}, and they would be lost`,
      'read them first (docs/deployment.md), or say `make destroy FORCE=1`', 4);
  }
  if (!await agreed('remove this?', how.yes)) return 1;
  return cdk('destroy', '--force', ...stacks, '-c', 'placeholder=true');
}

/** What is there: the account of the credentials, and the stacks in each Region. */
async function survey(where: readonly string[]): Promise<Existing> {
  const identity = await new STSClient({ region: where[0]! }).send(new GetCallerIdentityCommand({}));
  const stacks = await Promise.all(where.map(async (region) => {
    const found = new Map<string, string>();
    const client = new CloudFormationClient({ region });
    for await (const page of paginateDescribeStacks({ client }, {})) {
      for (const { StackName: name, StackStatus: status } of page.Stacks ?? []) {
        if (name === CDK_STACK || name?.startsWith(`${PREFIX}-`)) found.set(name, status ?? '');
      }
    }
    return [region, found] as const;
  }));
  return { account: identity.Account ?? '', stacks: new Map(stacks) };
}

/** The queues that hold messages, those that somebody is reading included. */
async function undelivered(
  queues: readonly { readonly region: string; readonly name: string }[],
): Promise<string[]> {
  const held = await Promise.all(queues.map(async ({ region, name }) => {
    const sqs = new SQSClient({ region });
    try {
      const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: name }));
      const { Attributes = {} } = await sqs.send(new GetQueueAttributesCommand({
        QueueUrl,
        AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
      }));
      return Object.values(Attributes).some((count) => Number(count) > 0);
    } catch (error) {
      if (/NonExistentQueue|QueueDoesNotExist/.test((error as Error).name)) return false;
      throw error;
    }
  }));
  return queues.filter((_, n) => held[n]).map(({ name }) => name);
}

async function agreed(question: string, yes: boolean): Promise<boolean> {
  if (yes) return true;
  if (!process.stdin.isTTY) {
    throw new Refusal('nobody is there to ask', 'say `YES=1` where no person looks on', 4);
  }
  const ask = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await ask.question(`${question} [y/N] `);
  ask.close();
  return /^y(es)?$/i.test(answer.trim());
}

function cdk(...args: string[]): number {
  const run = spawnSync('npx', ['cdk', ...args], { cwd: here('..'), stdio: 'inherit' });
  return run.status ?? 3;
}

try {
  process.exitCode = await main();
} catch (error) {
  const { name, message } = error as Error;
  if (error instanceof Refusal || error instanceof SettingError) console.error(`error: ${message}`);
  else console.error(`error: AWS did not answer as hoped: ${name}: ${message}\nhint: are there credentials, and for this account?`);
  process.exitCode = error instanceof Refusal ? error.code : error instanceof SettingError ? 2 : 3;
}
