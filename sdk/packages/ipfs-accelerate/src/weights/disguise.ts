import { AccelerateError } from "../errors/index.ts";

const ARCHIVES = ["PK\x03\x04", "PK\x05\x06", "\x1f\x8b", "BZh", "\xfd7zXZ\x00", "7z\xbc\xaf", "Rar!"];

/**
 * Refuses what lies under the name of a safetensors file and is something else, by its first bytes.
 *
 * @throws AccelerateError `unsafe_model` for a pickle or an archive, `integrity` for a Git LFS pointer or a web page.
 */
export function refuseDisguise(head: Uint8Array): void {
  const start = String.fromCharCode(...head.subarray(0, 256));
  const isPickle = head.length > 1 && head[0] === 0x80 && head[1]! >= 2 && head[1]! <= 5;
  if (isPickle || ARCHIVES.some((magic) => start.startsWith(magic))) {
    const found = isPickle ? "a pickle" : "an archive";
    throw new AccelerateError("unsafe_model", `the file is ${found} under the name of a safetensors file`, {
      hint: "Get the model in safetensors form from its author; nothing was read.",
      details: { found },
    });
  }
  if (start.startsWith("version https://git-lfs.github.com/spec/")) {
    throw new AccelerateError("integrity", "the file is a Git LFS pointer, not the file itself");
  }
  if (/^\s*<(!doctype html|html)/i.test(start)) {
    throw new AccelerateError("integrity", "the file is a web page, not a model file", {
      hint: "Check the address it was fetched from.",
    });
  }
}
