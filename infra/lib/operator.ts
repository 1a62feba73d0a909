/** What an on-call engineer needs, and no more: to be attached to whichever role they use. */
import { ManagedPolicy, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { Manifest } from './manifest.ts';
import { PREFIX, arns, functionName } from './names.ts';

export class Operator extends Construct {
  constructor(scope: Construct, id: string, manifests: readonly Manifest[]) {
    super(scope, id);
    const arn = arns(this);
    new ManagedPolicy(this, 'Policy', {
      managedPolicyName: `${PREFIX}-operator`,
      description: 'Runs, approves and takes back the responses of Backstop',
      statements: [
        new PolicyStatement({
          actions: ['lambda:InvokeFunction'],
          resources: manifests.map((m) => arn.lambda(functionName(m.responder, 'attended'))),
        }),
      ],
    });
  }
}
