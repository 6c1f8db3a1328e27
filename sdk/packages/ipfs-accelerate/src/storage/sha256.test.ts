import { createHash } from "node:crypto";

import { expect, test } from "vitest";

import { Sha256 } from "./sha256.ts";

const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 7919) >> 3);
const wanted = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");

test("the digest is that of Node at every length around the blocks", () => {
  for (let length = 0; length < 260; length++) {
    const data = bytes.subarray(0, length);
    expect(new Sha256().update(data).hex()).toBe(wanted(data));
  }
});

test("how the bytes are cut makes no difference", () => {
  for (const step of [1, 63, 64, 65, 129, 999]) {
    const hash = new Sha256();
    for (let at = 0; at < bytes.length; at += step) hash.update(bytes.subarray(at, at + step));
    expect(hash.hex()).toBe(wanted(bytes));
  }
});
