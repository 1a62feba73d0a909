/** The journal: one table, in a stack of its own that nothing takes away. */
import { RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import {
  AttributeType, Billing, ProjectionType, TableEncryptionV2, TableV2,
} from 'aws-cdk-lib/aws-dynamodb';
import type { Construct } from 'constructs';
import { TABLE } from './names.ts';

export class Journal extends Stack {
  constructor(scope: Construct, id: string, props: StackProps) {
    super(scope, id, {
      ...props,
      description: 'Backstop: the journal of every response, and what is needed to take it back',
      // `make destroy` leaves this stack out, and CloudFormation refuses it too.
      terminationProtection: true,
    });
    const text = (name: string) => ({ name, type: AttributeType.STRING });
    const index = (indexName: string, key: string) => ({
      indexName, partitionKey: text(key), sortKey: text('at'), projectionType: ProjectionType.ALL,
    });
    new TableV2(this, 'Table', {
      tableName: TABLE,
      partitionKey: text('pk'),
      sortKey: text('sk'),
      billing: Billing.onDemand(),
      globalSecondaryIndexes: [index('by-day', 'day'), index('unfinished', 'unfinished')],
      // Counters and old inventory end by themselves; incidents never have this attribute.
      timeToLiveAttribute: 'expires_at',
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: true,
      removalPolicy: RemovalPolicy.RETAIN,
      // DynamoDB's own key: with one of ours, whoever disables that key silences every responder.
      encryption: TableEncryptionV2.dynamoOwnedKey(),
    });
  }
}
