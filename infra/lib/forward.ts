/**
 * Forwards the events of another Region to the home Region's default bus, where the responders'
 * own rules match them again. IAM and Organizations record their calls in us-east-1 only.
 */
import { Duration, Stack, type StackProps } from 'aws-cdk-lib';
import { CfnRule } from 'aws-cdk-lib/aws-events';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { acknowledgeDeadLetterQueue } from './checks.ts';
import type { Manifest, Pattern, Rule } from './manifest.ts';
import { PREFIX, arns } from './names.ts';

/** EventBridge's limit for an event pattern, in characters. */
const LONGEST_PATTERN = 4096;

export interface Forwarding {
  readonly name: string;
  readonly pattern: Pattern;
  readonly state: Rule['state'];
}

/** Whether a rule's events are recorded in a Region. */
const recordedIn = (rule: Rule, region: string) =>
  rule.scope === 'regional' || region === 'us-east-1';

/**
 * The rules that forward everything that the manifests' rules match in a Region, each event once:
 * two rules for one event would make the home bus deliver it twice to every function.
 */
export function forwardings(manifests: readonly Manifest[], region: string): readonly Forwarding[] {
  const rules = manifests.flatMap((m) => m.rules).filter((rule) => recordedIn(rule, region));
  // The special state sees all that the ordinary one sees: its names are left to it.
  rules.sort((a, b) => b.state.length - a.state.length);
  const groups = new Map<string, { rule: Rule; names: Map<string, Name> }>();
  const native = new Map<string, Rule>();
  for (const rule of rules) {
    const what = JSON.stringify([rule.pattern.source, rule.pattern['detail-type']]);
    if (rule.pattern.detail === undefined) {
      if (!native.has(what)) native.set(what, rule);
      continue;
    }
    const key = `${what} ${rule.state}`;
    const group = groups.get(key) ?? { rule, names: new Map<string, Name>() };
    groups.set(key, group);
    const taken = [...groups].filter(([k]) => k.startsWith(what)).map(([, g]) => g.names);
    for (const name of rule.pattern.detail.eventName) {
      if (!taken.some((names) => names.has(JSON.stringify(name)))) {
        group.names.set(JSON.stringify(name), name);
      }
    }
  }
  const found: Omit<Forwarding, 'name'>[] = [...native.values()].map(({ pattern, state }) =>
    ({ pattern, state }));
  for (const { rule, names } of groups.values()) {
    const prefixes = [...names.values()].flatMap((n) => (typeof n === 'string' ? [] : [n.prefix]));
    // A name that a prefix matches too would be forwarded twice, if the pattern is cut between them.
    const list = [...names.values()].filter((name) =>
      typeof name !== 'string' || !prefixes.some((prefix) => name.startsWith(prefix)));
    for (const eventName of chunks(list, rule.pattern)) {
      found.push({ state: rule.state, pattern: { ...rule.pattern, detail: {
        ...rule.pattern.detail!, eventName,
      } } });
    }
  }
  return found.map((one, n) => ({
    name: `${PREFIX}-forward-${one.pattern.source[0]!.replace('aws.', '')}-${n + 1}`, ...one,
  }));
}

type Name = NonNullable<Pattern['detail']>['eventName'][number];

/** Names, in as many parts as their patterns need to be short enough. */
function chunks(names: readonly Name[], pattern: Pattern): readonly Name[][] {
  const parts: Name[][] = [[]];
  for (const name of names) {
    const last = parts.at(-1)!;
    const longer = { ...pattern, detail: { ...pattern.detail, eventName: [...last, name] } };
    if (last.length > 0 && JSON.stringify(longer).length > LONGEST_PATTERN) parts.push([name]);
    else last.push(name);
  }
  return parts.filter((part) => part.length > 0);
}

export interface ForwardProps extends StackProps {
  readonly manifests: readonly Manifest[];
  readonly region: string;
  readonly homeRegion: string;
}

export class Forward extends Stack {
  constructor(scope: Construct, id: string, props: ForwardProps) {
    const { manifests, region, homeRegion } = props;
    super(scope, id, {
      ...props,
      description: `Backstop: forwards what happens in ${region} to ${homeRegion}`,
    });
    const home = arns(this).bus(homeRegion);
    const name = `${PREFIX}-forward-${region}`;
    const role = new Role(this, 'Role', {
      roleName: name,
      description: `Puts events of ${region} on the default bus of ${homeRegion}`,
      assumedBy: new ServicePrincipal('events.amazonaws.com', {
        conditions: {
          StringEquals: { 'aws:SourceAccount': this.account },
          ArnLike: { 'aws:SourceArn': arns(this).rule(`${PREFIX}-forward-*`) },
        },
      }),
      inlinePolicies: {
        backstop: new PolicyDocument({
          statements: [new PolicyStatement({ actions: ['events:PutEvents'], resources: [home] })],
        }),
      },
    });
    const undelivered = new Queue(this, 'Undelivered', {
      queueName: `${name}-dlq`,
      retentionPeriod: Duration.days(14), // SQS's maximum
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
    });
    acknowledgeDeadLetterQueue(undelivered);
    undelivered.addToResourcePolicy(new PolicyStatement({
      principals: [new ServicePrincipal('events.amazonaws.com')],
      actions: ['sqs:SendMessage'],
      resources: [undelivered.queueArn],
      conditions: {
        ArnLike: { 'aws:SourceArn': arns(this).rule(`${PREFIX}-forward-*`) },
        StringEquals: { 'aws:SourceAccount': this.account },
      },
    }));
    for (const forwarding of forwardings(manifests, region)) {
      new CfnRule(this, forwarding.name.slice(PREFIX.length + 1), {
        name: forwarding.name,
        description: `Forwards to the default bus of ${homeRegion}`,
        eventPattern: forwarding.pattern,
        state: forwarding.state,
        targets: [{
          id: 'home',
          arn: home,
          roleArn: role.roleArn,
          deadLetterConfig: { arn: undelivered.queueArn },
          retryPolicy: { maximumEventAgeInSeconds: 6 * 3600, maximumRetryAttempts: 185 },
        }],
      });
    }
  }
}
