/** A queue for what could not be handled or delivered. */
import { type CfnResource, Duration } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from './checks.ts';
import { arns } from './names.ts';

export class DeadLetters extends Construct {
  readonly queue: Queue;

  constructor(scope: Construct, id: string, queueName: string) {
    super(scope, id);
    this.queue = new Queue(this, 'Queue', {
      queueName,
      retentionPeriod: Duration.days(14), // SQS's maximum
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
    });
    acknowledge(this.queue, 'AwsSolutions-SQS3', 'it is a dead-letter queue');
  }

  /**
   * Lets EventBridge put there what rules of that name could not deliver. One statement for all of
   * them: a queue's policy has 20 at most.
   */
  fromRules(name: string): void {
    this.queue.addToResourcePolicy(new PolicyStatement({
      principals: [new ServicePrincipal('events.amazonaws.com')],
      actions: ['sqs:SendMessage'],
      resources: [this.queue.queueArn],
      conditions: {
        ArnLike: { 'aws:SourceArn': arns(this).rule(name) },
        StringEquals: { 'aws:SourceAccount': this.queue.stack.account },
      },
    }));
  }

  /** What must be there before the first of them is live: a queue that refuses loses the event. */
  get policy(): CfnResource {
    return this.queue.node.findChild('Policy').node.defaultChild as CfnResource;
  }
}
