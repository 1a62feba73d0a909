/**
 * Proves the roles by the record of a local AWS:
 * `node --import tsx proof/prove.ts [--templates local.out] [--calls record.json]`.
 * Exit code 1 if a call is denied, a permission is not needed without a reason, a reason is no
 * longer true, or nothing was judged.
 */
import { parseArgs } from 'node:util';
import { recorded } from './calls.ts';
import { judge } from './proof.ts';
import { report } from './report.ts';
import { templates } from './roles.ts';
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
  const { text, proven } = report(await judge(calls, templates(values.templates), REASONS));
  console.log(text);
  process.exitCode = proven ? 0 : 1;
} catch (error) {
  console.error(`permissions: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
