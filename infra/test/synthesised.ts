/** The stacks as synthesised, with the pseudo parameters filled in, so that tests read plain JSON. */
import { fileURLToPath } from 'node:url';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Code } from 'aws-cdk-lib/aws-lambda';
import cdk from '../cdk.json' with { type: 'json' };
import { build } from '../lib/app.ts';
import { type Manifest, manifests } from '../lib/manifest.ts';
import { settings } from '../lib/settings.ts';

export const ACCOUNT = '111111111111';
export const HOME = 'eu-west-1';

export const POLICY = `
mode = "enforce"
[scope]
accounts = ["${ACCOUNT}"]
regions = ["${HOME}", "us-east-1"]
home_region = "${HOME}"
[scope.production]
everything = true
`;

export interface Resource {
  readonly Type: string;
  readonly Properties: any;
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
}

export interface Synthesised {
  /** By stack and logical id. */
  readonly stacks: ReadonlyMap<string, ReadonlyMap<string, Resource>>;
  readonly app: App;
  /** A stack's template as it is. */
  raw(stack: string): unknown;
  /** Every resource of a type, in one stack or in all. */
  of(type: string, stack?: string): readonly any[];
  /** The one resource of a type that has a property of that value. */
  one(type: string, property: string, value: string): any;
}

export interface How {
  readonly policy?: string;
  readonly context?: Record<string, string>;
  readonly manifests?: readonly Manifest[];
}

export function synthesise(how: How = {}): Synthesised {
  const context = { ...cdk.context, deployed: 'all', ...how.context };
  const app = new App({ context, analyticsReporting: false });
  const placeholder = fileURLToPath(new URL('../placeholder', import.meta.url));
  build(app, how.manifests ?? manifests(), settings(app.node, how.policy ?? POLICY),
    () => Code.fromAsset(placeholder));
  const stacks = new Map(app.node.children
    .filter((child) => 'templateFile' in child)
    .map((child) => {
      const template: any = Template.fromStack(child as any).toJSON();
      const region = (child as any).region.includes('Token') ? HOME : (child as any).region;
      const plain = new Map<string, Resource>(Object.entries(template.Resources ?? {})
        .map(([id, resource]) => [id, fill(resource, template.Resources, region) as Resource]));
      return [child.node.id, plain] as const;
    }));
  const of = (type: string, stack?: string) => [...stacks]
    .filter(([name]) => stack === undefined || name === stack)
    .flatMap(([, resources]) => [...resources.values()])
    .filter((resource) => resource.Type === type)
    .map((resource) => resource.Properties);
  return {
    stacks,
    app,
    raw: (stack) => Template.fromStack(app.node.findChild(stack) as any).toJSON(),
    of,
    one(type, property, value) {
      const found = of(type).filter((one) => one[property] === value);
      if (found.length !== 1) throw new Error(`${found.length} × ${type} with ${property} ${value}`);
      return found[0];
    },
  };
}

/** What a name of ours stands for, as `Ref` or `Arn` of its resource. */
function reference(resource: any, resources: any, region: string, arn: boolean): unknown {
  const get = (property: string) => fill(resource.Properties?.[property], resources, region);
  const of = (service: string, rest: string, where = region) =>
    `arn:aws:${service}:${where}:${ACCOUNT}:${rest}`;
  switch (resource.Type) {
    case 'AWS::Lambda::Function':
      return arn ? of('lambda', `function:${get('FunctionName')}`) : get('FunctionName');
    case 'AWS::SQS::Queue':
      return arn ? of('sqs', `${get('QueueName')}`)
        : `https://sqs.${region}.amazonaws.com/${ACCOUNT}/${get('QueueName')}`;
    case 'AWS::SNS::Topic':
      return of('sns', `${get('TopicName')}`);
    case 'AWS::IAM::Role':
      return arn ? of('iam', `role/${get('RoleName')}`, '') : get('RoleName');
    case 'AWS::IAM::ManagedPolicy':
      return of('iam', `policy/${get('ManagedPolicyName')}`, '');
    case 'AWS::Logs::LogGroup':
      return arn ? of('logs', `log-group:${get('LogGroupName')}:*`) : get('LogGroupName');
    case 'AWS::KMS::Key':
      return arn ? of('kms', 'key/the-key') : 'the-key';
    default:
      throw new Error(`a reference to a ${resource.Type}: teach the test what it stands for`);
  }
}

function fill(value: any, resources: any, region: string): unknown {
  if (Array.isArray(value)) return value.map((one) => fill(one, resources, region));
  if (typeof value !== 'object' || value === null) return value;
  if ('Ref' in value) {
    const pseudo: Record<string, string> = {
      'AWS::AccountId': ACCOUNT, 'AWS::Partition': 'aws', 'AWS::Region': region,
      'AWS::URLSuffix': 'amazonaws.com',
    };
    return pseudo[value.Ref] ?? reference(resources[value.Ref], resources, region, false);
  }
  if ('Fn::GetAtt' in value) {
    const [id, attribute] = value['Fn::GetAtt'];
    if (attribute !== 'Arn' && attribute in resources[id].Properties) {
      return fill(resources[id].Properties[attribute], resources, region);
    }
    return reference(resources[id], resources, region, true);
  }
  if ('Fn::Join' in value) {
    const [by, parts] = value['Fn::Join'];
    return (fill(parts, resources, region) as string[]).join(by);
  }
  if ('Fn::Sub' in value) {
    return String(value['Fn::Sub']).replaceAll('${AWS::AccountId}', ACCOUNT)
      .replaceAll('${AWS::Region}', region).replaceAll('${AWS::Partition}', 'aws');
  }
  return Object.fromEntries(Object.entries(value)
    .map(([key, one]) => [key, fill(one, resources, region)]));
}

/** What stands in a list, and what stands alone, as a sorted list. */
export const list = (value: unknown): string[] =>
  (Array.isArray(value) ? [...value] : value === undefined ? [] : [value]).map(String).sort();
