/** What the CDK's command line runs. `make synth | diff | deploy | destroy` set the context. */
import { fileURLToPath } from 'node:url';
import { Annotations, App } from 'aws-cdk-lib';
import { Code } from 'aws-cdk-lib/aws-lambda';
import { build } from '../lib/app.ts';
import { manifests } from '../lib/manifest.ts';
import { SettingError, policyText, settings } from '../lib/settings.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

try {
  const app = new App();
  const packages: unknown = app.node.tryGetContext('packages');
  const policy = policyText(process.env['BACKSTOP_CONFIG'] ?? here('../../config/backstop.toml'));
  build(app, manifests(), settings(app.node, policy), (responder) => Code.fromAsset(
    typeof packages === 'string' ? `${packages}/${responder}` : here('../placeholder')));
  if (typeof packages !== 'string' && app.node.tryGetContext('placeholder') !== 'true') {
    Annotations.of(app).addError('there is no function to deploy; run `make deploy`, which builds '
      + 'the functions, or `make synth`, which needs none');
  }
  app.synth();
} catch (error) {
  if (!(error instanceof SettingError)) throw error;
  console.error(`error: ${error.message}`);
  process.exitCode = 2;
}
