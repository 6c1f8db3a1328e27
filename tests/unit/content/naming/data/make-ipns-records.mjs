// How ipns-records.json was made: npm i ipns@10.1 @libp2p/crypto @libp2p/peer-id; node make-ipns-records.mjs
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { createIPNSRecord, marshalIPNSRecord } from 'ipns'

const hex = (bytes) => Buffer.from(bytes).toString('hex')
const seed = new Uint8Array(32).map((_, i) => i)
const key = await generateKeyPairFromSeed('Ed25519', seed)
const century = 100 * 365 * 24 * 3600 * 1000
const value = '/ipfs/bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq'
const make = async (sequence, lifetimeMs, options) =>
  hex(marshalIPNSRecord(await createIPNSRecord(key, value, sequence, lifetimeMs, options)))
const ttl = 60_000_000_000n
console.log(JSON.stringify({
  made_with: 'ipns 10.1.6 (npm), @libp2p/crypto, Node 20',
  seed: hex(seed),
  name: peerIdFromPrivateKey(key).toCID().toString((await import('multiformats/bases/base36')).base36),
  peer_id: peerIdFromPrivateKey(key).toString(),
  value,
  ttl_ns: Number(ttl),
  records: {
    'v1+v2, sequence 7': await make(7, century, { ttlNs: ttl, v1Compatible: true }),
    'v2 only, sequence 8': await make(8n, century, { ttlNs: ttl, v1Compatible: false }),
    'expired, sequence 9': await make(9, 1, { ttlNs: ttl, v1Compatible: true }),
  }
}, null, 1))
