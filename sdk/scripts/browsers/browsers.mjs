import { accessSync, constants, writeFileSync } from "node:fs";
import path from "node:path";

import { Connection } from "./connection.mjs";
import { startProcess } from "./processes.mjs";

const CHROMIUM_FLAGS = [
  "--headless",
  "--no-sandbox",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-extensions",
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--enable-features=WebMachineLearningNeuralNetwork",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  "--autoplay-policy=no-user-gesture-required",
  "--remote-debugging-port=0",
];

const FIREFOX_PREFERENCES = {
  "dom.webgpu.enabled": true,
  "dom.webgpu.workers.enabled": true,
  "gfx.webgpu.ignore-blocklist": true,
  "media.navigator.streams.fake": true,
  "media.navigator.permission.disabled": true,
  "media.autoplay.default": 0, // sound without a gesture
  "app.update.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "toolkit.telemetry.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "data:,",
  "remote.active-protocols": 1, // WebDriver BiDi alone
};

/** Answers that are no success, and what a policy forbids, are logged too; they reach the page, which judges them. */
function isFault({ level, source }) {
  return level === "error" && source !== "network" && source !== "violation";
}

/** As JSON, so that both protocols give the same back. */
const asJson = (expression) => `(async () => JSON.stringify(await (${expression})))()`;
const parsed = (text) => (text === undefined ? undefined : JSON.parse(text));

/**
 * What the harness needs of a browser: `open(url)`, errors of the browser itself, `close()`; and what a test of a whole
 * page does beside: `evaluate(expression)`, `resize(width, height)`, `screenshot()` of the whole document as PNG.
 */
async function startChromium(executable, onError) {
  const running = startProcess(
    executable,
    (profile) => [...CHROMIUM_FLAGS, `--user-data-dir=${profile}`, "about:blank"],
    /DevTools listening on (ws:\S+)/,
  );
  return guarded(running, async () => {
    const connection = await Connection.open(await running.address);
    connection.onEvent((method, params) => {
      if (method === "Runtime.exceptionThrown") onError(params.exceptionDetails.text);
      if (method === "Log.entryAdded" && isFault(params.entry)) onError(params.entry.text);
      if (method === "Inspector.targetCrashed") onError("the page crashed");
    });
    const { targetId } = await connection.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await connection.send("Target.attachToTarget", { targetId, flatten: true });
    for (const domain of ["Runtime", "Log", "Page", "Inspector"]) {
      await connection.send(`${domain}.enable`, {}, sessionId);
    }
    const { product } = await connection.send("Browser.getVersion");
    return {
      connection,
      version: product,
      open: (url) => connection.send("Page.navigate", { url }, sessionId),
      evaluate: async (expression) => {
        const settings = { expression: asJson(expression), awaitPromise: true };
        const { result, exceptionDetails: thrown } = await connection.send(
          "Runtime.evaluate",
          settings,
          sessionId,
        );
        if (thrown) throw new Error(thrown.exception?.description ?? thrown.text);
        return parsed(result.value);
      },
      resize: (width, height) => {
        const metrics = { width, height, deviceScaleFactor: 1, mobile: false };
        return connection.send("Emulation.setDeviceMetricsOverride", metrics, sessionId);
      },
      screenshot: async () => {
        const { data } = await connection.send(
          "Page.captureScreenshot",
          { captureBeyondViewport: true },
          sessionId,
        );
        return Buffer.from(data, "base64");
      },
      /** What the page's scripts hold once garbage was collected: objects and array buffers. */
      heapBytes: async () => {
        await connection.send("HeapProfiler.collectGarbage", {}, sessionId);
        const { usedSize, backingStorageSize = 0 } = await connection.send(
          "Runtime.getHeapUsage",
          {},
          sessionId,
        );
        return usedSize + backingStorageSize;
      },
      /** Ends the GPU process, as a fault of a driver does. */
      crashGpu: () => connection.send("Browser.crashGpuProcess"),
    };
  });
}

async function startFirefox(executable, onError) {
  const running = startProcess(
    executable,
    (profile) => {
      const lines = Object.entries(FIREFOX_PREFERENCES).map(
        ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`,
      );
      writeFileSync(path.join(profile, "user.js"), `${lines.join("\n")}\n`);
      return [
        "--headless",
        "--no-remote",
        "--profile",
        profile,
        "--remote-debugging-port",
        "0",
        "about:blank",
      ];
    },
    /WebDriver BiDi listening on (ws:\S+)/,
  );
  return guarded(running, async () => {
    const connection = await Connection.open(`${await running.address}/session`);
    connection.onEvent((method, params) => {
      if (method === "log.entryAdded" && params.level === "error") onError(params.text);
    });
    const { capabilities } = await connection.send("session.new", { capabilities: {} });
    await connection.send("session.subscribe", { events: ["log.entryAdded"] });
    const { contexts } = await connection.send("browsingContext.getTree", {});
    const { context } = contexts[0];
    return {
      connection,
      version: `${capabilities.browserName}/${capabilities.browserVersion}`,
      open: (url) => connection.send("browsingContext.navigate", { context, url, wait: "none" }),
      evaluate: async (expression) => {
        const settings = { expression: asJson(expression), target: { context }, awaitPromise: true };
        const answer = await connection.send("script.evaluate", settings);
        if (answer.type === "exception") throw new Error(answer.exceptionDetails.text);
        return parsed(answer.result.value);
      },
      resize: (width, height) =>
        connection.send("browsingContext.setViewport", { context, viewport: { width, height } }),
      screenshot: async () => {
        const { data } = await connection.send("browsingContext.captureScreenshot", {
          context,
          origin: "document",
        });
        return Buffer.from(data, "base64");
      },
    };
  });
}

/** Connects, and ends the process also when that fails. */
async function guarded(running, connect) {
  try {
    const { connection, ...browser } = await connect();
    const close = () => {
      connection.close();
      return running.close();
    };
    return { ...browser, mark: running.mark, close };
  } catch (error) {
    await running.close();
    throw error;
  }
}

export const BROWSERS = {
  chromium: {
    start: startChromium,
    executables: ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"],
  },
  firefox: { start: startFirefox, executables: ["/usr/bin/firefox-esr", "/usr/bin/firefox"] },
};

/** The installed executable, or null. */
export function findExecutable(name, browsers = BROWSERS) {
  const { executables } = browsers[name];
  return (
    executables.find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    }) ?? null
  );
}
