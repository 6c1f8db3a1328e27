// OpenAI's JavaScript client against a server: one line of JSON with what it saw.
// node openai_client.mjs <base URL> <token>
import OpenAI from 'openai'

const [baseURL, apiKey] = process.argv.slice(2)
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 })
const messages = [{ role: 'user', content: 'hello' }]
const tools = [{
  type: 'function',
  function: {
    name: 'weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } } },
  },
}]
const seen = {}

const whole = await client.chat.completions.create({ model: 'assistant', messages })
seen.whole = whole.choices[0].message.content
seen.tokens = whole.usage.total_tokens

const stream = await client.chat.completions.create({
  model: 'assistant', messages, stream: true, stream_options: { include_usage: true },
})
seen.pieces = []
for await (const chunk of stream) {
  const piece = chunk.choices[0]?.delta.content
  if (piece) seen.pieces.push(piece)
  seen.reason = chunk.choices[0]?.finish_reason ?? seen.reason
  seen.streamedTokens = chunk.usage?.total_tokens ?? seen.streamedTokens
}

const called = client.chat.completions.stream({ model: 'tools', messages, tools })
const { message, finish_reason: reason } = (await called.finalChatCompletion()).choices[0]
const [call] = message.tool_calls
seen.call = { id: call.id, name: call.function.name, arguments: call.function.arguments, reason }
const after = await client.chat.completions.create({
  model: 'assistant',
  tools,
  messages: [
    ...messages,
    { role: 'assistant', tool_calls: [{ id: call.id, type: 'function', function: call.function }] },
    { role: 'tool', tool_call_id: call.id, content: 'rain' },
  ],
})
seen.after = after.choices[0].message.content

const vectors = await client.embeddings.create({ model: 'vectors', input: ['a', 'b'] })
seen.vectors = vectors.data.map((one) => Array.from(one.embedding))
seen.models = (await client.models.list()).data.map((model) => model.id)

const failure = async (work) => {
  try {
    await work()
    return null
  } catch (error) {
    return { name: error.constructor.name, status: error.status, code: error.code, param: error.param }
  }
}
seen.unknown = await failure(() => client.chat.completions.create({ model: 'nobody', messages }))
seen.bad = await failure(() =>
  client.chat.completions.create({ model: 'assistant', messages: [{ role: 'bard', content: '' }] }))
seen.stranger = await failure(() => client.withOptions({ apiKey: 'wrong' }).models.list())

console.log(JSON.stringify(seen))
