// Computes, with Helia's own importer, the CID of every recipe in a vectors file.
//
//   node oracle.mjs [--slow] < unixfs.json > unixfs.json.new
//
// Cases marked `slow` (over 100 MB) keep the CID they have unless --slow is given.
import { text } from 'node:stream/consumers'
import { BlackHoleBlockstore } from 'blockstore-core/black-hole'
import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'

const PIECE_BYTES = 1 << 20
const PROFILES = {
  'unixfs-v0-2015': { chunk_bytes: 256 * 1024, file_links: 174 },
  'unixfs-v1-2025': { chunk_bytes: 1024 * 1024, file_links: 1024 }
}

/** Byte i of seed s is the top byte of (i + 1000003 s) * 2654435761 modulo 2^32. */
export function * bytesOf (seed, size) {
  for (let start = 0; start < size; start += PIECE_BYTES) {
    const piece = new Uint8Array(Math.min(PIECE_BYTES, size - start))
    const first = start + 1000003 * seed
    for (let i = 0; i < piece.length; i++) {
      piece[i] = Math.imul(first + i, 2654435761) >>> 24
    }
    yield piece
  }
}

/** One entry of a recipe, or the many that `count` stands for. */
function * candidates (entry) {
  if (entry.count == null) {
    yield candidate(entry.path, entry)
    return
  }
  for (let i = 0; i < entry.count; i++) {
    const path = entry.path.replace('#', String(i).padStart(entry.digits, '0'))
    yield candidate(path, { ...entry, seed: entry.seed + i * (entry.seed_step ?? 0) })
  }
}

function candidate (path, entry) {
  const common = { path: `root/${path}`, mode: entry.mode, mtime: mtime(entry) }
  if (entry.kind === 'directory') return common
  if (entry.kind === 'symlink') return { ...common, link: entry.target }
  return { ...common, content: bytesOf(entry.seed, entry.size_bytes) }
}

function mtime (entry) {
  return entry.mtime_s == null ? undefined : { secs: BigInt(entry.mtime_s), nsecs: entry.mtime_ns }
}

function options (recipe) {
  const settings = { ...PROFILES[recipe.profile], ...recipe.overrides }
  return {
    profile: recipe.profile,
    chunker: fixedSize({ chunkSize: settings.chunk_bytes }),
    layout: balanced({ maxChildrenPerNode: settings.file_links }),
    shardSplitThresholdBytes: settings.directory_threshold_bytes,
    shardFanoutBits: settings.directory_fanout == null ? undefined : Math.log2(settings.directory_fanout)
  }
}

function * sourceOf (recipe) {
  if (recipe.file != null) {
    const { seed, size_bytes: size } = recipe.file
    yield { content: bytesOf(seed, size), mode: recipe.file.mode, mtime: mtime(recipe.file) }
    return
  }
  yield { path: 'root' } // a directory exists even when it is empty
  for (const entry of recipe.entries) yield * candidates(entry)
}

async function cidOf (recipe) {
  let last
  for await (const result of importer(sourceOf(recipe), new BlackHoleBlockstore(), options(recipe))) {
    last = result
  }
  return last.cid.toString()
}

const vectors = JSON.parse(await text(process.stdin))
const withSlow = process.argv.includes('--slow')
for (const recipe of vectors.cases) {
  if (withSlow || recipe.slow !== true) recipe.cid = await cidOf(recipe)
}
process.stdout.write(JSON.stringify(vectors, null, 1) + '\n')
