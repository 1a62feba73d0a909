/**
 * What a deployment is told: the operator's policy (`config/backstop.toml`), and the CDK context
 * (`cdk.json`) for what only the deployment needs.
 */
import { readFileSync } from 'node:fs';
import type { Node } from 'constructs';
import { parse } from 'smol-toml';

/** What the unattended lane may do; the words of the policy. */
export type Mode = 'observe' | 'plan' | 'enforce';

export interface Settings {
  /** The Region of the functions and of the journal; without one, stacks fit any Region. */
  readonly homeRegion?: string;
  /** The account that is deployed into, where it is known. */
  readonly homeAccount?: string;
  /** `scope.accounts` of the policy. */
  readonly accounts: readonly string[];
  /** `scope.regions` of the policy. */
  readonly regions: readonly string[];
  /** The mode that the policy gives a responder. */
  readonly mode: (responder: string) => Mode;
  /** `revoke-sessions.preauthorised` of the policy. */
  readonly preauthorisedRoles: readonly string[];
  /** `principals.protected` of the policy: ARNs, or the beginnings of ARNs and `*`. */
  readonly protectedPrincipals: readonly string[];
  /** The responders that have been deployed before: the others observe, whatever the policy says. */
  readonly deployed: ReadonlySet<string> | 'all';
  readonly architecture: 'arm64' | 'x86_64';
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  readonly logRetentionDays: number;
  /** Reserved concurrency of each lane's function; 0 reserves none. */
  readonly reservedConcurrency: { readonly unattended: number; readonly attended: number };
  /** Where SNS sends pages, tickets and notes by e-mail. */
  readonly email: { readonly page?: string; readonly ticket?: string; readonly info?: string };
  /** How a runbook is approved in Systems Manager Automation. */
  readonly runbooks: {
    /** IAM ARNs of who may approve. */
    readonly approvers: readonly string[];
    /** How many of them must. */
    readonly approvals: number;
    /** `guards.approval_expiry_secs` of the policy. */
    readonly approvalExpirySecs?: number;
  };
  /** The log group of the CloudTrail trail, for the saved queries. */
  readonly trailLogGroup?: string;
}

/** A setting that makes no sense: names the thing, the cause, and one hint. */
export class SettingError extends Error {
  constructor(what: string, hint: string) {
    super(`${what}\nhint: ${hint}`);
    this.name = 'SettingError';
  }
}

const ACCOUNT = /^[0-9]{12}$/;
const REGION = /^[a-z0-9]+(-[a-z0-9]+){1,3}-[0-9]{1,3}$/;
const ROLE = /^arn:aws[a-z-]*:iam::[0-9]{12}:role\/[\w+=,.@/-]+$/;
/** What CloudWatch Logs accepts. */
const RETENTIONS = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192,
  2557, 2922, 3288, 3653];

type Table = Record<string, unknown>;

function table(value: unknown): Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Table : {};
}

function strings(value: unknown, key: string, shape: RegExp): string[] {
  if (value === undefined) return [];
  const list = Array.isArray(value) ? value : [value];
  for (const one of list) {
    if (typeof one !== 'string' || !shape.test(one)) {
      throw new SettingError(`\`${key}\` holds ${JSON.stringify(one)}`,
        '`backstop config check` explains every mistake in the policy');
    }
  }
  return list as string[];
}

function mode(given: unknown): Mode {
  if (given === 'observe' || given === 'plan' || given === 'enforce') return given;
  throw new SettingError(`\`mode\` is ${JSON.stringify(given)}`,
    'it takes observe, plan or enforce; `backstop config check` explains every mistake');
}

function whole(node: Node, key: string, least: number, most: number): number {
  const given: unknown = node.tryGetContext(key);
  const number = typeof given === 'string' ? Number(given) : given;
  if (typeof number !== 'number' || !Number.isInteger(number) || number < least || number > most) {
    throw new SettingError(`the setting \`${key}\` is ${JSON.stringify(given)}`,
      `\`infra/cdk.json\` sets it to a whole number from ${least} to ${most}`);
  }
  return number;
}

function text(node: Node, key: string, shape: RegExp, example: string): string | undefined {
  const given: unknown = node.tryGetContext(key);
  if (given === undefined || given === '') return undefined;
  if (typeof given !== 'string' || !shape.test(given)) {
    throw new SettingError(`the setting \`${key}\` is ${JSON.stringify(given)}`,
      `write it like \`${example}\``);
  }
  return given;
}

/** The settings of a deployment. `policy` is the text of the policy file. */
export function settings(node: Node, policy: string): Settings {
  let parsed: Table;
  try {
    parsed = parse(policy);
  } catch (error) {
    throw new SettingError(`the policy is not TOML: ${(error as Error).message}`,
      '`backstop config check` explains every mistake in it');
  }
  const scope = table(parsed['scope']);
  const home = text(node, 'home-region', REGION, 'eu-west-1')
    ?? strings(scope['home_region'], 'scope.home_region', REGION)[0];
  const account = process.env['CDK_DEFAULT_ACCOUNT'];
  const deployed = text(node, 'deployed', /^(all|[a-z0-9-]+(,[a-z0-9-]+)*)$/, 'imdsv2,ssh-access');
  const retention = whole(node, 'log-retention-days', 1, 3653);
  if (!RETENTIONS.includes(retention)) {
    throw new SettingError(`the setting \`log-retention-days\` is ${retention}`,
      `CloudWatch Logs takes ${RETENTIONS.join(', ')}`);
  }
  const architecture: unknown = node.tryGetContext('architecture');
  if (architecture !== 'arm64' && architecture !== 'x86_64') {
    throw new SettingError(`the setting \`architecture\` is ${JSON.stringify(architecture)}`,
      'it takes `arm64` or `x86_64`, and the functions must be built for it');
  }
  const expiry = table(parsed['guards'])['approval_expiry_secs'];
  const address = /^[^@\s]+@[^@\s]+$/;
  const approvers = text(node, 'approvers', /^arn:[^,\s]+(,arn:[^,\s]+)*$/,
    'arn:aws:iam::111122223333:role/OnCall');
  return {
    ...(home !== undefined && { homeRegion: home }),
    ...(account !== undefined && { homeAccount: account }),
    accounts: strings(scope['accounts'], 'scope.accounts', ACCOUNT),
    regions: strings(scope['regions'], 'scope.regions', REGION),
    mode: (responder) => mode(table(table(parsed['responders'])[responder])['mode']
      ?? parsed['mode'] ?? 'observe'),
    preauthorisedRoles: strings(table(parsed['revoke-sessions'])['preauthorised'],
      'revoke-sessions.preauthorised', ROLE),
    protectedPrincipals: strings(table(parsed['principals'])['protected'],
      'principals.protected', /^arn:[!-~]+$/),
    deployed: deployed === 'all' ? 'all' : new Set(deployed?.split(',')),
    architecture,
    memoryMb: whole(node, 'memory-mb', 128, 10240),
    timeoutSeconds: whole(node, 'timeout-seconds', 30, 900),
    logRetentionDays: retention,
    reservedConcurrency: {
      unattended: whole(node, 'reserved-concurrency-unattended', 0, 1000),
      attended: whole(node, 'reserved-concurrency-attended', 0, 1000),
    },
    email: {
      page: text(node, 'email-page', address, 'oncall@example.com'),
      ticket: text(node, 'email-ticket', address, 'platform@example.com'),
      info: text(node, 'email-info', address, 'platform@example.com'),
    },
    runbooks: {
      approvers: approvers?.split(',') ?? [],
      approvals: whole(node, 'approvals', 1, 10),
      ...(typeof expiry === 'number' && { approvalExpirySecs: expiry }),
    },
    trailLogGroup: text(node, 'trail-log-group', /^[A-Za-z0-9_\-/.#]{1,512}$/, 'aws-cloudtrail-logs'),
  };
}

/** The Regions in scope that forward to the home Region. */
export function awayRegions({ homeRegion, regions }: Settings): readonly string[] {
  return homeRegion === undefined ? [] : regions.filter((region) => region !== homeRegion);
}

/** The accounts in scope that are reached through a member role. */
export function members(settings: Settings): readonly string[] {
  const { accounts, homeAccount } = settings;
  // Without credentials nobody says which account is home; a single one is.
  const home = homeAccount ?? (accounts.length === 1 ? accounts[0] : undefined);
  return accounts.filter((account) => account !== home);
}

/** Reads the policy file. */
export function policyText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new SettingError(`cannot read the policy \`${path}\`: ${(error as Error).message}`,
      '`BACKSTOP_CONFIG` names it; the default is `config/backstop.toml`');
  }
}
