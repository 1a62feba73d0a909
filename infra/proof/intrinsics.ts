/** CloudFormation's intrinsic functions, as far as a policy needs them. */
import { partition } from './naming.ts';
import type { Place } from './naming.ts';

export interface Resource {
  readonly Type: string;
  readonly Properties?: Readonly<Record<string, unknown>>;
}

export interface Template {
  readonly Parameters?: Readonly<Record<string, { readonly Default?: unknown }>>;
  readonly Resources: Readonly<Record<string, Resource>>;
  readonly Outputs?: Readonly<
    Record<string, { readonly Value: unknown; readonly Export?: { readonly Name: unknown } }>
  >;
}

/** The property that fixes a resource's name, its ARN, and whether `Ref` answers that. */
const NAMED: Readonly<Record<string, { name?: string; arn: string; ref?: 'arn' }>> = {
  'AWS::DynamoDB::GlobalTable': { name: 'TableName', arn: 'dynamodb:R:A:table/' },
  'AWS::DynamoDB::Table': { name: 'TableName', arn: 'dynamodb:R:A:table/' },
  'AWS::IAM::ManagedPolicy': { name: 'ManagedPolicyName', arn: 'iam::A:policy/', ref: 'arn' },
  'AWS::IAM::Role': { name: 'RoleName', arn: 'iam::A:role/' },
  // A key has no name: its logical id stands for the id that it will get.
  'AWS::KMS::Key': { arn: 'kms:R:A:key/' },
  'AWS::Lambda::Function': { name: 'FunctionName', arn: 'lambda:R:A:function:' },
  'AWS::Logs::LogGroup': { name: 'LogGroupName', arn: 'logs:R:A:log-group:' },
  'AWS::SNS::Topic': { name: 'TopicName', arn: 'sns:R:A:', ref: 'arn' },
  'AWS::SQS::Queue': { name: 'QueueName', arn: 'sqs:R:A:' },
};

/** A template of an account and Region, read beside the others that it imports from. */
export class Deployed {
  private readonly template: Template;
  private readonly others: readonly Template[];
  private readonly place: Place;

  constructor(template: Template, others: readonly Template[], place: Place) {
    this.template = template;
    this.others = others;
    this.place = place;
  }

  /** The value with every intrinsic function in it carried out. */
  resolve(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((one) => this.resolve(one));
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value);
    const [only] = entries;
    if (entries.length === 1 && only !== undefined && /^(Ref|Fn::.*)$/.test(only[0])) {
      return this.call(only[0], only[1]);
    }
    return Object.fromEntries(entries.map(([key, one]) => [key, this.resolve(one)]));
  }

  private call(name: string, argument: unknown): unknown {
    switch (name) {
      case 'Ref':
        return this.ref(String(argument));
      case 'Fn::GetAtt':
        return this.attribute(argument);
      case 'Fn::Join': {
        const [by, parts] = argument as [string, unknown[]];
        return (this.resolve(parts) as string[]).join(by);
      }
      case 'Fn::Sub': {
        const [text, values] = (Array.isArray(argument) ? argument : [argument, {}]) as [
          string,
          Record<string, unknown>,
        ];
        return text.replaceAll(/\$\{([^!}]+)\}/g, (_, variable: string) => {
          if (variable in values) return String(this.resolve(values[variable]));
          return String(variable.includes('.') ? this.attribute(variable) : this.ref(variable));
        });
      }
      case 'Fn::ImportValue': {
        const wanted = this.resolve(argument);
        for (const template of this.others) {
          const there = new Deployed(template, this.others, this.place);
          for (const output of Object.values(template.Outputs ?? {})) {
            if (output.Export !== undefined && there.resolve(output.Export.Name) === wanted) {
              return there.resolve(output.Value);
            }
          }
        }
        throw new Error(`no template exports ${String(wanted)}`);
      }
      default:
        throw new Error(`${name} is not read; hint: add it to proof/intrinsics.ts`);
    }
  }

  private ref(name: string): unknown {
    const { account, region } = this.place;
    if (name === 'AWS::AccountId') return account;
    if (name === 'AWS::Region') return region;
    if (name === 'AWS::Partition') return partition(region);
    const parameter = this.template.Parameters?.[name];
    if (parameter !== undefined) {
      if (parameter.Default === undefined) throw new Error(`the parameter ${name} has no default`);
      return parameter.Default;
    }
    return this.kind(name).ref === 'arn' ? this.arn(name) : this.nameOf(name);
  }

  private attribute(argument: unknown): string {
    const [id = '', attribute = ''] = Array.isArray(argument)
      ? (argument as string[])
      : String(argument).split('.');
    const { Type } = this.resource(id);
    if (attribute === 'Arn' || attribute === 'TopicArn') {
      // CloudFormation gives a log group's ARN with what matches its streams.
      return this.arn(id) + (Type === 'AWS::Logs::LogGroup' ? ':*' : '');
    }
    if (attribute === 'QueueName') return this.nameOf(id);
    throw new Error(`${id}.${attribute} is not read; hint: add it to proof/intrinsics.ts`);
  }

  private arn(id: string): string {
    const { account, region } = this.place;
    const middle = this.kind(id).arn.replace(':R:', `:${region}:`).replace(':A:', `:${account}:`);
    return `arn:${partition(region)}:${middle}${this.nameOf(id)}`;
  }

  private nameOf(id: string): string {
    const { name: property } = this.kind(id);
    if (property === undefined) return id;
    const name = this.resolve(this.resource(id).Properties?.[property]);
    if (typeof name !== 'string') throw new Error(`${id} has no fixed ${property}`);
    return name;
  }

  private kind(id: string): (typeof NAMED)[string] {
    const { Type } = this.resource(id);
    const kind = NAMED[Type];
    if (kind === undefined) {
      throw new Error(`${id} is a ${Type}; hint: add that to NAMED in proof/intrinsics.ts`);
    }
    return kind;
  }

  private resource(id: string): Resource {
    const resource = this.template.Resources[id];
    if (resource === undefined) throw new Error(`the template has no resource ${id}`);
    return resource;
  }
}
