/** What people need, and no more: policies to be attached to whichever roles they use. */
import { ManagedPolicy, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { documentName } from './automation.ts';
import { acknowledgeWildcards } from './checks.ts';
import type { Manifest } from './manifest.ts';
import { PREFIX, arns, functionName } from './names.ts';

export class People extends Construct {
  constructor(scope: Construct, id: string, manifests: readonly Manifest[]) {
    super(scope, id);
    const arn = arns(this);
    const runbooks = manifests.flatMap((m) => m.runbooks).map(documentName);
    const executions = arn.of('ssm', 'automation-execution/*');
    this.policy('operator', 'Runs, approves and takes back the responses of Backstop', [
      new PolicyStatement({
        actions: ['lambda:InvokeFunction'],
        resources: manifests.map((m) => arn.lambda(functionName(m.responder, 'attended'))),
      }),
    ]);
    // Neither of these two invokes a function: for them, the step Approve cannot be passed by.
    this.policy('runbook-starter', 'Starts the runbooks of Backstop in Systems Manager', [
      new PolicyStatement({
        actions: ['ssm:StartAutomationExecution'],
        resources: runbooks.map((name) => arn.of('ssm', `automation-definition/${name}:*`)),
      }),
      new PolicyStatement({ actions: ['ssm:GetAutomationExecution'], resources: [executions] }),
      new PolicyStatement({
        actions: ['iam:PassRole'],
        resources: manifests.map((m) => arn.role(`${PREFIX}-${m.responder}-automation`)),
        conditions: { StringEquals: { 'iam:PassedToService': 'ssm.amazonaws.com' } },
      }),
    ]);
    this.policy('runbook-approver', 'Approves the runbooks of Backstop in Systems Manager', [
      new PolicyStatement({
        actions: ['ssm:GetAutomationExecution', 'ssm:SendAutomationSignal'],
        resources: [executions],
      }),
    ]);
  }

  private policy(name: string, description: string, statements: PolicyStatement[]): void {
    const policy = new ManagedPolicy(this, name, {
      managedPolicyName: `${PREFIX}-${name}`, description, statements,
    });
    for (const statement of statements) {
      acknowledgeWildcards(policy, statement,
        'executions of a runbook, and versions of a document, have no fixed names');
    }
  }
}
