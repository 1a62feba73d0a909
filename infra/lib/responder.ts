/** One responder: two lanes, the rules and schedules that invoke it, what people start, alarms. */
import { Stack, type StackProps } from 'aws-cdk-lib';
import { CfnRule } from 'aws-cdk-lib/aws-events';
import { ManagedPolicy } from 'aws-cdk-lib/aws-iam';
import { CfnPermission, type Code, type IFunction } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import { ResponderAlarms } from './alarms.ts';
import { RunbookDocument } from './automation.ts';
import { acknowledge } from './checks.ts';
import { DeadLetters } from './dead-letters.ts';
import { LaneFunction } from './lane.ts';
import type { Manifest, Pattern, Rule } from './manifest.ts';
import {
  APPROVALS, HEARTBEAT_SOURCE, KEY_ALIAS, LANES, type Lane, PREFIX, arns, ruleDeadLetters, ruleName,
} from './names.ts';
import { ceiling } from './permissions.ts';
import { Schedules } from './schedules.ts';
import type { Settings } from './settings.ts';

export interface ResponderProps extends StackProps {
  readonly manifest: Manifest;
  readonly settings: Settings;
  readonly code: Code;
}

/** A rule of the suite's own: what the heartbeat schedule puts on the bus. */
export const HEARTBEAT: Rule = {
  name: 'heartbeat',
  pattern: { source: [HEARTBEAT_SOURCE], 'detail-type': ['Backstop Heartbeat'] },
  state: 'ENABLED',
  scope: 'regional',
};

export class Responder extends Stack {
  constructor(scope: Construct, id: string, props: ResponderProps) {
    const { manifest, settings, code } = props;
    super(scope, id, {
      ...props,
      description: `Backstop ${manifest.responder} (${manifest.control}): ${manifest.title}`,
    });
    const boundary = new ManagedPolicy(this, 'Boundary', {
      // No description: a policy with a name of its own cannot be replaced, and to change it would.
      managedPolicyName: `${PREFIX}-${manifest.responder}-boundary`,
      statements: [...ceiling(this, manifest, settings)],
    });
    acknowledge(boundary, 'AwsSolutions-IAM5[Resource::*]',
      'a boundary grants nothing; the roles name the resources');
    const lanes = Object.fromEntries(LANES.map((lane) => [lane, new LaneFunction(
      this, lane === 'attended' ? 'Attended' : 'Unattended',
      { manifest, lane, settings, code, boundary },
    )])) as Record<Lane, LaneFunction>;
    const undelivered = new DeadLetters(this, 'Undelivered', ruleDeadLetters(manifest.responder));
    undelivered.fromRules(ruleName(manifest.responder, '*'));
    for (const rule of [...manifest.rules, HEARTBEAT]) {
      this.rule(rule, manifest, lanes.unattended.function, undelivered);
    }
    new Schedules(this, 'Schedules', {
      manifest, function: lanes.unattended.function, deadLetters: undelivered.queue,
    });
    for (const runbook of manifest.runbooks) {
      new RunbookDocument(this, runbook.name, {
        manifest, runbook, ...settings.runbooks,
        notify: { topicName: APPROVALS, keyAlias: KEY_ALIAS },
      });
    }
    new ResponderAlarms(this, 'Alarms', manifest);
  }

  /** A rule on the default bus, straight to the function, and the permission of exactly that rule. */
  private rule(
    rule: Rule, manifest: Manifest, target: IFunction, undelivered: DeadLetters,
  ): void {
    const name = ruleName(manifest.responder, rule.name);
    const id = rule.name.split('-').map(capital).join('');
    const sourceArn = arns(this).rule(name);
    const deployed = new CfnRule(this, `${id}Rule`, {
      name,
      description: `Backstop ${manifest.responder}: ${names(rule.pattern)}`.slice(0, 512), // maximum
      eventPattern: rule.pattern,
      state: rule.state,
      targets: [{
        id: 'function',
        arn: target.functionArn,
        deadLetterConfig: { arn: undelivered.queue.queueArn },
        // As patient as Lambda is with what it has accepted; then it is in the queue.
        retryPolicy: { maximumEventAgeInSeconds: 6 * 3600, maximumRetryAttempts: 185 },
      }],
    });
    const permission = new CfnPermission(this, `${id}Permission`, {
      action: 'lambda:InvokeFunction',
      functionName: target.functionName,
      principal: 'events.amazonaws.com',
      sourceArn,
      sourceAccount: this.account,
    });
    // Live only once it may invoke and, failing that, keep: neither is tried again.
    deployed.addResourceDependency(permission);
    deployed.addResourceDependency(undelivered.policy);
  }
}

const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);

/** What a pattern matches, in words. */
function names(pattern: Pattern): string {
  const calls = pattern.detail?.eventName.map((n) => typeof n === 'string' ? n : `${n.prefix}*`);
  return `${(calls ?? pattern['detail-type']).join(', ')} of ${pattern.source.join(', ')}`;
}
