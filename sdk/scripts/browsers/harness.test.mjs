import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { describe, expect, test } from "vitest";

import { BROWSERS, findExecutable } from "./browsers.mjs";
import { bundleTests } from "./bundle.mjs";
import { markedProcesses } from "./processes.mjs";
import { describe as describeRecords, toJUnit } from "./report.mjs";
import { runInBrowser } from "./session.mjs";

const fixture = (name) =>
  path.resolve(import.meta.dirname, "../../tests/browsers/fixtures", `${name}.browser.ts`);

function outcomesOf(results) {
  return Object.fromEntries((results ?? []).map(({ name, outcome }) => [name, outcome]));
}

const profiles = () => readdirSync(tmpdir()).filter((name) => name.startsWith("ipfs-accelerate-browser-"));

/** Browsers have their profile as home. */
function processesAt(home) {
  return readdirSync("/proc").filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(`HOME=${home}`);
    } catch {
      return false;
    }
  });
}

describe.each(Object.keys(BROWSERS))("in %s", (browser) => {
  const isMissing = findExecutable(browser) === null;

  test.skipIf(isMissing)("every outcome is told apart, in page and worker, and nothing is left", async () => {
    const before = profiles();
    const records = await runInBrowser(browser, await bundleTests([fixture("outcomes")]));
    expect(records.map(({ realm }) => realm)).toEqual(["page", "worker"]);
    for (const { results } of records) {
      const outcomes = outcomesOf(results);
      expect(outcomes).toMatchObject({
        passes: "passed",
        fails: "failed",
        "is skipped": "skipped",
        "does not end": "failed",
        "logs an error": "failed",
      });
      expect(
        results?.some(({ outcome, reason }) => outcome === "failed" && reason?.includes("nobody awaits")),
      ).toBe(true);
    }
    expect(records.flatMap(({ mark }) => markedProcesses(mark ?? ""))).toEqual([]);
    expect(profiles().filter((name) => !before.includes(name))).toEqual([]);
    const text = describeRecords(records);
    expect(text).toContain("1 skipped: there is no such device");
    expect(toJUnit(records)).toContain('<skipped message="there is no such device"/>');
  });

  test.skipIf(isMissing)("a realm that hangs is a failure, and its browser is ended", async () => {
    const [record] = await runInBrowser(browser, await bundleTests([fixture("hang")]), {
      realms: ["page"],
      graceMs: 500,
    });
    expect(outcomesOf(record?.results)).toEqual({ "blocks its realm": "failed" });
    expect(markedProcesses(record?.mark ?? "")).toEqual([]);
  });
});

test.skipIf(findExecutable("chromium") === null)(
  "a run that is told to end takes its browser along",
  async () => {
    const noReferences = mkdtempSync(path.join(tmpdir(), "no-references-"));
    writeFileSync(path.join(noReferences, "index.json"), "[]");
    const before = profiles();
    const script = path.resolve(import.meta.dirname, "../browsers.mjs");
    const hang = ["--browser", "chromium", "--realm", "page", "--files", fixture("hang")];
    const run = spawn(process.execPath, [script, ...hang], {
      env: { ...process.env, SDK_REFERENCES: noReferences },
    });
    const ended = new Promise((resolve) => {
      run.once("exit", resolve);
    });
    const mine = () => profiles().filter((name) => !before.includes(name));
    await expect.poll(mine, { timeout: 30_000 }).toHaveLength(1);
    const home = path.join(tmpdir(), mine()[0]);
    await expect.poll(() => processesAt(home).length, { timeout: 30_000 }).toBeGreaterThan(0);
    run.kill("SIGTERM");
    expect(await ended).toBe(143);
    await expect.poll(() => processesAt(home), { timeout: 5_000 }).toEqual([]);
    rmSync(noReferences, { recursive: true });
    await expect.poll(mine, { timeout: 5_000 }).toEqual([]);
  },
  60_000,
);

test("an absent browser is skipped with the reason", async () => {
  const records = await runInBrowser("absent", new Map(), {
    browsers: { absent: { executables: ["/nowhere/browser"] } },
  });
  expect(records[0]).toMatchObject({ skipped: "no absent at /nowhere/browser" });
});
