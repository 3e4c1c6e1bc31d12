// Processes that end with this one, whatever ends it: each is started below setpriv, which asks the
// kernel to kill it when its parent dies, even by kill -9. Kill, since a signal that can be handled
// is lost on a program that is not ready for it yet.
import { spawn } from 'node:child_process';
import { closeSync, createWriteStream, openSync, readFileSync } from 'node:fs';
import { once } from 'node:events';

export class Children {
  #running = [];
  #stopping = false;
  #onExit;

  // onExit(name, how, logFile) is called when a child ends that was not told to.
  constructor(onExit) {
    this.#onExit = onExit;
  }

  // Starts a program with its output in a log file. When `ready` (a RegExp) is given, waits until a
  // line of its standard output matches and resolves with the match.
  async start(name, command, args, { env = {}, log, ready, timeoutMs = 30_000, cwd } = {}) {
    const logFd = openSync(log, 'a');
    // The shell in between gives up when the parent was gone before the kernel had been asked.
    const guard = ['sh', '-c', '[ "$PPID" = "$0" ] && exec "$@"', String(process.pid)];
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...guard, command, ...args], {
      env: { ...process.env, ...env },
      cwd,
      stdio: ['ignore', ready ? 'pipe' : logFd, logFd],
    });
    const entry = { name, child, log };
    this.#running.push(entry);
    child.once('error', (error) => this.#ended(entry, error.message));
    child.once('exit', (code, signal) => this.#ended(entry, signal ?? `exit code ${code}`));
    closeSync(logFd);
    return ready ? this.#waitFor(entry, ready, timeoutMs) : null;
  }

  // Standard output goes through here into the log.
  #waitFor(entry, ready, timeoutMs) {
    const log = createWriteStream(entry.log, { flags: 'a' });
    entry.child.stdout.pipe(log);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`${entry.name} was not ready within ${timeoutMs / 1000} s\n${tail(entry.log)}`));
      }, timeoutMs);
      let text = '';
      const look = (chunk) => {
        text = (text + chunk).slice(-65536);
        const match = ready.exec(text);
        if (!match) return;
        clearTimeout(timer);
        entry.child.stdout.off('data', look);
        resolve(match);
      };
      entry.child.stdout.on('data', look);
      entry.child.once('exit', () => {
        clearTimeout(timer);
        reject(new Error(`${entry.name} ended before it was ready\n${tail(entry.log)}${text.slice(-2000)}`));
      });
    });
  }

  #ended(entry, how) {
    const at = this.#running.indexOf(entry);
    if (at < 0) return;
    this.#running.splice(at, 1);
    if (!this.#stopping) this.#onExit(entry.name, how, entry.log);
  }

  pid(name) {
    return this.#running.find((entry) => entry.name === name)?.child.pid;
  }

  // Ends one child and waits for it; SIGKILL after 10 s.
  async stop(name) {
    const entry = this.#running.find((candidate) => candidate.name === name);
    if (!entry) return;
    this.#running.splice(this.#running.indexOf(entry), 1);
    await end(entry.child);
  }

  // Ends all, the last started first.
  async stopAll() {
    this.#stopping = true;
    for (const entry of [...this.#running].reverse()) await end(entry.child);
    this.#running = [];
  }
}

async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await exited;
  clearTimeout(timer);
}

export function tail(file, lines = 15) {
  try {
    return readFileSync(file, 'utf8').split('\n').slice(-lines).join('\n') + '\n';
  } catch {
    return '';
  }
}
