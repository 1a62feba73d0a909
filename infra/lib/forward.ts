/**
 * Forwards the events of another Region to the home Region's default bus, where the responders'
 * own rules match them again. IAM and Organizations record their calls in us-east-1 only.
 */
import { Stack, type StackProps } from 'aws-cdk-lib';
import { CfnRule } from 'aws-cdk-lib/aws-events';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { CommandDocuments } from './commands.ts';
import { DeadLetters } from './dead-letters.ts';
import { Heartbeat } from './heartbeat.ts';
import type { Manifest, Pattern, Rule } from './manifest.ts';
import { PREFIX, arns, forwardDeadLetters } from './names.ts';
import { HEARTBEAT } from './responder.ts';

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
  const rules = [...manifests.flatMap((m) => m.rules), HEARTBEAT]
    .filter((rule) => recordedIn(rule, region));
  const groups = new Map<string, Rule[]>();
  for (const rule of rules) {
    const what = JSON.stringify([rule.pattern.source, rule.pattern['detail-type']]);
    groups.set(what, [...groups.get(what) ?? [], rule]);
  }
  return [...groups.values()].flatMap((group): Omit<Forwarding, 'name'>[] => {
    const { pattern } = group[0]!;
    // The special state sees all that the ordinary one sees: one rule that needs it decides.
    const state = group.find((rule) => rule.state !== 'ENABLED')?.state ?? 'ENABLED';
    const nameless = group.find((rule) => rule.pattern.detail === undefined);
    if (nameless !== undefined) return [{ pattern: nameless.pattern, state }];
    return chunks(distinct(group.flatMap((rule) => rule.pattern.detail!.eventName)), pattern)
      .map((eventName) => ({ state, pattern: { ...pattern, detail: { ...pattern.detail!, eventName } } }));
  }).map((one, n) => ({
    name: `${PREFIX}-forward-${one.pattern.source[0]!.replace('aws.', '').replace('.', '-')}-${n + 1}`,
    ...one,
  }));
}

/** Each name once, and none that a prefix matches too: cut apart, the two would be two rules. */
function distinct(names: readonly Name[]): readonly Name[] {
  const prefixes = names.flatMap((name) => (typeof name === 'string' ? [] : [name.prefix]));
  const covered = (text: string, self?: string) =>
    prefixes.some((prefix) => prefix !== self && text.startsWith(prefix));
  const unique = new Map(names.map((name) => [JSON.stringify(name), name]));
  return [...unique.values()].filter((name) =>
    typeof name === 'string' ? !covered(name) : !covered(name.prefix, name.prefix));
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
    const undelivered = new DeadLetters(this, 'Undelivered', forwardDeadLetters(region));
    undelivered.fromRules(`${PREFIX}-forward-*`);
    for (const forwarding of forwardings(manifests, region)) {
      const rule = new CfnRule(this, forwarding.name.slice(PREFIX.length + 1), {
        name: forwarding.name,
        description: `Forwards to the default bus of ${homeRegion}`,
        eventPattern: forwarding.pattern,
        state: forwarding.state,
        targets: [{
          id: 'home',
          arn: home,
          roleArn: role.roleArn,
          deadLetterConfig: { arn: undelivered.queue.queueArn },
          retryPolicy: { maximumEventAgeInSeconds: 6 * 3600, maximumRetryAttempts: 185 },
        }],
      });
      rule.addResourceDependency(undelivered.policy);
    }
    new Heartbeat(this, 'Heartbeat', region);
    // Documents are regional: a command is sent where the instance is.
    for (const manifest of manifests) {
      new CommandDocuments(this, `${manifest.responder}-commands`, { manifest });
    }
  }
}
