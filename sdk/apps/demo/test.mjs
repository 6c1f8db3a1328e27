// Uses every page of the demo as a person would, in real browsers, and reads what it says.
// node apps/demo/test.mjs [--browser chromium|firefox] [--only page] [--shots folder]
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

import { build, preview } from "vite";

import { BROWSERS, findExecutable } from "../../scripts/browsers/browsers.mjs";

const HERE = import.meta.dirname;
const PYTHON = process.env.PYTHON ?? path.resolve(HERE, "../../../.venv/bin/python");
const MODELS = process.env.DEMO_MODELS ?? path.join(HERE, "models");
const LIMIT_MS = 180_000;

/** Runs in the page: a person's hands and eyes. */
const PERSON = `globalThis.person = {
  page: () => document.querySelector("main:not([hidden])"),
  find: (text, kind = "button, label, summary") =>
    [...person.page().querySelectorAll(kind)].find((one) => one.textContent.trim().startsWith(text)),
  field: (label) => person.find(label, "label").control,
  enter(label, value) {
    const field = person.field(label);
    Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), "value").set.call(field, value);
    field.dispatchEvent(new Event(field.tagName === "SELECT" ? "change" : "input", { bubbles: true }));
  },
  give(label, file) {
    const field = person.field(label);
    const files = new DataTransfer();
    files.items.add(file);
    field.files = files.files;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  },
  text: () => person.page().innerText,
  /** What \`see\` finds, once it finds something; an alert ends the waiting. */
  until: (see, isAlertWanted = false) => new Promise((resolve, reject) => {
    const look = () => {
      const seen = see();
      const alert = document.querySelector("main:not([hidden]) [role=alert]");
      if (alert && !isAlertWanted) done(() => reject(new Error(alert.textContent)));
      else if (seen) done(() => resolve(seen));
    };
    const done = (settle) => { observer.disconnect(); clearTimeout(timer); settle(); };
    const observer = new MutationObserver(look);
    observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
    const timer = setTimeout(() => done(() => reject(new Error("nothing of the kind appeared in: " + document.body.innerText))), ${LIMIT_MS});
    look();
  }),
  async picture() {
    const canvas = new OffscreenCanvas(240, 160);
    const context = canvas.getContext("2d");
    for (const [colour, x, y, w, h] of [["#7ec8f2", 0, 0, 240, 100], ["#5a9c4a", 0, 100, 240, 60], ["#c0513f", 80, 60, 70, 60], ["#f2d14e", 190, 15, 30, 30]]) {
      context.fillStyle = colour;
      context.fillRect(x, y, w, h);
    }
    return new File([await canvas.convertToBlob()], "house.png", { type: "image/png" });
  },
  sound() {
    const [rate, count] = [16000, 24000];
    const view = new DataView(new ArrayBuffer(44 + 2 * count));
    [..."RIFF    WAVEfmt ", ..."                    ", ..."data"].forEach((c, i) => view.setUint8(i, c.charCodeAt(0)));
    for (const [at, value] of [[4, 36 + 2 * count], [16, 16], [24, rate], [28, 2 * rate], [40, 2 * count]]) view.setUint32(at, value, true);
    for (const [at, value] of [[20, 1], [22, 1], [32, 2], [34, 16]]) view.setUint16(at, value, true);
    for (let i = 0; i < count; i++) view.setInt16(44 + 2 * i, 9000 * Math.sin(i * (0.05 + i / 4e5)), true);
    return new File([view], "sweep.wav", { type: "audio/wav" });
  },
};`;

const scores = `[...person.page().querySelectorAll(".scores li")].map((li) => [li.querySelector("span").textContent, Number(li.querySelector("output").textContent)])`;
const ran = `person.until(() => /ran in/.test(person.text()) && person.text())`;

function claim(isTrue, what) {
  if (!isTrue) throw new Error(what);
}

const classify = (model, more = "") => `(async () => {
  person.enter("Model", ${JSON.stringify(model)});
  ${more}
  await person.until(() => /Random weights/.test(person.text()));
  person.give("Drop a picture", await person.picture());
  await person.until(() => person.page().querySelector("canvas") && person.text().includes(${JSON.stringify(model)} + ", fp32, on"));
  return ${scores};
})()`;

/** What is done on each page, and what must be seen. */
const VISITS = {
  async search(evaluate) {
    const [first, ...others] = await evaluate(
      `(person.find("Search").click(), ${ran}.then(() => ${scores}))`,
    );
    claim(first[0].startsWith("Graphics processors"), `the nearest sentence is ${first}`);
    claim(
      first[1] > 0.3 && first[1] < 0.95 && others.every(([, score]) => score < first[1] - 0.1),
      `${first}, ${others}`,
    );
    const again = await evaluate(
      `(person.enter("Query", "musician"), person.find("Search").click(), person.until(() => ${scores}[0]?.[0].includes("violin") && person.text()))`,
    );
    claim(/on (webgpu|wasm|webnn|cpu): /.test(again), again);
  },
  async images(evaluate) {
    const objects = await evaluate(classify("seeded-detr"));
    claim(
      objects.every(([, score]) => score >= 0 && score <= 1),
      `objects ${objects}`,
    );
    const labels = await evaluate(classify("seeded-clip", `person.enter("Labels", "a cat, a house");`));
    claim(labels.length === 2 && Math.abs(labels[0][1] + labels[1][1] - 1) < 0.002, `labels ${labels}`);
    const classes = await evaluate(classify("seeded-vit"));
    claim(
      classes.length === 6 && Math.abs(classes.reduce((sum, [, score]) => sum + score, 0) - 1) < 0.01,
      `${classes}`,
    );
    const refusal = await evaluate(
      `(person.give("Drop a picture", new File(["no picture"], "x.png", { type: "image/png" })), person.until(() => person.page().querySelector("[role=alert]"), true).then((alert) => alert.textContent))`,
    );
    claim(/are no image/.test(refusal), refusal);
    await evaluate(
      `(async () => { person.give("Drop a picture", await person.picture()); await person.until(() => !person.page().querySelector("[role=alert]"), true); await ${ran}; })()`,
    );
  },
  async speech(evaluate) {
    for (const [model, language] of [
      ["seeded-wav2vec2", ""],
      ["seeded-whisper", "en"],
    ]) {
      const text = await evaluate(`(async () => {
        person.enter("Model", "${model}");
        person.enter("Language", "${language}");
        person.give("A file of sound", person.sound());
        await person.until(() => person.text().includes("${model}, fp32, on"));
        return person.text();
      })()`);
      claim(/Heard 1\.5 s at 16000 Hz/.test(text) && /Random weights/.test(text), text);
    }
    claim(
      (await evaluate(`person.page().querySelector(".transcript").innerText`)).length > 3,
      "no transcript",
    );
  },
  async chat(evaluate) {
    const first = await evaluate(
      `(person.find("Send").click(), ${ran}.then(() => person.page().querySelector(".answer").textContent))`,
    );
    claim(first.length > 20, `the answer is ${first}`);
    const text = await evaluate("person.text()");
    claim(/64 tokens after \d+: [\d.]+ tokens\/s/.test(text), text);
    const stopped = await evaluate(`(async () => {
      person.enter("New tokens", "900");
      person.enter("Message", "and then");
      await person.until(() => !person.find("Send").disabled);
      person.find("Send").click();
      const answers = () => [...person.page().querySelectorAll(".answer")];
      await person.until(() => answers().length === 2 && answers()[1].textContent.length > 40);
      person.find("Stop").click();
      await person.until(() => person.find("Stop").disabled);
      return [answers()[1].textContent.length, /tokens\\/s/.test(person.text())];
    })()`);
    claim(stopped[0] > 40 && !stopped[1], `stopped: ${stopped}`);
  },
  async webnn(evaluate) {
    const text = await evaluate(
      `person.until(() => person.page().querySelector(".state") && /npu/.test(person.text()) && person.text())`,
    );
    claim(/unavailable|ready|quarantined/.test(text), text);
  },
  async kernels(evaluate) {
    const text = await evaluate(`person.until(() => /WGSL of/.test(person.text()) && person.text())`);
    claim(/Recorded: 3/.test(text) && /Run: 1/.test(text), text);
    const source = await evaluate(
      `(person.find("WGSL of").click(), person.page().querySelector(".wgsl pre").textContent)`,
    );
    claim(/@compute/.test(source) && /tanh|exp|erf/.test(source), source);
    const rows = await evaluate(
      `(person.find("Tune").click(), person.until(() => person.page().querySelector(".candidates")).then((table) => table.innerText))`,
    );
    claim(/✓/.test(rows) && rows.split("ms").length > 3, rows);
    for (const name of await evaluate(`[...person.field("Operations").options].map(({ value }) => value)`)) {
      const found = await evaluate(
        `(person.enter("Operations", ${JSON.stringify(name)}), person.until(() => person.field("Operations").value === ${JSON.stringify(name)} && person.page().querySelector(".wgsl pre").textContent))`,
      );
      claim(/@compute/.test(found), `${name}: ${found}`);
    }
    await evaluate(`person.enter("Operations", "linear, bias, GELU")`);
  },
};

async function visit(name, origin, { only, shots }) {
  const executable = findExecutable(name);
  if (executable === null) {
    console.log(`${name}: skipped, it is not installed`);
    return true;
  }
  const errors = [];
  const browser = await BROWSERS[name].start(executable, (text) => errors.push(text));
  const shoot = async (title) =>
    shots && writeFileSync(path.join(shots, `${name}-${title}.png`), await browser.screenshot());
  let isGood = true;
  try {
    for (const [page, act] of Object.entries(VISITS).filter(([id]) => (only ?? id) === id)) {
      const started = performance.now();
      try {
        await browser.resize(1280, 900);
        await browser.open(`${origin}/?${page}#${page}`);
        await untilOpen(browser, page);
        await act((expression) => browser.evaluate(expression));
        await shoot(`${page}-1280`);
        await browser.resize(360, 740);
        const width = await browser.evaluate("document.documentElement.scrollWidth");
        claim(width <= 360, `at 360 pixels the page is ${width} wide`);
        await shoot(`${page}-360`);
        claim(errors.length === 0, errors.splice(0).join("\n"));
        console.log(`${name} ${page}: ok (${((performance.now() - started) / 1000).toFixed(1)} s)`);
      } catch (error) {
        isGood = false;
        console.log(`${name} ${page}: FAILED ${error.message}`);
        await shoot(`${page}-failed`);
      }
    }
  } finally {
    await browser.close();
  }
  return isGood;
}

/** Navigation is not awaited by either protocol: asks until the page answers. */
async function untilOpen(browser, page) {
  const limit = performance.now() + LIMIT_MS;
  while (performance.now() < limit) {
    const isOpen = await browser
      .evaluate(
        `location.search === "?${page}" && document.querySelector("main") !== null && crossOriginIsolated`,
      )
      .catch(() => false);
    if (isOpen) return void (await browser.evaluate(`(() => { ${PERSON} })()`));
  }
  throw new Error("the page did not open");
}

const text = { type: "string" };
const { values } = parseArgs({ options: { browser: text, only: text, shots: text } });
if (!existsSync(path.join(MODELS, "seeded-vit/config.json"))) {
  const made = spawnSync(PYTHON, [path.join(HERE, "models.py"), MODELS], {
    stdio: "inherit",
    env: { ...process.env, HF_HUB_OFFLINE: "1" },
  });
  if (made.status !== 0) {
    console.log("skipped: the models cannot be made without Python with torch and transformers");
    process.exit(3);
  }
}
if (values.shots) mkdirSync(values.shots, { recursive: true });
await build({ root: HERE, configFile: path.join(HERE, "vite.config.mjs"), logLevel: "error" });
const server = await preview({
  root: HERE,
  configFile: path.join(HERE, "vite.config.mjs"),
  preview: { port: 0, host: "127.0.0.1" },
});
const origin = server.resolvedUrls.local[0].replace(/\/$/, "");
let isGood = true;
for (const name of values.browser ? [values.browser] : Object.keys(BROWSERS)) {
  isGood = (await visit(name, origin, values)) && isGood;
}
await server.close();
process.exit(isGood ? 0 : 1);
