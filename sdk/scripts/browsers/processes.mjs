import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const MARK = "IPFS_ACCELERATE_BROWSER_RUN";
const START_LIMIT_MS = 60_000;

/** Processes that carry the mark in their environment, also those that left the process group. */
export function markedProcesses(mark) {
  const wanted = `${MARK}=${mark}`;
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(wanted);
      } catch {
        return false; // ended meanwhile, or another user's
      }
    })
    .map(Number);
}

let isListening = false;

/** Ends this process as the signal would, but through its `exit` event, where browsers are ended. */
function exitOnSignals() {
  if (isListening) return;
  isListening = true;
  for (const [signal, code] of [
    ["SIGHUP", 129],
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ]) {
    process.once(signal, () => process.exit(code));
  }
}

function killQuietly(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

/**
 * A browser process with a fresh profile that cannot outlive `close()`.
 *
 * `address` settles when a line of stderr matches `addressPattern`: where its remote protocol listens.
 */
export function startProcess(command, argumentsFor, addressPattern) {
  const mark = randomUUID();
  const profile = mkdtempSync(path.join(tmpdir(), "ipfs-accelerate-browser-"));
  const child = spawn(command, argumentsFor(profile), {
    detached: true, // its own process group
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, [MARK]: mark, HOME: profile, MOZ_DISABLE_CONTENT_SANDBOX: "1" },
  });
  const lastLines = [];
  const ended = new Promise((resolve) => {
    child.once("exit", resolve);
    child.once("error", resolve);
  });
  const address = new Promise((resolve, reject) => {
    const fail = (why) => reject(new Error(`${command} ${why}\n${lastLines.join("\n")}`));
    const timer = setTimeout(() => fail(`opened no remote protocol in ${START_LIMIT_MS} ms`), START_LIMIT_MS);
    void ended.then(() => fail("ended at its start"));
    createInterface({ input: child.stderr }).on("line", (line) => {
      lastLines.splice(0, lastLines.length - 20);
      lastLines.push(line);
      const found = addressPattern.exec(line)?.[1];
      if (found === undefined) return;
      clearTimeout(timer);
      resolve(found);
    });
    void ended.then(() => clearTimeout(timer));
  });
  address.catch(() => undefined); // whoever awaits it hears of it

  const killNow = () => {
    if (child.pid !== undefined) killQuietly(-child.pid, "SIGKILL");
    for (const pid of markedProcesses(mark)) killQuietly(pid, "SIGKILL");
  };
  const endNow = () => {
    killNow();
    rmSync(profile, { recursive: true, force: true });
  };
  process.once("exit", endNow);
  exitOnSignals();

  async function close() {
    killNow();
    await ended;
    for (let left = 100; markedProcesses(mark).length > 0 && left > 0; left--) {
      killNow();
      await sleep(20);
    }
    process.off("exit", endNow);
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    const left = markedProcesses(mark);
    if (left.length > 0) throw new Error(`processes ${left.join(", ")} of ${command} could not be ended`);
  }
  return { address, close, mark, profile };
}
