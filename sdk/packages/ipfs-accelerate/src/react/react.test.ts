import { createElement as h, type ReactElement } from "react";
import { renderToString } from "react-dom/server";
import { expect, test } from "vitest";

import type { Accelerator } from "../accelerator/index.ts";
import { AcceleratorProvider, useAccelerate, useAccelerator, useHardware, useModel } from "./index.ts";
import { bench } from "./testing.ts";

function Everything(): ReactElement {
  const { status, model } = useModel({ modelId: "m", modelType: "text" });
  const { isRunning } = useAccelerate();
  const { attempts } = useHardware();
  const { accelerator } = useAccelerator();
  return h("p", null, JSON.stringify({ status, model, isRunning, attempts, isThere: accelerator !== null }));
}

const textOf = (html: string): unknown => JSON.parse(html.replace(/<\/?p>/g, "").replaceAll("&quot;", '"'));

test("a server renders the state before the first effect, and makes nothing", () => {
  const accelerator = (): Promise<Accelerator> => {
    throw new Error("a server makes no accelerator");
  };
  const html = renderToString(h(AcceleratorProvider, { accelerator }, h(Everything)));
  expect(textOf(html)).toEqual({
    status: "loading",
    model: null,
    isRunning: false,
    attempts: null,
    isThere: false,
  });
});

test("a server with an accelerator of its own loads nothing either", () => {
  const { accelerator, opened } = bench();
  const html = renderToString(h(AcceleratorProvider, { accelerator }, h(Everything)));
  expect(textOf(html)).toMatchObject({ status: "loading", isThere: true });
  expect(opened).toEqual([]);
});

test("without a provider the error says what to do", () => {
  expect(() => renderToString(h(Everything))).toThrow(/no AcceleratorProvider/);
});
