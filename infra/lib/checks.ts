/** cdk-nag, and what of it is acknowledged: one finding at a time, each with its reason. */
import { type App, Stack, Validations } from 'aws-cdk-lib';
import type { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { AwsSolutionsChecks } from 'cdk-nag';
import { flattenCfnReference } from 'cdk-nag/lib/utils/flatten-cfn-reference.js';
import type { IConstruct } from 'constructs';

/** Synthesis fails on every finding that is not acknowledged. */
export function check(app: App): void {
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
}

/** Acknowledges the wildcards of one statement, with the statement's own reason. */
export function acknowledgeWildcards(
  policy: IConstruct, statement: PolicyStatement, reason: string,
): void {
  const resources: unknown = Stack.of(policy).resolve(statement.toStatementJson().Resource);
  for (const resource of Array.isArray(resources) ? resources : [resources]) {
    const shown = flattenCfnReference(resource);
    if (shown.includes('*')) acknowledge(policy, `AwsSolutions-IAM5[Resource::${shown}]`, reason);
  }
}

export function acknowledge(construct: IConstruct, id: string, reason: string): void {
  Validations.of(construct).acknowledge({ id, reason });
}
