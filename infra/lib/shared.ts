/** What all responders share but the journal. */
import { Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { SharedAlarms } from './alarms.ts';
import { CommandDocuments } from './commands.ts';
import { Dashboard } from './dashboard.ts';
import { Heartbeat } from './heartbeat.ts';
import type { Manifest } from './manifest.ts';
import { Notifications } from './notifications.ts';
import { People } from './people.ts';
import { Queries } from './queries.ts';
import { type Settings, awayRegions } from './settings.ts';

export interface SharedProps extends StackProps {
  readonly manifests: readonly Manifest[];
  readonly settings: Settings;
}

export class Shared extends Stack {
  constructor(scope: Construct, id: string, props: SharedProps) {
    const { manifests, settings } = props;
    super(scope, id, {
      ...props,
      description: 'Backstop: topics, heartbeat, dashboard, saved queries, command documents',
    });
    new Notifications(this, 'Notifications', settings);
    new Heartbeat(this, 'Heartbeat');
    new SharedAlarms(this, 'Alarms', settings.regions);
    new Dashboard(this, 'Dashboard', manifests);
    new People(this, 'People', manifests, awayRegions(settings));
    new Queries(this, 'Queries', { manifests, trailLogGroup: settings.trailLogGroup });
    for (const manifest of manifests) {
      new CommandDocuments(this, `${manifest.responder}-commands`, { manifest });
    }
  }
}
