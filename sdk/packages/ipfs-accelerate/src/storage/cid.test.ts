import { expect, test } from "vitest";

import { cidOfLeaves, LEAF_BYTES, leafDigests, parseCid, sha256 } from "./cid.ts";
import { patterned } from "./testing.ts";

// As ipfs_accelerate.content gives them for the same bytes.
test.each([
  [0, "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"],
  [5, "bafkreiabajjtnpqzeaxo36v4ao2czk4en36molfpgipo5lgxqhaocl5clu"],
  [1048576, "bafkreigyzhqudgahmoyibdd5gzmcqmgvvstjlzkoeqwsx4cbbia4r6cuc4"],
  [1048577, "bafybeic2gn3jxtffwhxp3gbr3wptvyzbkb7vhq2kaky5gokmcw7ie5ofu4"],
  [5242887, "bafybeihnbesbb6askpcq626uzajs6gigv574zvpodrynpjowqklhxzn3dq"],
])("a file of %d bytes has the CID that the Python package gives it", async (length, cid) => {
  const bytes = patterned(length);
  expect(await cidOfLeaves(await leafDigests(bytes), length)).toBe(cid);
});

test("more than 1,024 leaves stand under two levels", async () => {
  const [full, last] = [await sha256(new Uint8Array(LEAF_BYTES)), await sha256(new Uint8Array(3))];
  const digests = [...Array.from({ length: 1026 }, () => full), last];
  expect(await cidOfLeaves(digests, 1026 * LEAF_BYTES + 3)).toBe(
    "bafybeihkj4q2utacrexyaufzujy5f3yvvpxzsjqpmljhsnpc7tt4inbcai",
  );
});

test.each(["", "bafy", "Qm12345678901234567890123456789012345678901234", "BAFKREI", "../config.json"])(
  "%j is no identifier that can be verified",
  (text) => {
    expect(() => parseCid(text)).toThrow(expect.objectContaining({ code: "model_reference" }));
  },
);
