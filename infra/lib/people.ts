/** What people need, and no more: policies to be attached to whichever roles they use. */
import { ManagedPolicy, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { documentName } from './automation.ts';
import { acknowledgeWildcards } from './checks.ts';
import type { Manifest } from './manifest.ts';
import { PREFIX, arns, awayDeadLetterQueues, deadLetterQueues, functionName } from './names.ts';

export class People extends Construct {
  /** `away`: the Regions in scope besides home. */
  constructor(
    scope: Construct, id: string, manifests: readonly Manifest[], away: readonly string[],
  ) {
    super(scope, id);
    const arn = arns(this);
    const runbooks = manifests.flatMap((m) => m.runbooks).map(documentName);
    const documents = runbooks.map((name) => arn.of('ssm', `document/${name}`));
    const executions = arn.of('ssm', 'automation-execution/*');
    const look = [
      // These two support no narrower resource.
      new PolicyStatement({
        actions: ['ssm:DescribeAutomationExecutions', 'ssm:ListDocuments'], resources: ['*'],
      }),
      new PolicyStatement({
        actions: ['ssm:DescribeDocument', 'ssm:GetDocument'], resources: documents,
      }),
      new PolicyStatement({
        actions: ['ssm:DescribeAutomationStepExecutions', 'ssm:GetAutomationExecution'],
        resources: [executions],
      }),
    ];
    this.policy('operator', [
      new PolicyStatement({
        actions: ['lambda:InvokeFunction'],
        resources: manifests.map((m) => arn.lambda(functionName(m.responder, 'attended'))),
      }),
    ]);
    this.policy('runbook-starter', [
      ...look,
      new PolicyStatement({
        actions: ['ssm:StartAutomationExecution'],
        resources: [
          ...documents, executions,
          ...runbooks.map((name) => arn.of('ssm', `automation-definition/${name}:*`)),
        ],
      }),
      new PolicyStatement({
        actions: ['iam:PassRole'],
        resources: manifests.map((m) => arn.role(`${PREFIX}-${m.responder}-automation`)),
        conditions: { StringEquals: { 'iam:PassedToService': 'ssm.amazonaws.com' } },
      }),
    ]);
    this.policy('runbook-approver', [
      ...look,
      new PolicyStatement({ actions: ['ssm:SendAutomationSignal'], resources: [executions] }),
    ]);
    this.policy('redriver', [
      new PolicyStatement({
        actions: ['sqs:ChangeMessageVisibility', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes',
          'sqs:GetQueueUrl', 'sqs:ReceiveMessage'],
        resources: [
          ...deadLetterQueues(manifests).map(arn.queue),
          ...away.flatMap((region) =>
            awayDeadLetterQueues(region).map((name) => arn.of('sqs', name, region))),
        ],
      }),
    ]);
  }

  private policy(name: string, statements: PolicyStatement[]): void {
    // No description: a policy with a name of its own cannot be replaced, and to change it would.
    const policy = new ManagedPolicy(this, name, {
      managedPolicyName: `${PREFIX}-${name}`, statements,
    });
    for (const statement of statements) {
      acknowledgeWildcards(policy, statement,
        'executions and versions have no fixed names, and lists no resources');
    }
  }
}
