import { AccelerateError } from "../errors/index.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes of a leaf; all of a file but its last. Source: profile `unixfs-v1-2025` of IPIP-499. */
export const LEAF_BYTES: number = 2 ** 20;
const LINKS_PER_NODE = 1024;
const CODEC = { raw: 0x55, "dag-pb": 0x70 } as const;
const UNIXFS_FILE = 2;
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

/** SHA-256 of bytes that are all there. */
export async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The digests of the leaves of some bytes that begin at a multiple of `LEAF_BYTES`. */
export function leafDigests(bytes: Bytes): Promise<Bytes[]> {
  const count = Math.max(1, Math.ceil(bytes.length / LEAF_BYTES));
  return Promise.all(
    Array.from({ length: count }, (_, i) => sha256(bytes.subarray(i * LEAF_BYTES, (i + 1) * LEAF_BYTES))),
  );
}

interface Branch {
  readonly cid: Bytes;
  readonly fileBytes: number;
  /** Of all blocks at and below it. */
  readonly treeBytes: number;
}

/**
 * The CID of a file by the digests of its leaves: raw leaves of 1 MiB under a balanced DAG of 1,024 links a node.
 *
 * Source: IPIP-499, profile `unixfs-v1-2025`.
 */
export async function cidOfLeaves(digests: readonly Bytes[], sizeBytes: number): Promise<string> {
  let level: Branch[] = digests.map((digest, i) => {
    const fileBytes = Math.min(LEAF_BYTES, sizeBytes - i * LEAF_BYTES);
    return { cid: binaryCid("raw", digest), fileBytes, treeBytes: fileBytes };
  });
  while (level.length > 1) {
    const nodes: Branch[] = [];
    for (let at = 0; at < level.length; at += LINKS_PER_NODE) {
      nodes.push(await parentOf(level.slice(at, at + LINKS_PER_NODE)));
    }
    level = nodes;
  }
  return `b${base32(level[0]!.cid)}`;
}

/** Source: ipld.io/specs/codecs/dag-pb (links before data) and the UnixFS specification. */
async function parentOf(children: readonly Branch[]): Promise<Branch> {
  const sum = (pick: (child: Branch) => number): number => children.reduce((total, c) => total + pick(c), 0);
  const fileBytes = sum((child) => child.fileBytes);
  const sizes = children.flatMap((child) => [0x20, ...varint(child.fileBytes)]);
  const payload = [0x08, UNIXFS_FILE, 0x18, ...varint(fileBytes), ...sizes];
  const links = children.flatMap(({ cid, treeBytes }) => {
    const link = [0x0a, cid.length, ...cid, 0x12, 0, 0x18, ...varint(treeBytes)];
    return [0x12, ...varint(link.length), ...link];
  });
  const block = Uint8Array.from([...links, 0x0a, ...varint(payload.length), ...payload]);
  const cid = binaryCid("dag-pb", await sha256(block));
  return { cid, fileBytes, treeBytes: block.length + sum((child) => child.treeBytes) };
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 0x7f; value = Math.floor(value / 128)) bytes.push((value % 128) | 0x80);
  return [...bytes, value];
}

function binaryCid(codec: keyof typeof CODEC, digest: Uint8Array): Bytes {
  return Uint8Array.from([1, CODEC[codec], 0x12, 0x20, ...digest]);
}

/** Source: RFC 4648, lower case and without padding, as multibase `b`. */
function base32(bytes: Uint8Array): string {
  let text = "";
  let [bits, held] = [0, 0];
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += ALPHABET[(held >> (bits - 5)) & 31]!;
  }
  return bits > 0 ? text + ALPHABET[(held << (5 - bits)) & 31]! : text;
}

export interface ParsedCid {
  readonly codec: "raw" | "dag-pb";
  /** Of the root block, as hexadecimal. For `raw` the sha256 of the whole content. */
  readonly digest: string;
}

/**
 * @throws AccelerateError `model_reference` for what is no CID of version 1 in base32 with sha2-256, raw or dag-pb.
 */
export function parseCid(text: string): ParsedCid {
  const bytes: number[] = [];
  let [bits, held] = [0, 0];
  for (const letter of text.slice(1)) {
    held = ((held << 5) | ALPHABET.indexOf(letter)) & 0xfff;
    bits += 5;
    if (bits >= 8) bytes.push((held >> (bits -= 8)) & 255);
  }
  const codec = (["raw", "dag-pb"] as const).find((name) => CODEC[name] === bytes[1]);
  const digest = Uint8Array.from(bytes.slice(4));
  if (!codec || digest.length !== 32 || `b${base32(binaryCid(codec, digest))}` !== text) {
    throw new AccelerateError("model_reference", `not a content identifier that can be verified: "${text}"`, {
      hint: "CIDs of version 1 in base32 with sha2-256 can: bafkrei…, bafybei…",
    });
  }
  return { codec, digest: toHex(digest) };
}
