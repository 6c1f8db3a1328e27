import { expect, test } from "vitest";

import { TokenStream } from "../generation/index.ts";
import { loadTokenizer, type Tokenizer } from "./index.ts";

/** Byte-level, one token for each byte of "né 🦊" and one special token. */
function bytes(config: object = {}): Tokenizer {
  const vocab = Object.fromEntries(
    ["<end>", "n", "Ã", "©", "Ġ", "ð", "Ł", "¦", "Ĭ"].map((token, i) => [token, i]),
  );
  const description = {
    added_tokens: [{ id: 0, content: "<end>", special: true, normalized: false }],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      vocab,
      merges: [],
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
    },
  };
  const texts = { "tokenizer.json": description, "tokenizer_config.json": config };
  return loadTokenizer(new Map(Object.entries(texts).map(([name, value]) => [name, JSON.stringify(value)])));
}

test("a text comes back from its ids, special tokens left out", () => {
  const tokenizer = bytes();
  const { ids } = tokenizer.encode("né 🦊");
  expect(ids).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(tokenizer.decode([...ids, 0])).toBe("né 🦊");
  expect(tokenizer.decode([1, 0], { skipsSpecialTokens: false })).toBe("n<end>");
  expect(tokenizer.decode([])).toBe("");
});

test("a stream of ids never breaks a character", async () => {
  const tokenizer = bytes();
  async function* source(): AsyncGenerator<number> {
    for (const id of tokenizer.encode("né 🦊").ids) yield await Promise.resolve(id);
  }
  const pieces: string[] = [];
  for await (const piece of new TokenStream(source(), (ids) => tokenizer.decode(ids))) pieces.push(piece);
  expect(pieces).toEqual(["n", "é", " ", "🦊"]);
});

test("padding goes to the side the checkpoint or the caller wants, and is marked", () => {
  const tokenizer = bytes({ pad_token: { content: "<end>" }, padding_side: "left" });
  const batch = tokenizer.encodeBatch(["n", "nn n"]);
  expect([...batch.ids]).toEqual([0, 0, 0, 1, 1, 1, 4, 1]);
  expect([...batch.attentionMask]).toEqual([0, 0, 0, 1, 1, 1, 1, 1]);
  const right = tokenizer.encodeBatch(["n"], { padTo: 3, paddingSide: "right" });
  expect([...right.ids, ...right.shape]).toEqual([1, 0, 0, 1, 3]);
});

test.each([
  ["no file", () => loadTokenizer(new Map()), "input"],
  ["no JSON", () => loadTokenizer(new Map([["tokenizer.json", '{"model":']])), "model_format"],
  ["no object", () => loadTokenizer(new Map([["tokenizer.json", "7"]])), "model_format"],
  ["no model", () => loadTokenizer(new Map([["tokenizer.json", '{"added_tokens":[]}']])), "model_format"],
  ["an id that is too large", () => bytes().decode([1, 99]), "input"],
  ["a negative id", () => bytes().decode([-1]), "input"],
  ["padding without a token for it", () => bytes().encodeBatch(["n", "nn"]), "input"],
  ["no texts", () => bytes().encodeBatch([]), "input"],
  ["rows longer than the batch", () => bytes().encodeBatch(["nnn"], { padTo: 2 }), "input"],
  ["no room", () => bytes().encode("n", { maxLength: 0 }), "input"],
])("refuses %s", (_, action, code) => {
  expect(action).toThrow(expect.objectContaining({ code }) as Error);
});
