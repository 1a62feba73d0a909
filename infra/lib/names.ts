/**
 * Names. All are fixed, and every ARN is made from them: no stack refers to another one's
 * resources, so that each can be deployed, changed and taken away by itself.
 */
import { Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { Manifest } from './manifest.ts';

/** A function is for events and schedules, or for people. */
export type Lane = 'unattended' | 'attended';
export const LANES: readonly Lane[] = ['unattended', 'attended'];

/** How soon a person must look; each has a topic. */
export const URGENCIES = ['page', 'ticket', 'info'] as const;
export type Urgency = (typeof URGENCIES)[number];

/** Everything of the suite begins with it. */
export const PREFIX = 'backstop';
export const TABLE = `${PREFIX}-journal`;
export const KEY_ALIAS = `alias/${PREFIX}`;
/** Where approvers are told: `aws:approve` takes only topics whose name begins with `Automation`. */
export const APPROVALS = `Automation-${PREFIX}`;
export const HEARTBEAT_SOURCE = `${PREFIX}.heartbeat`;
/** The namespace of the metrics that functions write. */
export const METRICS = 'Backstop';

export const functionName = (responder: string, lane: Lane) => `${PREFIX}-${responder}-${lane}`;
export const deadLetters = (responder: string, lane: Lane) =>
  `${functionName(responder, lane)}-dlq`;
export const ruleDeadLetters = (responder: string) => `${PREFIX}-${responder}-rules-dlq`;
export const forwardDeadLetters = (region: string) => `${PREFIX}-forward-${region}-dlq`;
/** The heartbeat's schedule, of another Region than home with its name. */
export const heartbeat = (away?: string) =>
  away === undefined ? `${PREFIX}-heartbeat` : `${PREFIX}-heartbeat-${away}`;
export const heartbeatDeadLetters = (away?: string) => `${heartbeat(away)}-dlq`;
export const ruleName = (responder: string, rule: string) => `${PREFIX}-${responder}-${rule}`;
export const logGroup = (responder: string, lane: Lane) =>
  `/aws/lambda/${functionName(responder, lane)}`;
export const topicName = (urgency: Urgency) => `${PREFIX}-${urgency}`;

/** Every dead-letter queue of the home Region. */
export const deadLetterQueues = (manifests: readonly Manifest[]): readonly string[] => [
  ...manifests.flatMap(({ responder }) =>
    [...LANES.map((lane) => deadLetters(responder, lane)), ruleDeadLetters(responder)]),
  heartbeatDeadLetters(),
];

/** Every dead-letter queue of another Region. */
export const awayDeadLetterQueues = (region: string): readonly string[] =>
  [forwardDeadLetters(region), heartbeatDeadLetters(region)];

/** ARNs of what has a fixed name, in the stack's own account and Region. */
export function arns(scope: Construct) {
  const stack = Stack.of(scope);
  const of = (service: string, resource: string, region = stack.region) =>
    `arn:${stack.partition}:${service}:${region}:${stack.account}:${resource}`;
  return {
    of,
    lambda: (name: string) => of('lambda', `function:${name}`),
    role: (name: string) => of('iam', `role/${name}`, ''),
    queue: (name: string) => of('sqs', name),
    table: of('dynamodb', `table/${TABLE}`),
    topic: (urgency: Urgency) => of('sns', topicName(urgency)),
    rule: (name: string) => of('events', `rule/${name}`),
    bus: (region = stack.region) => of('events', 'event-bus/default', region),
  };
}
