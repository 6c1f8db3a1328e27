import { expect, test } from "vitest";

import { AccelerateError, ERROR_CODES } from "./index.ts";

test("an error carries the category and recovery of its code", () => {
  const error = new AccelerateError("quota_exceeded", "3 GB do not fit into 1 GB", {
    hint: "Unpin a model.",
  });
  expect(error).toMatchObject({ name: "QuotaExceededError", category: "store", recovery: "free_resources" });
  expect(error.hint).toBe("Unpin a model.");
});

test("an error is an instance of the codes above its own, and of no other", () => {
  const error = new AccelerateError("block_mismatch", "bafy… hashes to bafk…");
  expect(["block_mismatch", "integrity", "model", "error"].every((code) => error.is(code as "model"))).toBe(
    true,
  );
  expect(error.is("store")).toBe(false);
});

test("an error crosses a worker boundary unchanged", () => {
  const sent = new AccelerateError("input", "shape [2] is not [3]", { details: { got: [2], wanted: [3] } });
  const record = JSON.parse(JSON.stringify(sent)) as ReturnType<AccelerateError["toJSON"]>;
  expect(AccelerateError.fromJSON(record).toJSON()).toEqual(sent.toJSON());
});

test("every parent is itself a code", () => {
  for (const { parent } of Object.values(ERROR_CODES))
    expect(parent === null || parent in ERROR_CODES).toBe(true);
});
