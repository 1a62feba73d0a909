/**
 * A constructed deployment and a constructed record, in the shape of the real ones: one responder
 * whose two roles hold exactly what their calls need, in each of the ways that templates say it.
 */
import type { Call } from '../proof/calls.ts';
import type { Resource, Template } from '../proof/intrinsics.ts';

export const ACCOUNT = '111111111111';
export const REGION = 'eu-west-1';
export const UNATTENDED = 'backstop-sample-unattended';
export const ATTENDED = 'backstop-sample-attended';

type Mutable<T> = T extends object ? { -readonly [K in keyof T]: Mutable<T[K]> } : T;

/** A statement as it is written in a template. */
export interface Written {
  Effect: string;
  Action?: string | string[];
  NotAction?: string | string[];
  Resource: unknown;
  Condition?: Record<string, Record<string, unknown>>;
}

export interface Policies {
  RoleName: string;
  Policies: { PolicyDocument: { Statement: Written[] } }[];
  PermissionsBoundary?: unknown;
}

const arn = (rest: string) => ({ 'Fn::Sub': `arn:\${AWS::Partition}:${rest}` });
const here = (service: string, rest: string) =>
  arn(`${service}:\${AWS::Region}:\${AWS::AccountId}:${rest}`);
const allow = (Action: string | string[], Resource: unknown, Condition?: Written['Condition']) => ({
  Effect: 'Allow', Action, Resource, ...(Condition !== undefined && { Condition }),
});

const reads = () => [
  allow(['ec2:DescribeSecurityGroupRules', 'ec2:DescribeSecurityGroups'], '*', {
    StringEquals: { 'aws:RequestedRegion': [REGION] },
  }),
];
const revoke = () => [allow('ec2:RevokeSecurityGroupIngress', here('ec2', 'security-group/*'))];
const engine = (lane: string) => [
  allow(['dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:Query'], [
    { 'Fn::ImportValue': 'sample-journal' },
    { 'Fn::Join': ['/', [{ 'Fn::ImportValue': 'sample-journal' }, 'index', '*']] },
  ]),
  allow('sns:Publish', [here('sns', 'backstop-page'), here('sns', 'backstop-ticket')]),
  allow(['kms:Decrypt', 'kms:GenerateDataKey'], here('kms', 'key/*'), {
    StringLike: { 'kms:ViaService': 'sns.*.amazonaws.com' },
    'ForAnyValue:StringEquals': { 'kms:ResourceAliases': ['alias/sample'] },
  }),
  allow('ssm:CreateOpsItem', '*'),
  allow('sqs:SendMessage', { 'Fn::GetAtt': [`Dlq${lane}`, 'Arn'] }),
  allow(['logs:CreateLogStream', 'logs:PutLogEvents'], { 'Fn::GetAtt': [`Log${lane}`, 'Arn'] }),
];

const role = (RoleName: string, Statement: Written[], boundary = true) => ({
  Type: 'AWS::IAM::Role',
  Properties: {
    RoleName,
    Policies: [{ PolicyName: 'sample', PolicyDocument: { Statement } }],
    ...(boundary && { PermissionsBoundary: { Ref: 'Boundary' } }),
  },
});

/** The templates, new ones each time: a test may change them. */
export function templates(): Mutable<Template>[] {
  const lanes = ['Unattended', 'Attended'].flatMap((lane) => [
    [`Dlq${lane}`, {
      Type: 'AWS::SQS::Queue',
      Properties: { QueueName: { 'Fn::Join': ['-', ['backstop-sample', lane, 'dlq']] } },
    }],
    [`Log${lane}`, { Type: 'AWS::Logs::LogGroup', Properties: { LogGroupName: `/aws/${lane}` } }],
  ] as [string, Resource][]);
  return [
    {
      Resources: {
        ...Object.fromEntries(lanes),
        Boundary: {
          Type: 'AWS::IAM::ManagedPolicy',
          Properties: {
            PolicyDocument: {
              Statement: [
                allow(['dynamodb:*', 'ec2:*', 'kms:*', 'lambda:*', 'sns:*', 'ssm:*', 'sts:*'], '*'),
                { Effect: 'Deny', Action: 'ec2:TerminateInstances', Resource: '*' },
              ],
            },
          },
        },
        Unattended: role(UNATTENDED, [...reads(), ...revoke(), ...engine('Unattended')]),
        Attended: role(ATTENDED, [
          ...reads(),
          // As where an action observes what the responder reads: one permission, written twice.
          allow('ec2:DescribeSecurityGroupRules', '*', {
            StringEquals: { 'aws:RequestedRegion': [REGION] },
          }),
          ...revoke(),
          allow('ec2:AuthorizeSecurityGroupIngress', [
            here('ec2', 'security-group/*'), here('ec2', 'security-group-rule/*'),
          ]),
          allow('ec2:CreateTags', here('ec2', 'security-group-rule/*'), {
            StringEquals: { 'ec2:CreateAction': 'AuthorizeSecurityGroupIngress' },
          }),
          allow('ec2:ModifySecurityGroupRules', [
            here('ec2', 'security-group/*'),
            here('ec2', 'security-group-rule/*'),
            arn('ec2:${AWS::Region}:*:prefix-list/*'),
          ]),
          allow('sts:AssumeRole', arn(`iam::222222222222:role/${ATTENDED}`), {
            StringLike: { 'sts:RoleSessionName': 'sample-*' },
          }),
          allow('lambda:InvokeFunction', here('lambda', 'function:backstop-other')),
          ...engine('Attended'),
        ]),
        // Not a function's: not judged, and not read.
        Schedules: role('backstop-sample-scheduler', [allow('lambda:*', '*')], false),
      },
    },
    {
      Resources: {
        Key: { Type: 'AWS::KMS::Key' },
        Alias: {
          Type: 'AWS::KMS::Alias',
          Properties: { AliasName: 'alias/sample', TargetKeyId: { 'Fn::GetAtt': ['Key', 'Arn'] } },
        },
        ...Object.fromEntries(['page', 'ticket'].map((name) => [name, {
          Type: 'AWS::SNS::Topic',
          Properties: {
            TopicName: `backstop-${name}`,
            KmsMasterKeyId: { 'Fn::GetAtt': ['Key', 'Arn'] },
          },
        }])),
        Journal: { Type: 'AWS::DynamoDB::Table', Properties: { TableName: 'sample-journal' } },
      },
      Outputs: {
        Journal: {
          Value: { 'Fn::GetAtt': ['Journal', 'Arn'] },
          Export: { Name: { 'Fn::Sub': ['${name}-journal', { name: 'sample' }] } },
        },
      },
    },
  ] as unknown as Mutable<Template>[];
}

/** The properties of a judged role of the first template. */
export function propertiesOf(all: readonly Template[], name: string): Policies {
  const resource = Object.values(all[0]?.Resources ?? {}).find(
    (one) => one.Properties?.['RoleName'] === name,
  );
  return resource?.Properties as unknown as Policies;
}

/** The statements of a judged role. */
export function statementsOf(all: readonly Template[], name: string): Written[] {
  return propertiesOf(all, name).Policies[0]?.PolicyDocument.Statement ?? [];
}

let seq = 0;

/** A call of the role's own session, or in its name with the account's root key. */
export function call(
  role: string,
  operation: string,
  params: unknown,
  more: Partial<Call> & { root?: boolean } = {},
): Call {
  const [service = '', name = ''] = operation.split(':');
  const { root = false, ...rest } = more;
  const identity = root ? `iam::${ACCOUNT}:root` : `sts::${ACCOUNT}:assumed-role/${role}/${role}`;
  return {
    seq: (seq += 1),
    service,
    operation: name,
    account: ACCOUNT,
    region: REGION,
    principal: `arn:aws:${identity}`,
    params,
    user_agent: `aws-sdk-rust/1.3.9 ua/2.1 api/${service}${root ? ` app/${role}` : ''} lang/rust`,
    ...rest,
  };
}

const table = { TableName: 'sample-journal' };

function common(role: string, root: boolean): Call[] {
  const made = (operation: string, params: unknown) => call(role, operation, params, { root });
  return [
    made('dynamodb:GetItem', { ...table, Key: { pk: { S: 'i#1' }, sk: { S: 'h' } } }),
    made('dynamodb:Query', { ...table, KeyConditionExpression: 'pk = :pk' }),
    made('dynamodb:Query', { ...table, IndexName: 'by-day', KeyConditionExpression: '#k = :v' }),
    made('dynamodb:TransactWriteItems', {
      TransactItems: [{ Put: { ...table, Item: { pk: { S: 'i#1' } } } }],
    }),
    made('ec2:DescribeSecurityGroups', { 'GroupId.1': 'sg-1' }),
    made('ec2:DescribeSecurityGroupRules', { 'Filter.1.Name': 'group-id' }),
    made('ec2:RevokeSecurityGroupIngress', { GroupId: 'sg-1', 'SecurityGroupRuleId.1': 'sgr-1' }),
    made('ssm:CreateOpsItem', { Title: 'x', Description: 'y', Source: 'Backstop' }),
    ...['page', 'ticket'].map((name) =>
      made('sns:Publish', {
        TopicArn: `arn:aws:sns:${REGION}:${ACCOUNT}:backstop-${name}`, Message: '{}',
      })),
  ];
}

/** The record: every permission of both roles is needed, but for what Lambda does itself. */
export function calls(): Call[] {
  const attended = (operation: string, params: unknown) => call(ATTENDED, operation, params);
  const modified = (rule: string, source: Record<string, string>) => ({
    GroupId: 'sg-1',
    'SecurityGroupRule.1.SecurityGroupRuleId': rule,
    ...Object.fromEntries(
      Object.entries(source).map(([key, value]) => [
        `SecurityGroupRule.1.SecurityGroupRule.${key}`, value,
      ])),
  });
  return [
    ...common(UNATTENDED, true),
    ...common(ATTENDED, false),
    attended('ec2:AuthorizeSecurityGroupIngress', {
      GroupId: 'sg-1',
      'IpPermissions.1.Groups.1.GroupId': 'sg-2',
      'TagSpecification.1.ResourceType': 'security-group-rule',
      'TagSpecification.1.Tag.1.Key': 'team',
    }),
    attended('ec2:ModifySecurityGroupRules', modified('sgr-1', { CidrIpv4: '10.0.0.0/8' })),
    attended('ec2:ModifySecurityGroupRules', modified('sgr-2', { PrefixListId: 'pl-1' })),
    attended('sts:AssumeRole', {
      RoleArn: `arn:aws:iam::222222222222:role/${ATTENDED}`, RoleSessionName: 'sample-1',
    }),
    attended('lambda:Invoke', { FunctionName: 'backstop-other' }),
    // The tests' own.
    call('', 'ec2:CreateSecurityGroup', { GroupName: 'x' }, {
      principal: `arn:aws:iam::${ACCOUNT}:root`,
    }),
  ];
}
