// The public interface of every export path, as a committed report: a change of it shows in the diff.
// npm run api -- [--check]
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { CompilerState, Extractor, ExtractorConfig, ExtractorLogLevel } from "@microsoft/api-extractor";

const PACKAGE = path.resolve("packages/ipfs-accelerate");
const DIST = path.join(PACKAGE, "dist");
const REPORTS = path.resolve("api");
const isCheck = process.argv.includes("--check");

const silent = { default: { logLevel: ExtractorLogLevel.None } };

const fileOf = (entry) => path.join(DIST, entry, "index.d.ts");

function configOf(entry, folder) {
  const name = entry === "." ? "index" : entry.replaceAll("/", "-");
  return ExtractorConfig.prepare({
    configObject: {
      projectFolder: PACKAGE,
      mainEntryPointFilePath: fileOf(entry),
      apiReport: {
        enabled: true,
        reportFileName: `${name}.api.md`,
        reportFolder: folder,
        reportTempFolder: folder,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      compiler: {
        overrideTsconfig: {
          compilerOptions: {
            target: "es2022",
            module: "nodenext",
            lib: ["es2022", "esnext", "dom"],
            types: ["@webgpu/types"],
          },
          files: [fileOf(entry)],
        },
      },
      messages: {
        compilerMessageReporting: silent,
        extractorMessageReporting: silent,
        tsdocMessageReporting: silent,
      },
    },
    configObjectFullPath: undefined,
    packageJsonFullPath: path.join(PACKAGE, "package.json"),
  });
}

const entries = readdirSync(DIST, { recursive: true })
  .filter((file) => /(^|\/)index\.d\.ts$/.test(file))
  .map((file) => file.replace(/\/?index\.d\.ts$/, "") || ".")
  .sort();
const made = path.join(tmpdir(), `sdk-api-${process.pid}`);
mkdirSync(made, { recursive: true });
const configs = entries.map((entry) => configOf(entry, made));
// One program for all of them: each alone takes seconds.
const compilerState = CompilerState.create(configs[0], { additionalEntryPoints: entries.map(fileOf) });
for (const config of configs) {
  Extractor.invoke(config, {
    localBuild: true,
    compilerState,
    messageCallback: (message) => {
      message.handled = true;
    },
  });
}
const names = configs.map(({ reportFilePath }) => path.basename(reportFilePath));
const read = (folder, name) => {
  try {
    return readFileSync(path.join(folder, name), "utf8");
  } catch {
    return "";
  }
};
const changed = names.filter((name) => read(made, name) !== read(REPORTS, name));
const gone = readdirSync(REPORTS).filter((name) => !names.includes(name));
if (isCheck && changed.length + gone.length > 0) {
  console.error(
    `the public interface changed: ${[...changed, ...gone].join(", ")}; run npm run api and read the diff`,
  );
  process.exitCode = 1;
}
if (!isCheck) {
  for (const name of changed) writeFileSync(path.join(REPORTS, name), read(made, name));
  for (const name of gone) rmSync(path.join(REPORTS, name));
}
rmSync(made, { recursive: true });
