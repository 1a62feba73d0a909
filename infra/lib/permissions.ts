/**
 * The permissions of a lane's role: exactly the manifest's statements, with the placeholders
 * filled in.
 *
 * | placeholder | is |
 * |---|---|
 * | `${Partition}`, `${Account}` | of the stack |
 * | `${Region}` | the one Region in scope; `*` where there are several |
 * | `${Table}`, `${Indexes}` | the journal, and its indexes |
 * | `${Topics}` | the three topics |
 * | `${Key}` | the keys of the account: a condition of the manifest pins the topics' key by alias |
 * | `${MemberRoles}` | this responder's and lane's role in every other account in scope |
 * | `${DeadLetters}`, `${Logs}` | the function's own queue and log group |
 * | `${RevocableRoles}` | for people, every role of the account; unattended, the preauthorised ones |
 *
 * A statement about what is in scope is bound to the Regions in scope by `aws:RequestedRegion`
 * (spec §12: the only bound for reads that support no resource). Calls to services with one
 * endpoint for all Regions have no Region of their own, and are not.
 */
import { Stack, Token } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import type { Class, Manifest, Statement } from './manifest.ts';
import { APPROVALS, type Lane, PREFIX, URGENCIES, arns, deadLetters, functionName, logGroup } from './names.ts';
import { type Settings, members } from './settings.ts';

/** Services whose calls have us-east-1 as their Region, wherever they are made. */
const GLOBAL = new Set(['iam', 'organizations']);

const UNATTENDED: ReadonlySet<Class> = new Set(['auto', 'guarded', 'read']);

/** The statements of one lane's role, each once. */
export function laneStatements(manifest: Manifest, lane: Lane): readonly Statement[] {
  const all: Statement[] = [...manifest.reads];
  for (const use of manifest.responses.flatMap((response) => response.actions)) {
    const action = manifest.actions.find((one) => one.name === use.action);
    if (action === undefined) {
      throw new Error(`\`${manifest.responder}\` uses \`${use.action}\`, which it does not list`);
    }
    all.push(...action.permissions.observe);
    if (lane === 'attended' || UNATTENDED.has(use.class)) all.push(...action.permissions.apply);
    if (lane === 'attended') all.push(...action.permissions.undo);
  }
  all.push(...manifest.engine);
  const unique = new Map(all.map((statement) => [JSON.stringify(statement), statement]));
  return [...unique.values()];
}

/** What a role may do, and why: one for each statement that applies to this deployment. */
export interface Grant {
  readonly statement: PolicyStatement;
  readonly why: string;
}

/** The grants of one lane's role. */
export function grants(
  scope: Construct, manifest: Manifest, lane: Lane, settings: Settings,
): readonly Grant[] {
  return laneStatements(manifest, lane).flatMap((statement) => {
    const resources = resolve(scope, statement.resource, manifest.responder, lane, settings);
    // Without member accounts there is no role to assume; without preauthorised ones none to write.
    if (resources.length === 0) return [];
    const conditions: Record<string, Record<string, readonly string[]>> = {};
    for (const { operator, key, values } of statement.conditions) {
      (conditions[operator] ??= {})[key] = values;
    }
    if (isScoped(statement)) {
      (conditions['StringEquals'] ??= {})['aws:RequestedRegion'] = scopeRegions(scope, settings);
    }
    return [{
      statement: new PolicyStatement({
        actions: [...statement.actions],
        resources: [...resources],
        ...(Object.keys(conditions).length > 0 && { conditions }),
      }),
      why: statement.why,
    }];
  });
}

/** The home Region, where the suite's own resources are, and the Regions in scope. */
function scopeRegions(scope: Construct, settings: Settings): readonly string[] {
  const home = settings.homeRegion ?? Stack.of(scope).region;
  return [home, ...settings.regions.filter((region) => region !== home)];
}

/** Whether it is about the resources in scope, which lie in the Regions in scope. */
function isScoped(statement: Statement): boolean {
  const own = /^\$\{(Table|Indexes|Topics|Key|MemberRoles|DeadLetters|Logs)\}$/.test(statement.resource);
  return !own && !statement.actions.some((action) => GLOBAL.has(action.split(':')[0] ?? ''));
}

function resolve(
  scope: Construct, resource: string, responder: string, lane: Lane, settings: Settings,
): readonly string[] {
  const stack = Stack.of(scope);
  const arn = arns(scope);
  switch (resource) {
    case '${Table}':
      return [arn.table];
    case '${Indexes}':
      return [`${arn.table}/index/*`];
    case '${Topics}':
      return URGENCIES.map(arn.topic);
    case '${Key}':
      return [arn.of('kms', 'key/*')];
    case '${MemberRoles}':
      return members(settings).map((account) =>
        `arn:${stack.partition}:iam::${account}:role/${functionName(responder, lane)}`);
    case '${DeadLetters}':
      return [arn.queue(deadLetters(responder, lane))];
    case '${RevocableRoles}':
      return lane === 'attended' ? [arn.role('*')] : revocable(stack.account, settings);
    case '${Logs}':
      return [arn.of('logs', `log-group:${logGroup(responder, lane)}:*`)];
    default: {
      const regions = scopeRegions(scope, settings);
      const filled = resource
        .replaceAll('${Partition}', stack.partition)
        .replaceAll('${Region}', regions.length === 1 ? regions[0]! : '*')
        .replaceAll('${Account}', stack.account);
      if (filled.includes('${') && !filled.includes('${Token[')) {
        throw new Error(`\`${responder}\` declares \`${resource}\`, whose placeholder is unknown`);
      }
      return [filled];
    }
  }
}

/** The preauthorised roles of an account; of every account where which one it is, is not known. */
function revocable(account: string, { preauthorisedRoles: roles }: Settings): readonly string[] {
  return Token.isUnresolved(account) ? roles : roles.filter((role) => role.split(':')[4] === account);
}

/** Every IAM action that either lane of a responder holds. */
export function heldActions(manifest: Manifest): readonly string[] {
  const actions = (['unattended', 'attended'] as const)
    .flatMap((lane) => laneStatements(manifest, lane))
    .flatMap((statement) => statement.actions);
  return [...new Set(actions)].sort();
}

/**
 * The ceiling of both roles of a responder. Whatever policy is attached to one of them later, it
 * can do no more than this.
 *
 * It allows the actions that the manifest names, and denies what no role of the suite may ever do
 * (spec §12), any change to the suite itself, and, to a role that may write the policies of roles,
 * any change to one that is protected (spec §1.5).
 */
export function ceiling(
  scope: Construct, manifest: Manifest, settings: Settings,
): readonly PolicyStatement[] {
  const stack = Stack.of(scope);
  const any = (service: string, resource: string) =>
    `arn:${stack.partition}:${service}:*:*:${resource}`;
  const iam = (resource: string) => `arn:${stack.partition}:iam::*:${resource}`;
  const own = `${PREFIX}-*`;
  const deny = (sid: string, rest: object) =>
    PolicyStatement.fromJson({ Sid: sid, Effect: 'Deny', ...rest });
  const writesRoles = heldActions(manifest).some((action) => /^iam:(Attach|Delete|Detach|Put)Role/.test(action));
  const guarded = settings.protectedPrincipals.filter((arn) => /^arn:[^:]+:iam::[^:]*:role\//.test(arn));
  return [
    PolicyStatement.fromJson({
      Sid: 'Manifest', Effect: 'Allow', Action: heldActions(manifest), Resource: '*',
    }),
    deny('Never', { Action: NEVER, Resource: '*' }),
    // Anything else that runs on an instance could be anything at all (spec §1.5).
    deny('OnlyOwnCommands', {
      Action: 'ssm:SendCommand',
      NotResource: [any('ssm', `document/${own}`), any('ec2', 'instance/*'),
        any('ssm', 'managed-instance/*')],
    }),
    deny('OnlyOwnAutomation', {
      Action: 'ssm:StartAutomationExecution',
      NotResource: [any('ssm', `automation-definition/${own}`), any('ssm', `document/${own}`),
        any('ssm', 'automation-execution/*')],
    }),
    deny('OwnIdentity', {
      Action: ['iam:Add*', 'iam:Attach*', 'iam:Create*', 'iam:Delete*', 'iam:Detach*',
        'iam:PassRole', 'iam:Put*', 'iam:Remove*', 'iam:Set*', 'iam:Tag*', 'iam:Untag*',
        'iam:Update*'],
      Resource: [iam(`role/${own}`), iam(`policy/${own}`)],
    }),
    ...(writesRoles ? [deny('ProtectedRoles', {
      Action: ['iam:AttachRole*', 'iam:DeleteRole*', 'iam:DetachRole*', 'iam:PutRole*'],
      Resource: [...PROTECTED.map((role) => iam(`role/${role}`)), ...guarded],
    })] : []),
    deny('OwnResources', {
      // What the engine does with them, and reads; everything else is a change.
      NotAction: ['dynamodb:ConditionCheckItem', 'dynamodb:GetItem', 'dynamodb:PutItem',
        'dynamodb:Query', 'dynamodb:UpdateItem', 'lambda:InvokeFunction', 'logs:CreateLogStream',
        'logs:FilterLogEvents', 'logs:PutLogEvents', 'logs:StartQuery', 'sns:Publish',
        'sqs:SendMessage', 'ssm:SendCommand', 'ssm:StartAutomationExecution',
        ...['cloudformation', 'cloudwatch', 'dynamodb', 'events', 'logs', 'ssm']
          .flatMap((service) => [`${service}:Describe*`, `${service}:List*`]),
        ...['lambda', 'scheduler', 'sns', 'sqs', 'ssm']
          .flatMap((service) => [`${service}:Get*`, `${service}:List*`]),
      ],
      Resource: [
        any('cloudformation', `stack/${own}`), any('cloudwatch', `alarm:${own}`),
        any('dynamodb', `table/${own}`), any('events', `rule/${own}`),
        any('lambda', `function:${own}`), any('logs', `log-group:/aws/lambda/${own}`),
        any('scheduler', `schedule/${own}`), any('scheduler', `schedule-group/${own}`),
        any('sns', own), any('sns', APPROVALS), any('sqs', own),
        any('ssm', `automation-definition/${own}`), any('ssm', `document/${own}`),
      ],
    }),
  ];
}

/** Roles of AWS and of the platform, by path and name, as the policy of the suite has them. */
const PROTECTED: readonly string[] = [
  'aws-service-role/*', 'aws-reserved/*', 'cdk-*',
  ...['OrganizationAccountAccessRole', 'AWSControlTowerAdmin', 'AWSControlTowerExecution',
    'AWSCloudFormationStackSet*Role'].flatMap((name) => [name, `*/${name}`]),
];

/**
 * Irreversible, or widening what an attacker may do (spec §1.5, §12). `iam:PassRole` on every role
 * is on that list too: a test refuses it in a manifest, because a ceiling cannot see a resource.
 */
export const NEVER: readonly string[] = [
  'dynamodb:DeleteItem', 'dynamodb:DeleteTable', 'dynamodb:Scan',
  'ec2:TerminateInstances',
  'iam:CreateAccessKey', 'iam:DeleteRolePermissionsBoundary', 'iam:DeleteUserPermissionsBoundary',
  'iam:UpdateAssumeRolePolicy',
  'inspector2:Disable', 'inspector2:DisassociateMember',
  'lambda:DeleteFunction',
  // Every write of Organizations: what is not a read.
  ...['Accept', 'Attach', 'Cancel', 'Close', 'Create', 'Decline', 'Delete', 'Deregister', 'Detach',
    'Disable', 'Enable', 'Invite', 'Leave', 'Move', 'Put', 'Register', 'Remove', 'Tag',
    'Terminate', 'Untag', 'Update'].map((verb) => `organizations:${verb}*`),
];
