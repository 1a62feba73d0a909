/** The roles of the functions, as the synthesised templates give them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Deployed } from './intrinsics.ts';
import type { Resource, Template } from './intrinsics.ts';
import type { Place } from './naming.ts';
import type { Key } from './requests.ts';

/** A statement whose elements are lists and whose intrinsic functions are carried out. */
export interface Statement {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action?: readonly string[];
  readonly NotAction?: readonly string[];
  readonly Resource?: readonly string[];
  readonly NotResource?: readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** One action on one resource: what is judged as needed or not. */
export interface Grant extends Statement {
  readonly Effect: 'Allow';
  readonly Action: readonly [string];
  readonly Resource: readonly [string];
}

/** A role in an account. */
export interface Role {
  readonly name: string;
  readonly grants: readonly Grant[];
  readonly denies: readonly Statement[];
  /** None if nothing bounds it. */
  readonly boundary?: readonly Statement[];
}

/** The roles that are judged; those of the deployment's own machinery are not. */
const JUDGED = /^backstop-.+-(attended|unattended)$/;

/** The templates of a folder. */
export function templates(folder: string): Template[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.template.json'));
  return files.map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Template);
}

/** The judged roles of the templates, by name, as deployed in that account from that Region. */
export function roles(all: readonly Template[], place: Place): Map<string, Role> {
  const found = new Map<string, Role>();
  for (const template of all) {
    const deployed = new Deployed(template, all, place);
    for (const [id, resource] of ofType(template, 'AWS::IAM::Role')) {
      const name = deployed.resolve(resource.Properties?.RoleName);
      if (typeof name !== 'string' || !JUDGED.test(name)) continue;
      if (found.has(name)) throw new Error(`two templates declare the role ${name}`);
      found.set(name, role(name, id, resource, template, deployed));
    }
  }
  return found;
}

/** The key that the templates encrypt a topic with. */
export function keyOf(all: readonly Template[], topicArn: string): Key | undefined {
  const [, , , region = '', account = ''] = topicArn.split(':');
  for (const template of all) {
    const deployed = new Deployed(template, all, { account, region });
    for (const [id, topic] of ofType(template, 'AWS::SNS::Topic')) {
      if (deployed.resolve({ Ref: id }) !== topicArn) continue;
      const key = deployed.resolve(topic.Properties?.KmsMasterKeyId);
      if (key === undefined) return undefined;
      if (typeof key !== 'string' || !key.startsWith('arn:')) {
        throw new Error(`${topicArn} is encrypted with ${JSON.stringify(key)}, no ARN of a key`);
      }
      const aliases = ofType(template, 'AWS::KMS::Alias')
        .map(([, alias]) => deployed.resolve(alias.Properties) as Record<string, string>)
        .filter((alias) => alias.TargetKeyId === key)
        .map((alias) => alias.AliasName ?? '');
      return { arn: key, aliases };
    }
  }
  throw new Error(`no template declares the topic ${topicArn}: whether it is encrypted is unknown`);
}

function ofType(template: Template, type: string): [string, Resource][] {
  return Object.entries(template.Resources).filter(([, resource]) => resource.Type === type);
}

function role(
  name: string,
  id: string,
  resource: Resource,
  template: Template,
  deployed: Deployed,
): Role {
  const properties = resource.Properties ?? {};
  const attached = (policy: Resource) =>
    ((policy.Properties?.Roles ?? []) as { Ref?: string }[]).some((one) => one.Ref === id);
  const documents = [
    ...((properties.Policies ?? []) as { PolicyDocument: unknown }[]).map((p) => p.PolicyDocument),
    ...[...ofType(template, 'AWS::IAM::Policy'), ...ofType(template, 'AWS::IAM::ManagedPolicy')]
      .filter(([, policy]) => attached(policy))
      .map(([, policy]) => policy.Properties?.PolicyDocument),
    ...((properties.ManagedPolicyArns ?? []) as unknown[]).map((p) => managed(p, name, template)),
  ];
  const statements = documents.flatMap((document) => read(document, name, deployed));
  const allowing = statements.filter((one) => one.Effect === 'Allow');
  const { PermissionsBoundary: boundary } = properties;
  return {
    name,
    grants: unique(allowing.flatMap((one) => grants(one, name))),
    denies: statements.filter((one) => one.Effect === 'Deny'),
    ...(boundary !== undefined && {
      boundary: read(managed(boundary, name, template), name, deployed),
    }),
  };
}

/** The document of a managed policy: of the same template, since no other can be read. */
function managed(policy: unknown, role: string, template: Template): unknown {
  const { Ref: id } = policy as { Ref?: string };
  const resource = id === undefined ? undefined : template.Resources[id];
  if (resource?.Type !== 'AWS::IAM::ManagedPolicy') {
    throw new Error(`${role} has a managed policy of another place: ${JSON.stringify(policy)}`);
  }
  return resource.Properties?.PolicyDocument;
}

function read(document: unknown, role: string, deployed: Deployed): Statement[] {
  const { Statement: written } = deployed.resolve(document) as { Statement: unknown };
  const list = (value: unknown): string[] => (Array.isArray(value) ? value : [value]) as string[];
  return (list(written) as unknown as Record<string, unknown>[]).map((one) => {
    // What the evaluation would take for text.
    if (/\$\{|\{\{resolve:/.test(JSON.stringify(one))) {
      throw new Error(`${role} has a statement with a variable: ${JSON.stringify(one)}`);
    }
    const elements = ['Action', 'NotAction', 'Resource', 'NotResource'].filter((key) => key in one);
    return {
      Effect: one.Effect as Statement['Effect'],
      ...Object.fromEntries(elements.map((key) => [key, list(one[key])])),
      ...(one.Condition !== undefined && { Condition: one.Condition as Statement['Condition'] }),
    };
  });
}

function grants(statement: Statement, role: string): Grant[] {
  const { Action: actions, Resource: resource, Condition: condition } = statement;
  if (actions === undefined || resource === undefined || actions.some((a) => /[*?]/.test(a))) {
    throw new Error(`${role} allows what cannot be judged by action: ${JSON.stringify(statement)}`);
  }
  const pairs = actions.flatMap((action) => resource.map((on) => [action, on] as const));
  return pairs.map(([action, on]) => ({
    Effect: 'Allow',
    Action: [action],
    Resource: [on],
    ...(condition !== undefined && { Condition: condition }),
  }));
}

function unique<T>(all: readonly T[]): T[] {
  return [...new Map(all.map((one) => [JSON.stringify(one), one])).values()];
}
