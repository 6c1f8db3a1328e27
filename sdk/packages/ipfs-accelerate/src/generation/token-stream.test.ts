import { expect, test } from "vitest";

import { TokenStream } from "./index.ts";

const BYTES = new TextEncoder().encode("Zoë says 你好! STOP and more");
const decode = (ids: readonly number[]): string => new TextDecoder().decode(Uint8Array.from(ids));

async function* source(ids: Iterable<number>, onEnd: () => void = () => undefined): AsyncGenerator<number> {
  try {
    for (const id of ids) {
      await Promise.resolve();
      yield id;
    }
  } finally {
    onEnd();
  }
}

test("bytes become text in pieces that never break a character", async () => {
  const pieces: string[] = [];
  for await (const piece of new TokenStream(source(BYTES), decode)) pieces.push(piece);
  expect(pieces.join("")).toBe("Zoë says 你好! STOP and more");
  expect(pieces).toContain("你");
  expect(pieces.join("")).not.toContain("\ufffd");
});

test("a stop string ends the text and the source, and no part of it is given out", async () => {
  let ended = false;
  const end = (): void => {
    ended = true;
  };
  const stream = new TokenStream(source(BYTES, end), decode, { stopStrings: ["STOP", "other", ""] });
  expect(await stream.text()).toBe("Zoë says 你好! ");
  expect(stream.stoppedBy).toBe("STOP");
  expect(ended).toBe(true);
  expect(decode(stream.ids).endsWith("STOP")).toBe(true);
});

test("what only began like a stop string comes out after all", async () => {
  const stream = new TokenStream(source(BYTES), decode, { stopStrings: ["STOPPED", "moreover"] });
  expect(await stream.text()).toBe("Zoë says 你好! STOP and more");
  expect(stream.stoppedBy).toBeNull();
});

test("text that ends inside a character says so", async () => {
  expect(await new TokenStream(source(BYTES.subarray(0, 3)), decode).text()).toBe("Zo\ufffd");
});
