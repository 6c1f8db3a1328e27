import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";

import { expect, test } from "vitest";

import { CpuBackend } from "../../backends/cpu/index.ts";
import { OpSet } from "../../ops/index.ts";
import { openReference } from "../../testing/references/index.ts";
import { load } from "./whisper.ts";

const FOLDER = process.env["SDK_REFERENCES"] ?? "";
const WORDS = 108;
const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };

/** A word for each id: `w7`. */
const TOKENIZER = JSON.stringify({
  version: "1.0",
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: byteLevel,
  post_processor: null,
  decoder: byteLevel,
  model: {
    type: "BPE",
    vocab: Object.fromEntries(Array.from({ length: WORDS }, (_, id) => [`Ġw${id}`, id])),
    merges: [],
  },
});

test.skipIf(!existsSync(path.join(FOLDER, "whisper-long")))(
  "sound longer than a window is told once: by its timestamps as transformers does, or at the end where there are none",
  async () => {
    const backend = new CpuBackend();
    const { checkpoint, inputs, expected } = await openReference(
      "whisper-long",
      async (name) => new Uint8Array(await readFile(path.join(FOLDER, name))),
    );
    const input = { samples: inputs["samples"]!.values as Float32Array, sampleRate: 16_000 };
    const files = new Map([...(checkpoint.files ?? []), ["tokenizer.json", TOKENIZER] as const]);
    const { no_timestamps_token_id: first, ...without } = JSON.parse(
      files.get("generation_config.json")!,
    ) as Record<string, number>;
    const told = async (own: ReadonlyMap<string, string>): Promise<[string, string[]]> => {
      const pipeline = await load({ ...checkpoint, files: own }, { ops: new OpSet(backend) });
      const pieces: string[] = [];
      const onText = (piece: string): void => void pieces.push(piece);
      const output = await pipeline.run(input, { language: "de", maxNewTokens: 30 }, { onText });
      pipeline.dispose();
      return [output.kind === "text" ? output.text : "", pieces];
    };
    const [text, pieces] = await told(files);
    const words = [...expected["ids"]!.values].map(Number).filter((id) => id < first!);
    expect(text).toBe(words.map((id) => ` w${id}`).join(""));
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.join("")).toBe(text);

    const [whole, once] = await told(
      new Map([...files, ["generation_config.json", JSON.stringify(without)]]),
    );
    expect(once).toEqual([whole]);
    expect(whole.length).toBeGreaterThan(0);
    expect(backend.memory).toMatchObject({ storages: 0, bytes: 0 });
  },
);
