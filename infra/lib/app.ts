/** The app: a loop over the manifests. The next responder needs no edit here. */
import { Annotations, App } from 'aws-cdk-lib';
import type { Code } from 'aws-cdk-lib/aws-lambda';
import { check } from './checks.ts';
import { Forward } from './forward.ts';
import { Journal } from './journal.ts';
import type { Manifest } from './manifest.ts';
import { PREFIX } from './names.ts';
import { Responder } from './responder.ts';
import { type Settings, awayRegions } from './settings.ts';
import { Shared } from './shared.ts';

/** Adds every stack to the app. `code` gives a responder's deployment package. */
export function build(
  app: App, manifests: readonly Manifest[], settings: Settings, code: (responder: string) => Code,
): App {
  check(app);
  const env = (region: string | undefined) => ({
    env: {
      ...(settings.homeAccount !== undefined && { account: settings.homeAccount }),
      ...(region !== undefined && { region }),
    },
    tags: { application: PREFIX },
  });
  const home = env(settings.homeRegion);
  const journal = new Journal(app, `${PREFIX}-journal`, { ...home, manifests, settings });
  const shared = new Shared(app, `${PREFIX}-shared`, { ...home, manifests, settings });
  for (const manifest of manifests) {
    const responder = new Responder(app, `${PREFIX}-${manifest.responder}`, {
      ...home, manifest, settings, code: code(manifest.responder),
    });
    // A responder without its journal and its topics could neither act nor say so.
    responder.addStackDependency(journal);
    responder.addStackDependency(shared);
  }
  if (settings.homeRegion !== undefined) {
    for (const region of awayRegions(settings)) {
      new Forward(app, `${PREFIX}-forward-${region}`, {
        ...env(region), manifests, region, homeRegion: settings.homeRegion,
      });
    }
    const global = manifests.filter((m) => m.rules.some((rule) => rule.scope === 'us-east-1'));
    if (global.length > 0 && !settings.regions.includes('us-east-1')) {
      Annotations.of(shared).addWarningV2('backstop:us-east-1',
        `IAM is not watched, because us-east-1 is not in \`scope.regions\`; it concerns ${
          global.map((m) => m.responder).join(', ')}`);
    }
  }
  return app;
}
