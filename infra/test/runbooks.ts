/** The runbooks of all manifests, and how their documents are deployed in tests. */
import assert from 'node:assert/strict';
import type { AutomationDocument } from '../lib/automation.ts';
import { manifests } from '../lib/manifest.ts';
import { functionName } from '../lib/names.ts';

export const ROLE = 'arn:aws:iam::111111111111:role/backstop-ssh-access-automation';
export const TOPIC = 'arn:aws:sns:eu-west-1:111111111111:Automation-backstop';

export const SETTINGS = [
  { assumeRole: ROLE },
  { assumeRole: ROLE, approvers: ['alice', 'bob'], approvals: 2, topicArn: TOPIC },
];

export const every = manifests().flatMap((manifest) =>
  manifest.runbooks.map((runbook) => ({ manifest, runbook })),
);

/** The function that the scripts of the runbook of `ssh-access` invoke. */
export const FUNCTION = functionName('ssh-access', 'attended');

export type Json = Record<string, unknown>;

/** A step of a document, loosely typed: tests break it on purpose. */
export function step(document: AutomationDocument, name: string): Json & { inputs: Json } {
  const found = document.mainSteps.find((s) => s['name'] === name);
  assert.ok(found, `no step ${name}`);
  return found as Json & { inputs: Json };
}

export function choices(s: Json): Json[] {
  return ((s['inputs'] as Json)['Choices'] ?? []) as Json[];
}
