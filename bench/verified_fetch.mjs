// Helia with verified-fetch for `cargo xtask bench gateway`. Node.js 22 or newer.
//
//   verified_fetch.mjs version
//   verified_fetch.mjs give LISTEN FILE                       says {"cid", "address"}, and gives until it is killed
//   verified_fetch.mjs read ADDRESS CID OUT BYTES AT AT       says {"round_trip", "first", "next"} in seconds
//
// Both speak bitswap over TCP, Noise and Yamux with each other alone: no DHT, no relays, no HTTP.
import fs from 'node:fs'
import net from 'node:net'
import { withBitswap } from '@helia/bitswap'
import { withLibp2p } from '@helia/libp2p'
import { unixfs } from '@helia/unixfs'
import { createVerifiedFetch } from '@helia/verified-fetch'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createHeliaLight } from 'helia'

const [role, ...rest] = process.argv.slice(2)

const start = async (listen) => {
  const helia = withBitswap(withLibp2p(createHeliaLight(), {
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    peerDiscovery: [],
    services: { identify: identify() }
  }))
  await helia.start()
  return helia
}

const give = async ([listen, file]) => {
  const helia = await start([listen])
  const cid = await unixfs(helia).addByteStream(fs.createReadStream(file, { highWaterMark: 1 << 20 }))
  console.log(JSON.stringify({ cid: cid.toString(), address: helia.libp2p.getMultiaddrs()[0].toString() }))
  setInterval(() => {}, 1 << 30)
}

const roundTrip = async (address) => {
  const [, , host, , port] = address.toString().split('/')
  let least = Infinity
  for (let turn = 0; turn < 3; turn++) {
    const began = performance.now()
    const socket = net.connect(port, host)
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    least = Math.min(least, performance.now() - began)
    socket.destroy()
  }
  return least / 1e3
}

const read = async ([address, cid, out, bytes, ...places]) => {
  const helia = await start([])
  const to = multiaddr(address)
  const tripSeconds = await roundTrip(to)
  // libp2p refuses who comes more than five times in a second.
  await new Promise((resolve) => setTimeout(resolve, 1100))
  await helia.libp2p.dial(to)
  // Identifying each other is part of having the connection.
  await new Promise((resolve) => setTimeout(resolve, 500))
  const fetch = await createVerifiedFetch(helia)
  const file = fs.openSync(out, 'w')
  const took = []
  for (const place of places.map(Number)) {
    const range = `bytes=${place}-${place + Number(bytes) - 1}`
    const began = performance.now()
    const answer = await fetch(`ipfs://${cid}`, { headers: { Range: range }, session: false })
    if (answer.status !== 206) throw new Error(`it answers ${answer.status}: ${await answer.text()}`)
    let first
    for await (const part of answer.body) {
      first ??= performance.now() - began
      fs.writeSync(file, part)
    }
    took.push(first / 1e3)
  }
  fs.closeSync(file)
  console.log(JSON.stringify({ round_trip: tripSeconds, first: took[0], next: took[1] }))
  process.exit(0)
}

const version = () => {
  const of = (name) => JSON.parse(fs.readFileSync(`${import.meta.dirname}/node_modules/${name}/package.json`)).version
  console.log(`helia ${of('helia')}, verified-fetch ${of('@helia/verified-fetch')}`)
}

await { version, give, read }[role](rest)
