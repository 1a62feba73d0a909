/**
 * Proves the roles by the record of a local AWS:
 * `node --import tsx proof/prove.ts [--templates local.out] [--calls record.json]`.
 * Exit code 1 if a call is denied, a permission is not needed without a reason, a reason is no
 * longer true, or nothing was judged.
 */
import { parseArgs } from 'node:util';
import { manifests } from '../lib/manifest.ts';
import { LANES, functionName } from '../lib/names.ts';
import { recorded } from './calls.ts';
import { judge } from './proof.ts';
import { report } from './report.ts';
import { roles, templates } from './roles.ts';
import { REASONS } from './unused.ts';

const { values } = parseArgs({
  options: {
    templates: { type: 'string', default: 'local.out' },
    calls: { type: 'string' },
  },
});
try {
  const endpoint = process.env.BACKSTOP_LOCAL_AWS;
  const calls = await recorded({
    ...(values.calls !== undefined && { file: values.calls }),
    ...(endpoint !== undefined && { endpoint }),
  });
  const deployed = templates(values.templates);
  const declared = roles(deployed, { account: '111111111111', region: 'us-east-1' });
  for (const { responder } of manifests()) {
    for (const name of LANES.map((lane) => functionName(responder, lane))) {
      if (!declared.has(name)) throw new Error(`no template in ${values.templates} has ${name}`);
    }
  }
  const { text, proven } = report(await judge(calls, deployed, REASONS));
  console.log(text);
  process.exitCode = proven ? 0 : 1;
} catch (error) {
  console.error(`permissions: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
