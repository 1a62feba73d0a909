import assert from 'node:assert/strict';
import { test } from 'node:test';
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { manifests } from '../lib/manifest.ts';
import { Queries } from '../lib/queries.ts';

function saved(trailLogGroup?: string): Record<string, unknown>[] {
  const stack = new Stack(new App(), 'Test');
  new Queries(stack, 'Queries', {
    manifests: manifests(),
    ...(trailLogGroup !== undefined && { trailLogGroup }),
  });
  const found = Template.fromStack(stack).findResources('AWS::Logs::QueryDefinition');
  return Object.values(found).map((r) => r['Properties'] as Record<string, unknown>);
}

const declared = manifests().flatMap((m) => m.queries.map((q) => ({
  Name: `Backstop/${m.control}/${q.name}`,
  QueryString: q.text,
})));
const byName = (a: { Name?: unknown }, b: { Name?: unknown }) =>
  String(a.Name).localeCompare(String(b.Name));

test('every query of the manifests is saved, word for word, and no other', () => {
  assert.notEqual(declared.length, 0, 'no manifest has a query: nothing would be tested');
  assert.deepEqual(saved().sort(byName), [...declared].sort(byName));
});

test('the log group of the trail is pinned where it is known', () => {
  const pinned = declared.map((q) => ({ ...q, LogGroupNames: ['aws-cloudtrail-logs'] }));
  assert.deepEqual(saved('aws-cloudtrail-logs').sort(byName), pinned.sort(byName));
});

test('names and texts are within what CloudWatch Logs takes', () => {
  // https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutQueryDefinition.html
  for (const { Name, QueryString } of declared) {
    assert.ok(Name.length <= 255 && QueryString.length <= 10_000, Name);
  }
  assert.equal(new Set(declared.map((q) => q.Name)).size, declared.length);
});
