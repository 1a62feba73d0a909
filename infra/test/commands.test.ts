import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { CommandDocuments, commandName, sha256 } from '../lib/commands.ts';
import { manifests } from '../lib/manifest.ts';
import { schema } from './schema.ts';

interface Document {
  parameters: Record<string, Record<string, unknown>>;
  mainSteps: (Record<string, unknown> & {
    inputs: { runCommand: string[]; timeoutSeconds?: string };
  })[];
}

const check = schema('command.schema.json');
const every = manifests().flatMap((manifest) =>
  manifest.commands.map((command) => ({ manifest, command })));
const keys = every.find(({ command }) => command.name === 'authorized-keys');
assert.ok(keys, 'no manifest has the command authorized-keys: nothing would be tested');
const document = JSON.parse(keys.command.content) as Document;
const script = document.mainSteps[0]!.inputs.runCommand.join('\n');

describe('the documents', () => {
  for (const { manifest, command } of every) {
    test(`${commandName(manifest, command)}: schema 2.2 takes it`, () => {
      assert.equal(check(JSON.parse(command.content)), undefined);
      // https://docs.aws.amazon.com/systems-manager/latest/userguide/documents-creating-content.html
      assert.ok(command.content.length < 64 * 1024, 'more than 64 KB');
    });

    test(`${commandName(manifest, command)}: is the file of the function, byte for byte`, () => {
      const file = `../../functions/${manifest.responder}/commands/${command.name}.json`;
      assert.equal(command.content, fs.readFileSync(new URL(file, import.meta.url), 'utf8'));
    });

    test(`${commandName(manifest, command)}: every parameter is used, and as a variable`, () => {
      const { parameters, mainSteps } = JSON.parse(command.content) as Document;
      const text = mainSteps.flatMap((s) => s.inputs.runCommand).join('\n');
      assert.doesNotMatch(text, /\{\{/);
      for (const name of Object.keys(parameters)) assert.ok(text.includes(`SSM_${name}`), name);
    });
  }

  const broken: [string, (d: Document & Record<string, unknown>) => void][] = [
    ['another schema version', (d) => (d['schemaVersion'] = '0.3')],
    ['a member that is not AWS’s', (d) => (d['version'] = 1)],
    ['a value pasted into the script', (d) => (d.parameters['Mode']!['interpolationType'] = 'x')],
    ['a value pasted by default', (d) => delete d.parameters['Mode']!['interpolationType']],
    ['a parameter that takes anything', (d) => delete d.parameters['KeyBody']!['allowedPattern']],
    ['a pattern without anchors', (d) => (d.parameters['KeyBody']!['allowedPattern'] = 'a+')],
    [
      'a repetition that RE2 refuses',
      (d) => (d.parameters['KeyBody']!['allowedPattern'] = '^[A-Za-z0-9+/]{60,1200}={0,3}$'),
    ],
    ['a list as a parameter', (d) => (d.parameters['Mode']!['type'] = 'StringList')],
    ['a step for every system', (d) => delete d.mainSteps[0]!['precondition']],
    ['a step of another plugin', (d) => (d.mainSteps[0]!['action'] = 'aws:runDocument')],
    ['a script with a reference', (d) => d.mainSteps[0]!.inputs.runCommand.push('echo {{ Mode }}')],
    ['a script without a time limit', (d) => delete d.mainSteps[0]!.inputs.timeoutSeconds],
    ['no step', (d) => (d.mainSteps = [])],
  ];
  for (const [title, wreck] of broken) {
    test(`the schema refuses ${title}`, () => {
      const changed = structuredClone(document) as Document & Record<string, unknown>;
      wreck(changed);
      assert.notEqual(check(changed), undefined);
    });
  }

  test('the parameters take what they should, and no more', () => {
    const takes = (name: string, value: string) =>
      new RegExp(document.parameters[name]!['allowedPattern'] as string).test(value);
    const body = 'A'.repeat(68);
    for (const good of [body, `${body}=`, `${body}==`, 'A'.repeat(60), 'A'.repeat(1200)]) {
      assert.equal(takes('KeyBody', good), true, good);
    }
    const bad = ['', 'A'.repeat(59), 'A'.repeat(1201), `${body}====`, `${body} x`, `${body}\n`];
    for (const one of [...bad, `${body};id`, `$(id)${body}`, `${body}-`]) {
      assert.equal(takes('KeyBody', one), false, one);
    }
    assert.equal(takes('Backup', ''), true);
    assert.equal(takes('Backup', '20261125T120000Z-4711'), true);
    for (const one of ['../x', '/etc/shadow', '20261125T120000Z-', 'x', '20261125T120000Z-1/..']) {
      assert.equal(takes('Backup', one), false, one);
    }
    assert.deepEqual(document.parameters['Mode']!['allowedValues'], ['check', 'remove', 'restore']);
  });

  test('they are deployed word for word, so that their hash is that of the file', () => {
    for (const { manifest } of every) {
      const stack = new Stack(new App(), 'Test');
      new CommandDocuments(stack, 'Commands', { manifest });
      const found = Template.fromStack(stack).findResources('AWS::SSM::Document');
      const deployed = Object.values(found).map((r) => r['Properties'] as Record<string, string>);
      assert.deepEqual(
        deployed.map((p) => [p['Name'], p['DocumentType'], p['DocumentFormat'], p['UpdateMethod']]),
        manifest.commands.map((c) => [commandName(manifest, c), 'Command', 'JSON', 'NewVersion']),
      );
      for (const [n, command] of manifest.commands.entries()) {
        const bytes = Buffer.from(deployed[n]!['Content']!);
        assert.equal(createHash('sha256').update(bytes).digest('hex'), sha256(command.content));
      }
    }
    assert.equal(sha256(''), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });
});

const root = process.getuid?.() === 0;
const needsRoot = root ? false : 'only root can become another user';
/** The users of the scratch passwd database; who is not root is all of them. */
const UID = { alice: root ? 12001 : process.getuid!(), bob: root ? 12002 : process.getuid!() };
const KEY = randomBytes(51).toString('base64');
const OTHER = randomBytes(51).toString('base64');

interface Report {
  readonly mode: string;
  readonly users: number;
  readonly files: number;
  readonly matches: number;
  readonly removed: number;
  readonly restored: number;
  readonly already_restored: number;
  readonly changed: number;
  readonly failed: number;
  readonly other_keys: number;
  readonly default_paths: number;
  readonly authorized_keys_command: number;
  readonly backup: string | null;
  readonly paths: string[];
  readonly more_paths: number;
}

/** A scratch root: homes, and the commands that say where they are. */
class Host {
  readonly folder = fs.mkdtempSync(join(tmpdir(), 'backstop-keys-'));
  private readonly bin = join(this.folder, 'bin');

  constructor() {
    fs.chmodSync(this.folder, 0o755);
    fs.mkdirSync(this.bin);
    for (const user of ['alice', 'bob'] as const) this.home(user);
    fs.mkdirSync(this.at('root'));
    const me = process.getuid!();
    this.passwd([
      ['root', me, 'root'],
      ['daemon', me, 'nowhere'],
      ['alice', UID.alice, 'home/alice'],
      ['bob', UID.bob, 'home/bob'],
    ]);
    this.sshd('');
  }

  at(path: string): string {
    return join(this.folder, path);
  }

  home(user: 'alice' | 'bob'): void {
    fs.mkdirSync(this.at(`home/${user}/.ssh`), { recursive: true });
    for (const path of [`home/${user}`, `home/${user}/.ssh`]) this.give(path, user);
  }

  give(path: string, user: 'alice' | 'bob'): void {
    if (root) fs.lchownSync(this.at(path), UID[user], UID[user]);
  }

  command(name: string, text: string): void {
    fs.writeFileSync(join(this.bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }

  passwd(users: [string, number, string][]): void {
    const lines = users.map(([name, uid, home]) =>
      `${name}:x:${uid}:${uid}::${this.at(home)}:/bin/sh`);
    this.command('getent', `[ "$*" = passwd ] && cat <<'USERS'\n${lines.join('\n')}\nUSERS`);
  }

  /** What `sshd -T` says; nothing: it cannot be asked. */
  sshd(says: string): void {
    this.command('sshd', says ? `[ "$1 $2" = "-T -C" ] && cat <<'SAYS'\n${says}\nSAYS` : 'exit 1');
  }

  put(path: string, text: string, owner?: 'alice' | 'bob', mode = 0o600): string {
    fs.mkdirSync(dirname(this.at(path)), { recursive: true });
    fs.writeFileSync(this.at(path), text, { mode });
    fs.chmodSync(this.at(path), mode);
    if (owner) this.give(path, owner);
    return path;
  }

  text(path: string): string {
    return fs.readFileSync(this.at(path), 'latin1');
  }

  raw(env: Record<string, string>): { status: number | null; stdout: string; stderr: string } {
    const file = this.at('_script.sh');
    fs.writeFileSync(file, script);
    return spawnSync('sh', [file], {
      encoding: 'utf8',
      env: { PATH: `${this.bin}:${process.env['PATH']!}`, HOME: this.folder, ...env },
    });
  }

  run(mode: string, backup = '', key = KEY): { status: number | null; report: Report } {
    const ran = this.raw({ SSM_Mode: mode, SSM_KeyBody: key, SSM_Backup: backup });
    assert.equal(ran.stdout.split('\n').length, 2, `one line: ${ran.stdout}${ran.stderr}`);
    return { status: ran.status, report: JSON.parse(ran.stdout) as Report };
  }

  /** Everything below the homes, with its content: what a run has changed shows. */
  all(): Record<string, string> {
    const paths = (fs.readdirSync(this.folder, { recursive: true }) as string[]).sort();
    const state = (path: string): string => {
      const stat = fs.lstatSync(this.at(path));
      const what = stat.isFile() ? this.text(path) : '';
      return `${stat.mode} ${stat.uid} ${stat.ino} ${what}`;
    };
    return Object.fromEntries(
      paths.filter((p) => /^(home|root|etc)/.test(p)).map((p) => [p, state(p)]),
    );
  }
}

function on(work: (host: Host) => void): () => void {
  return () => {
    const host = new Host();
    try {
      work(host);
    } finally {
      fs.rmSync(host.folder, { recursive: true, force: true });
    }
  };
}

const ALICE = 'home/alice/.ssh/authorized_keys';
const BOB = 'home/bob/.ssh/authorized_keys';
const ROOT = 'root/.ssh/authorized_keys';

describe('the script of authorized-keys', () => {
  // Each line, and whether sshd(8) would take KEY from it.
  const lines: [string, string, boolean][] = [
    ['a plain line', `ssh-ed25519 ${KEY} me@host`, true],
    ['no comment', `ssh-rsa ${KEY}`, true],
    ['white space around', `\t ssh-rsa \t${KEY}\t `, true],
    ['cloud-init’s', `no-pty,command="echo 'Log in as \\"x\\"';sleep 10" ssh-rsa ${KEY} k`, true],
    ['an option with spaces', `from="10.0.0.0/8, 192.168.0.1",no-pty ssh-ed25519 ${KEY}`, true],
    ['a certificate authority', `cert-authority ecdsa-sha2-nistp256 ${KEY} ca`, true],
    ['a hardware key', `sk-ssh-ed25519@openssh.com ${KEY}`, true],
    ['a short name of a type', `RSA ${KEY}`, true],
    ['white space that sshd skips', `ssh-rsa ${KEY.slice(0, 9)}\v${KEY.slice(9)}\r`, true],
    ['a longer key', `ssh-rsa A${KEY}`, false],
    ['a key that goes on', `ssh-rsa ${KEY}A`, false],
    ['a shorter key', `ssh-rsa ${KEY.slice(1)}`, false],
    ['the key as a comment', `ssh-rsa ${OTHER} ${KEY}`, false],
    ['the key as a comment that looks like a key', `ssh-rsa ${OTHER} ssh-rsa ${KEY}`, false],
    ['the key within an option', `command="ssh-rsa ${KEY}" ssh-rsa ${OTHER}`, false],
    ['the key after an escaped quote', `command="x\\" ssh-rsa ${KEY} " ssh-rsa ${OTHER}`, false],
    ['a commented line', `# ssh-rsa ${KEY}`, false],
    ['no type', KEY, false],
    ['a word that is no type', `no-pty telnet ${KEY}`, false],
  ];
  for (const [title, line, matches] of lines) {
    test(`${title}: ${matches ? 'is the key' : 'is not the key'}`, on((host) => {
      const before = `ssh-ed25519 ${OTHER} first\n`;
      host.put(ALICE, `${before}${line}\n# end\n`, 'alice');
      const { status, report } = host.run('remove');
      assert.equal(status, 0);
      assert.deepEqual([report.matches, report.removed], matches ? [1, 1] : [0, 0]);
      assert.equal(host.text(ALICE), matches ? `${before}# end\n` : `${before}${line}\n# end\n`);
    }));
  }

  test('check counts, and touches nothing', on((host) => {
    host.put(ALICE, `ssh-rsa ${KEY}\nssh-rsa ${KEY} again\nssh-rsa ${OTHER}\n`, 'alice');
    host.put(ROOT, `ssh-rsa ${KEY}\n`);
    const before = host.all();
    const { status, report } = host.run('check');
    assert.equal(status, 0);
    assert.deepEqual(report, {
      mode: 'check', users: 4, files: 2, matches: 3, removed: 0, restored: 0, already_restored: 0,
      changed: 0, failed: 0, other_keys: 1, default_paths: 4, authorized_keys_command: 0,
      backup: null, paths: [host.at(ROOT), host.at(ALICE)], more_paths: 0,
    });
    assert.deepEqual(host.all(), before);
  }));

  test('remove, again, restore, again: every user, and all comes back', on((host) => {
    const files = [ROOT, ALICE, 'home/alice/.ssh/authorized_keys2', BOB];
    for (const [n, path] of files.entries()) {
      const owner = path.includes('alice') ? 'alice' : path.includes('bob') ? 'bob' : undefined;
      host.put(path, `ssh-rsa ${KEY} ${n}\nssh-rsa ${OTHER}\n`, owner, n === 1 ? 0o640 : 0o600);
    }
    const original = files.map((path) => {
      const { mode, uid, gid } = fs.statSync(host.at(path));
      return { text: host.text(path), mode, uid, gid };
    });
    const first = host.run('remove');
    assert.equal(first.status, 0);
    assert.deepEqual([first.report.removed, first.report.other_keys], [4, 4]);
    assert.match(first.report.backup!, /^[0-9]{8}T[0-9]{6}Z-[0-9]+$/);
    const pattern = document.parameters['Backup']!['allowedPattern'] as string;
    assert.match(first.report.backup!, new RegExp(pattern));
    const state = (suffix = '') => files.map((path) => {
      const { mode, uid, gid } = fs.statSync(host.at(path + suffix));
      return { text: host.text(path + suffix), mode, uid, gid };
    });
    assert.deepEqual(state(`.backstop-${first.report.backup}`), original, 'copies as they were');
    assert.deepEqual(state(), original.map((o) => ({ ...o, text: `ssh-rsa ${OTHER}\n` })));
    const removed = host.all();
    const second = host.run('remove');
    assert.deepEqual([second.status, second.report.removed, second.report.backup], [0, 0, null]);
    assert.deepEqual(host.all(), removed, 'a second run changes nothing');
    const restored = host.run('restore', first.report.backup!);
    assert.deepEqual([restored.status, restored.report.restored], [0, 4]);
    assert.deepEqual(state(), original);
    const after = host.all();
    const again = host.run('restore', first.report.backup!);
    assert.deepEqual([again.status, again.report.already_restored], [0, 4]);
    assert.deepEqual(host.all(), after);
    assert.deepEqual(Object.keys(after).filter((p) => !/keys2?(\.backstop-[0-9TZ-]+)?$/.test(p)), [
      'home', 'home/alice', 'home/alice/.ssh', 'home/bob', 'home/bob/.ssh', 'root', 'root/.ssh',
    ], 'nothing else is left behind');
  }));

  test('every other byte stays: CRLF, a missing last newline, text that is no UTF-8', on((host) => {
    const rest = `ssh-rsa ${OTHER} a\r\n\xff\xfe odd\r\n\r\n`;
    fs.writeFileSync(host.at(ALICE), `${rest}ssh-rsa ${KEY}\r\nssh-rsa ${OTHER} last`, 'latin1');
    host.give(ALICE, 'alice');
    assert.equal(host.run('remove').report.removed, 1);
    assert.equal(host.text(ALICE), `${rest}ssh-rsa ${OTHER} last`);
    host.put(BOB, `ssh-rsa ${OTHER}\nssh-rsa ${KEY}`, 'bob');
    assert.equal(host.run('remove').report.removed, 1);
    assert.equal(host.text(BOB), `ssh-rsa ${OTHER}\n`);
  }));

  test('a key that is the last one goes too, and that none is left is said', on((host) => {
    host.put(ALICE, `ssh-rsa ${KEY}\n`, 'alice');
    const { status, report } = host.run('remove');
    assert.deepEqual([status, report.removed, report.other_keys], [0, 1, 0]);
    assert.equal(host.text(ALICE), '');
  }));

  test('sshd says where the files are: %h, %u, %U, %%, relative, absolute and none', on((host) => {
    const keys = `ssh-rsa ${KEY}\n`;
    host.sshd([
      'port 22',
      `authorizedkeysfile ${host.at('etc')}/%u/%%keys-%U %h/mine theirs none`,
      'authorizedkeyscommand /opt/aws/bin/eic_run_authorized_keys',
    ].join('\n'));
    host.put(`etc/bob/%keys-${UID.bob}`, keys);
    host.put('home/alice/mine', keys, 'alice');
    host.put('home/alice/none', keys, 'alice');
    host.put('home/bob/theirs', keys, 'bob');
    host.put(ALICE, keys, 'alice');
    const { status, report } = host.run('remove');
    assert.deepEqual([status, report.removed, report.default_paths], [0, 3, 0]);
    assert.equal(report.authorized_keys_command, 4);
    assert.equal(host.text(ALICE), keys, 'sshd does not read it');
    assert.equal(host.text('home/alice/none'), keys, 'none is no path');
  }));

  test('a file that serves every user is changed once', on((host) => {
    host.sshd(`authorizedkeysfile ${host.at('etc/keys')}`);
    host.put('etc/keys', `ssh-rsa ${KEY}\nssh-rsa ${OTHER}\n`, undefined, 0o644);
    const { status, report } = host.run('remove');
    assert.deepEqual([status, report.files, report.removed, report.other_keys], [0, 1, 1, 1]);
  }));

  test('a link within the home is followed, and stays a link', on((host) => {
    host.put('home/alice/dotfiles/keys', `ssh-rsa ${KEY}\n`, 'alice');
    host.give('home/alice/dotfiles', 'alice');
    fs.symlinkSync('../dotfiles/keys', host.at(ALICE));
    assert.deepEqual(host.run('remove').report.removed, 1);
    assert.equal(host.text('home/alice/dotfiles/keys'), '');
    assert.equal(fs.readlinkSync(host.at(ALICE)), '../dotfiles/keys');
  }));

  test('a link out of a home reaches no further than its user', { skip: needsRoot }, on((host) => {
    // Alice points at a file that is not hers; it even holds the key.
    host.put('etc/secret', `ssh-rsa ${KEY}\n`, undefined, 0o644);
    fs.symlinkSync(host.at('etc/secret'), host.at(ALICE));
    host.put('home/bob/private', `ssh-rsa ${KEY}\n`, 'bob');
    fs.symlinkSync(host.at('home/bob/private'), host.at('home/alice/.ssh/authorized_keys2'));
    const before = host.all();
    const { status, report } = host.run('remove');
    assert.deepEqual([status, report.removed, report.failed], [3, 0, 2]);
    assert.deepEqual(host.all(), before);
  }));

  test('a folder that is a link makes root write nowhere', { skip: needsRoot }, on((host) => {
    host.put('root/.ssh/authorized_keys', `ssh-rsa ${OTHER}\n`);
    host.put('etc/ssh/authorized_keys', `ssh-rsa ${KEY}\n`, undefined, 0o644);
    fs.rmdirSync(host.at('home/alice/.ssh'));
    fs.symlinkSync(host.at('etc/ssh'), host.at('home/alice/.ssh'));
    const before = host.all();
    assert.equal(host.run('remove').status, 3);
    assert.deepEqual(host.all(), before);
  }));

  test('root’s own link into a home is not followed', { skip: needsRoot }, on((host) => {
    host.put('home/alice/keys', `ssh-rsa ${KEY}\n`, 'alice');
    fs.mkdirSync(host.at('root/.ssh'));
    fs.symlinkSync(host.at('home/alice/keys'), host.at(ROOT));
    const before = host.all();
    const { status, report } = host.run('remove');
    assert.deepEqual([status, report.removed, report.failed], [3, 0, 1]);
    assert.deepEqual(report.paths, [host.at(ROOT)], 'the path as configured, not as linked');
    assert.deepEqual(host.all(), before);
  }));

  test('root writes in no folder that others may write', { skip: needsRoot }, on((host) => {
    host.sshd(`authorizedkeysfile ${host.at('etc/open')}/%u`);
    host.put('etc/open/alice', `ssh-rsa ${KEY}\n`, undefined, 0o644);
    fs.chmodSync(host.at('etc/open'), 0o777);
    host.run('remove');
    // As alice, who may: every new file is hers.
    assert.equal(host.text('etc/open/alice'), '');
    for (const file of fs.readdirSync(host.at('etc/open'))) {
      assert.equal(fs.statSync(host.at(`etc/open/${file}`)).uid, UID.alice, file);
    }
  }));

  test('the work in a home is done as its user', { skip: needsRoot }, on((host) => {
    host.put(ALICE, `ssh-rsa ${KEY}\n`, 'alice');
    const { report } = host.run('remove');
    for (const file of fs.readdirSync(host.at('home/alice/.ssh'))) {
      assert.equal(fs.statSync(host.at(`home/alice/.ssh/${file}`)).uid, UID.alice, file);
    }
    // Where root writes for a user, that user must be able to write.
    host.run('restore', report.backup!);
    fs.chownSync(host.at('home/alice/.ssh'), 0, 0);
    const refused = host.run('remove');
    assert.deepEqual([refused.status, refused.report.failed], [3, 1]);
    assert.equal(host.text(ALICE), `ssh-rsa ${KEY}\n`);
  }));

  test('what is no file is a failure, not a hang', on((host) => {
    assert.equal(spawnSync('mkfifo', [host.at(ALICE)]).status, 0);
    host.give(ALICE, 'alice');
    fs.mkdirSync(host.at(BOB));
    const { status, report } = host.run('check');
    assert.deepEqual([status, report.failed], [3, 2]);
  }));

  test('a file too large to read is a failure, not clean', on((host) => {
    host.put(ALICE, `ssh-rsa ${KEY}\n`, 'alice');
    fs.truncateSync(host.at(ALICE), 5 * 1024 * 1024);
    assert.deepEqual([host.run('check').status, host.run('check').report.failed], [3, 1]);
  }));

  test('a later change is not overwritten by restore', on((host) => {
    host.put(ALICE, `ssh-rsa ${KEY}\n`, 'alice');
    host.put(BOB, `ssh-rsa ${KEY}\n`, 'bob');
    const { report } = host.run('remove');
    fs.appendFileSync(host.at(ALICE), `ssh-rsa ${OTHER} new\n`);
    const restored = host.run('restore', report.backup!);
    const { changed, restored: back } = restored.report;
    assert.deepEqual([restored.status, changed, back], [3, 1, 1]);
    assert.equal(host.text(ALICE), `ssh-rsa ${OTHER} new\n`);
    assert.equal(host.text(BOB), `ssh-rsa ${KEY}\n`);
    fs.rmSync(host.at(ALICE));
    assert.equal(host.run('restore', report.backup!).report.changed, 1, 'deleted since');
  }));

  test('a change in between is kept, and the key is not said to be gone', on((host) => {
    host.put(ALICE, `ssh-rsa ${KEY}\n`, 'alice');
    host.command('sed', `echo late >>'${host.at(ALICE)}'; exec /bin/sed "$@"`);
    const { status, report } = host.run('remove');
    assert.deepEqual([status, report.removed, report.failed, report.backup], [3, 0, 1, null]);
    assert.equal(host.text(ALICE), `ssh-rsa ${KEY}\nlate\n`);
    assert.deepEqual(fs.readdirSync(host.at('home/alice/.ssh')), ['authorized_keys']);
  }));

  test('a removal that did not happen is a failure', on((host) => {
    host.put(ALICE, `ssh-rsa ${KEY}\n`, 'alice');
    host.command('mv', 'exit 0');
    const { status, report } = host.run('remove');
    assert.deepEqual([status, report.removed, report.failed], [3, 0, 1]);
  }));

  test('what a user’s process says is held to its shape', on((host) => {
    for (const says of ['removed 9x 1', 'removed 1 "}', 'owned 1 1', '', '$(id) 1 1']) {
      host.command('timeout', `cat <<'SAYS'\n${says}\nSAYS`);
      const { status, report } = host.run('remove');
      assert.deepEqual([status, report.removed, report.backup], [3, 0, null], says);
    }
  }));

  test('a copy that is a link, or that is not there, restores nothing', on((host) => {
    host.put(ALICE, `ssh-rsa ${OTHER}\n`, 'alice');
    host.put('home/alice/mine', `ssh-rsa ${KEY}\nssh-rsa ${OTHER}\n`, 'alice');
    fs.symlinkSync('../mine', host.at(`${ALICE}.backstop-20261125T120000Z-1`));
    const before = host.all();
    assert.equal(host.run('restore', '20261125T120000Z-1').status, 3);
    assert.equal(host.run('restore', '20261125T120000Z-2').status, 3);
    assert.deepEqual(host.all(), before);
  }));

  test('a path from the passwd database cannot break the line of JSON', on((host) => {
    const home = 'home/"},{\\odd';
    fs.mkdirSync(host.at(home));
    host.put(`${home}/.ssh/authorized_keys`, `ssh-rsa ${KEY} "}\n`);
    host.passwd([['odd', process.getuid!(), home]]);
    const { report } = host.run('check');
    assert.deepEqual(report.paths, [host.at('home/?????odd/.ssh/authorized_keys')]);
    assert.equal(report.matches, 1);
  }));

  test('what it is told is checked again: nothing is touched', on((host) => {
    host.put(ALICE, `ssh-rsa ${KEY}\n`, 'alice');
    const before = host.all();
    const refused: Record<string, string>[] = [
      // An agent that knows no ENV_VAR sets none of them.
      {},
      { SSM_Mode: 'remove' },
      { SSM_Mode: 'remove', SSM_KeyBody: 'A'.repeat(59) },
      { SSM_Mode: 'remove', SSM_KeyBody: `${KEY};id` },
      { SSM_Mode: 'remove', SSM_KeyBody: 'A'.repeat(1204) },
      { SSM_Mode: 'wipe', SSM_KeyBody: KEY },
      { SSM_KeyBody: KEY },
      { SSM_Mode: 'restore', SSM_KeyBody: KEY },
      { SSM_Mode: 'restore', SSM_KeyBody: KEY, SSM_Backup: '../x' },
    ];
    for (const env of refused) {
      const ran = host.raw(env);
      assert.equal(ran.status, 2, JSON.stringify(env));
      assert.match(ran.stdout, /^\{"error":"[^"]+"\}\n$/);
    }
    host.command('getent', 'exit 1');
    assert.equal(host.raw({ SSM_Mode: 'remove', SSM_KeyBody: KEY }).status, 2);
    assert.deepEqual(host.all(), before);
  }));
});
