// A Helia node under control of a Python process: one JSON command a line on stdin, one JSON answer
// a line on stdout; it ends with stdin. Nothing but loopback is ever dialled.
//
//   node helia.mjs [GATEWAY-URL [TOKEN]]
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { withBitswap } from '@helia/bitswap'
import { car } from '@helia/car'
import { fallbackRouter } from '@helia/fallback-router'
import { withHTTP } from '@helia/http'
import { withLibp2pLight } from '@helia/libp2p'
import { unixfs } from '@helia/unixfs'
import { createVerifiedFetchWithHelia } from '@helia/verified-fetch'
import { CarReader } from '@ipld/car'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryBlockstore } from 'blockstore-core'
import { createHeliaLight } from 'helia'
import { importBytes } from 'ipfs-unixfs-importer'
import { createIPNSRecord, marshalIPNSRecord, multihashToIPNSRoutingKey, unmarshalIPNSRecord } from 'ipns'
import { ipnsValidator } from 'ipns/validator'
import { base36 } from 'multiformats/bases/base36'
import { CID } from 'multiformats/cid'

const blocks = new MemoryBlockstore()

async function createNode (gateway, token) {
  const node = createHeliaLight({ blockstore: blocks })
  if (gateway != null) {
    withHTTP(node, {
      delegatedRouters: [],
      recursiveGateways: [],
      allowInsecure: true,
      allowLocal: true,
      transformRequestInit: request => {
        if (token != null) request.headers.Authorization = `Bearer ${token}`
        return request
      }
    })
    // As an ordinary router: Helia waits for ever for the first of none before it falls back.
    const router = fallbackRouter({ gateways: [gateway] })
    node.addRouter({ name: 'loopback', findProviders: cid => router.findProviders(cid) })
  } else {
    withBitswap(withLibp2pLight(node, {
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify() }
    }))
  }
  await node.start()
  return node
}

const [gateway, token] = process.argv.slice(2)
const node = await createNode(gateway, token)
const files = unixfs(node)

/** Nanoseconds of `work`, and its result. */
async function timed (work) {
  const start = process.hrtime.bigint()
  const result = await work()
  return { result, elapsed_ns: Number(process.hrtime.bigint() - start) }
}

/** Bytes of a stream, and their SHA-256 unless only the transfer is to be timed. */
async function digest (chunks, isTimed = false) {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of chunks) {
    if (!isTimed) hash.update(chunk)
    size += chunk.byteLength
  }
  return { sha256: hash.digest('hex'), size_bytes: size }
}

async function fetchVerified (url, isTimed) {
  const verifiedFetch = await createVerifiedFetchWithHelia(node)
  const response = await verifiedFetch(url)
  if (!response.ok) throw new Error(`${url}: HTTP status ${response.status} ${await response.text()}`)
  return digest(response.body, isTimed)
}

const commands = {
  addresses: () => ({ addresses: node.libp2p.getMultiaddrs().map(String) }),

  // The file is in memory before the clock starts: what is measured is Helia, not the disk.
  add: async ({ path, profile }) => {
    const bytes = await readFile(path)
    // `addBytes` of @helia/unixfs overrides what a profile says: its importer is asked directly.
    const { result, elapsed_ns } = await timed(() => importBytes(bytes, node.blockstore, { profile }))
    return { cid: result.cid.toString(), elapsed_ns }
  },

  dial: async ({ address }) => {
    await node.libp2p.dial(multiaddr(address))
    return {}
  },

  // A whole file over whatever this node has: bitswap, or the gateway.
  cat: async ({ cid, timeout_s, timed: isTimed }) => {
    const signal = AbortSignal.timeout(timeout_s * 1000)
    const { result, elapsed_ns } = await timed(() => digest(files.cat(CID.parse(cid), { signal }), isTimed))
    return { ...result, elapsed_ns }
  },

  verified_fetch: async ({ url, timed: isTimed }) => {
    const { result, elapsed_ns } = await timed(() => fetchVerified(url, isTimed))
    return { ...result, elapsed_ns }
  },

  list: async ({ cid }) => {
    const entries = []
    for await (const entry of files.ls(CID.parse(cid))) {
      entries.push({ name: entry.name, cid: entry.cid.toString() })
    }
    return { entries }
  },

  export_car: async ({ cid, path }) => {
    await pipeline(Readable.from(car(node).export(CID.parse(cid))), createWriteStream(path))
    return {}
  },

  import_car: async ({ path }) => {
    const reader = await CarReader.fromIterable(createReadStream(path))
    await car(node).import(reader)
    return { roots: (await reader.getRoots()).map(String) }
  },

  // Below Helia, where nothing is checked: so a node can be made that sends wrong bytes.
  put_block: async ({ cid, data }) => {
    await blocks.put(CID.parse(cid), Buffer.from(data, 'base64'))
    return {}
  },

  create_name: async ({ value, path }) => {
    const key = await generateKeyPair('Ed25519')
    const record = await createIPNSRecord(key, value, 7, 3600 * 1000)
    await writeFile(path, marshalIPNSRecord(record))
    return { name: peerIdFromPrivateKey(key).toCID().toString(base36) }
  },

  check_name: async ({ name, path }) => {
    const bytes = await readFile(path)
    await ipnsValidator(multihashToIPNSRoutingKey(CID.parse(name, base36).multihash), bytes)
    const record = unmarshalIPNSRecord(bytes)
    return { value: record.value, sequence: Number(record.sequence), validity: record.validity }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...values } = JSON.parse(line)
  let answer
  try {
    answer = await commands[command](values)
  } catch (error) {
    answer = { error: `${error.name}: ${error.message}` }
  }
  process.stdout.write(JSON.stringify(answer) + '\n')
}
await node.stop()
process.exit(0)
