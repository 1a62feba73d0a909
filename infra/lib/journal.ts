/** What stays: the journal and the functions' logs, in a stack of its own that nothing takes away. */
import { RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import {
  AttributeType, Billing, ProjectionType, TableEncryptionV2, TableV2,
} from 'aws-cdk-lib/aws-dynamodb';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { Manifest } from './manifest.ts';
import { LANES, TABLE, functionName, logGroup } from './names.ts';
import type { Settings } from './settings.ts';

export interface JournalProps extends StackProps {
  readonly manifests: readonly Manifest[];
  readonly settings: Settings;
}

export class Journal extends Stack {
  constructor(scope: Construct, id: string, props: JournalProps) {
    super(scope, id, {
      ...props,
      description: 'Backstop: the journal of every response, and the logs of the functions',
      // `make destroy` leaves this stack out, and CloudFormation refuses it too.
      terminationProtection: true,
    });
    const text = (name: string) => ({ name, type: AttributeType.STRING });
    const index = (indexName: string, key: string) => ({
      indexName, partitionKey: text(key), sortKey: text('at'), projectionType: ProjectionType.ALL,
    });
    // With a responder's stack they would go with it, or be in the way when it comes back.
    const logs = props.manifests.flatMap(({ responder }) => LANES.map((lane) =>
      new LogGroup(this, functionName(responder, lane), {
        logGroupName: logGroup(responder, lane),
        retention: props.settings.logRetentionDays,
        removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
      })));
    const table = new TableV2(this, 'Table', {
      tableName: TABLE,
      partitionKey: text('pk'),
      sortKey: text('sk'),
      billing: Billing.onDemand(),
      globalSecondaryIndexes: [index('by-day', 'day'), index('unfinished', 'unfinished')],
      // Counters and old inventory end by themselves; incidents never have this attribute.
      timeToLiveAttribute: 'expires_at',
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: true,
      // But for a creation that fails: what it left behind would be in the way of the next.
      removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
      // DynamoDB's own key: with one of ours, whoever disables that key silences every responder.
      encryption: TableEncryptionV2.dynamoOwnedKey(),
    });
    // Last, because a table that is protected from deletion cannot be rolled back.
    table.node.addDependency(...logs);
  }
}
