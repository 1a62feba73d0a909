/** The Command documents of a responder: the only way in which anything runs on an instance. */
import { createHash } from 'node:crypto';
import { CfnDocument } from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import type { Command, Manifest } from './manifest.ts';
import { PREFIX } from './names.ts';

/** What `SendCommand` is given as `DocumentHash`: the SHA-256 of the document's text. */
export function sha256(content: string): string {
  return createHash('sha256').update(content).digest('hex');
}

/** `authorized-keys` of `ssh-access` is `backstop-ssh-access-authorized-keys`. */
export function commandName(manifest: Manifest, command: Command): string {
  return `${PREFIX}-${manifest.responder}-${command.name}`;
}

export interface CommandDocumentsProps {
  readonly manifest: Manifest;
}

export class CommandDocuments extends Construct {
  readonly documents: readonly CfnDocument[];

  constructor(scope: Construct, id: string, { manifest }: CommandDocumentsProps) {
    super(scope, id);
    this.documents = manifest.commands.map((command) => {
      const document = new CfnDocument(this, command.name, {
        name: commandName(manifest, command),
        documentType: 'Command',
        documentFormat: 'JSON',
        content: {},
        targetType: '/AWS::EC2::Instance',
        updateMethod: 'NewVersion',
      });
      // As text, which CloudFormation takes and CDK's types do not: an object would be written
      // anew, and its hash would be another one.
      document.addPropertyOverride('Content', command.content);
      // cfn-lint fails to read a document that is text; a test holds it to the documented schema.
      document.addMetadata('cfn-lint', { config: { ignore_checks: ['E3051'] } });
      return document;
    });
  }
}
