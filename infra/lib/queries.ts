/** The Logs Insights queries of the responders, saved where investigators look for them. */
import { CfnQueryDefinition } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { Manifest, Query } from './manifest.ts';

/** A slash makes a folder in the console. */
export function queryName(manifest: Manifest, query: Query): string {
  return `Backstop/${manifest.control}/${query.name}`;
}

export interface QueriesProps {
  readonly manifests: readonly Manifest[];
  /** The log group that CloudTrail writes to; without one, the person chooses it in the console. */
  readonly trailLogGroup?: string;
}

export class Queries extends Construct {
  constructor(scope: Construct, id: string, { manifests, trailLogGroup }: QueriesProps) {
    super(scope, id);
    for (const manifest of manifests) {
      for (const query of manifest.queries) {
        new CfnQueryDefinition(this, `${manifest.responder}-${query.name}`, {
          name: queryName(manifest, query),
          queryString: query.text,
          ...(trailLogGroup !== undefined && { logGroupNames: [trailLogGroup] }),
        });
      }
    }
  }
}
