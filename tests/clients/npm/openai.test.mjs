// The SDK of the API for JavaScript: chat, the stream helpers, Responses with its accumulator, files, batches, errors.
import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

import { ASKED, CITIES, FACT, MODEL, PAGE, SEARCHED, SENTENCE, WEATHER, baseURL } from "./asking.mjs";

const client = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0, timeout: 300_000 });
const messages = [{ role: "user", content: ASKED }];
const Person = z.object({
  name: z.enum(["Ada", "Grace", "Alan"]),
  age: z.number().int().min(0).max(150),
  city: z.enum(CITIES),
});

test("openai: a whole answer", async () => {
  const { data, response, request_id: id } = await client.chat.completions
    .create({ model: MODEL, messages, temperature: 0, max_tokens: 30 })
    .withResponse();
  assert.match(data.choices[0].message.content, /Paris/);
  assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + data.usage.completion_tokens);
  assert.match(id, /^req_/);
  assert.equal(response.headers.get("x-request-id"), id);
});

test("openai: a streamed answer is the whole one", async () => {
  const asked = { model: MODEL, messages, seed: 7, max_completion_tokens: 40 };
  const whole = await client.chat.completions.create(asked);
  const stream = await client.chat.completions.create({ ...asked, stream: true, stream_options: { include_usage: true } });
  let text = "";
  let usage;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage;
  }
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
});

test("openai: the stream helper of chat", async () => {
  const stream = client.chat.completions.stream({ model: MODEL, messages, temperature: 0, max_tokens: 30 });
  let text = "";
  stream.on("content", (delta) => (text += delta));
  assert.equal(await stream.finalContent(), text);
});

test("openai: parse in chat", async () => {
  const answer = await client.chat.completions.parse({
    model: MODEL,
    messages: [{ role: "user", content: SENTENCE }],
    response_format: zodResponseFormat(Person, "person"),
    temperature: 0,
  });
  assert.ok(Person.parse(answer.choices[0].message.parsed));
});

test("openai: runTools", async () => {
  const called = [];
  const runner = client.chat.completions.runTools(
    {
      model: MODEL,
      messages: [{ role: "user", content: "How is the weather in Paris?" }],
      tool_choice: { type: "function", function: { name: WEATHER.name } },
      tools: [
        {
          type: "function",
          function: {
            ...WEATHER,
            strict: true,
            parse: JSON.parse,
            function: ({ city }) => {
              called.push(city);
              return `It is sunny in ${city}.`;
            },
          },
        },
      ],
      temperature: 0,
      max_tokens: 100,
    },
    { maxChatCompletions: 2 },
  );
  await runner.done();
  assert.equal(called.length >= 1, true);
  assert.ok(CITIES.includes(called[0]));
});

test("openai: a response", async () => {
  const response = await client.responses.create({ model: MODEL, input: ASKED, temperature: 0, max_output_tokens: 30 });
  assert.match(response.output_text, /Paris/);
  const found = await client.responses.retrieve(response.id);
  assert.equal(found.output_text, response.output_text);
  await client.responses.delete(response.id);
  await assert.rejects(client.responses.retrieve(response.id), OpenAI.NotFoundError);
});

test("openai: the accumulator of a response's stream", async () => {
  const stream = client.responses.stream({ model: MODEL, input: ASKED, temperature: 0, max_output_tokens: 30 });
  const kinds = [];
  let sequence = -1;
  let text = "";
  for await (const event of stream) {
    kinds.push(event.type);
    assert.equal(event.sequence_number, sequence + 1);
    sequence = event.sequence_number;
    if (event.type === "response.output_text.delta") text += event.delta;
  }
  const final = await stream.finalResponse();
  assert.deepEqual(kinds.slice(0, 2), ["response.created", "response.in_progress"]);
  assert.match(kinds.at(-1), /^response\.(completed|incomplete)$/);
  assert.equal(final.output_text, text);
});

test("openai: parse and tools in responses", async () => {
  const parsed = await client.responses.parse({
    model: MODEL,
    input: SENTENCE,
    text: { format: zodTextFormat(Person, "person") },
    temperature: 0,
  });
  assert.ok(Person.parse(parsed.output_parsed));
  const called = await client.responses.create({
    model: MODEL,
    input: "How is the weather in Paris?",
    tools: [{ type: "function", ...WEATHER, strict: true }],
    tool_choice: "required",
    parallel_tool_calls: false,
  });
  assert.equal(called.output[0].type, "function_call");
  assert.ok(CITIES.includes(JSON.parse(called.output[0].arguments).city));
  const after = await client.responses.create({
    model: MODEL,
    previous_response_id: called.id,
    input: [{ type: "function_call_output", call_id: called.output[0].call_id, output: "Sunny, 21 degrees." }],
    max_output_tokens: 30,
  });
  assert.ok(after.output_text.length > 0);
});

function checkCited(text, { url, start_index: start, end_index: end }) {
  assert.equal(url, PAGE);
  // Offsets count characters, as Python does, and not JavaScript's UTF-16 units.
  assert.match([...text].slice(start, end).join(""), FACT);
}

test("openai: a web search in responses", async () => {
  const stream = client.responses.stream({
    model: MODEL,
    input: SEARCHED,
    tools: [{ type: "web_search", search_context_size: "low" }],
    include: ["web_search_call.action.sources"],
    temperature: 0,
    max_output_tokens: 60,
  });
  const kinds = [];
  for await (const event of stream) kinds.push(event.type);
  for (const kind of ["in_progress", "searching", "completed"]) {
    assert.ok(kinds.includes(`response.web_search_call.${kind}`), kind);
  }
  const {
    output: [call, message],
    output_text: text,
  } = await stream.finalResponse();
  assert.equal(call.status, "completed");
  assert.ok(call.action.sources.some(({ url }) => url === PAGE));
  const { annotations } = message.content[0];
  assert.equal(kinds.filter((kind) => kind.endsWith("annotation.added")).length, annotations.length);
  assert.ok(annotations.length >= 1);
  for (const annotation of annotations) checkCited(text, annotation);
});

test("openai: a web search in chat", async () => {
  const asked = {
    model: MODEL,
    messages: [{ role: "user", content: SEARCHED }],
    web_search_options: { search_context_size: "low" },
    temperature: 0,
    max_tokens: 60,
  };
  const whole = (await client.chat.completions.create(asked)).choices[0].message;
  assert.ok(whole.annotations.length >= 1);
  for (const { url_citation: cited } of whole.annotations) checkCited(whole.content, cited);
  const streamed = await client.chat.completions.stream(asked).finalMessage();
  assert.equal(streamed.content, whole.content);
  assert.deepEqual(streamed.annotations, whole.annotations);
});

test("openai: files and a batch", async () => {
  const body = { model: MODEL, messages, max_tokens: 5 };
  const line = JSON.stringify({ custom_id: "one", method: "POST", url: "/v1/chat/completions", body });
  const file = await client.files.create({ file: new File([line + "\n"], "lines.jsonl"), purpose: "batch" });
  let batch = await client.batches.create({
    input_file_id: file.id,
    endpoint: "/v1/chat/completions",
    completion_window: "24h",
  });
  // Each look is a whole request; the batch has one short line.
  for (let looks = 0; looks < 5_000 && !["completed", "failed", "expired"].includes(batch.status); looks++) {
    batch = await client.batches.retrieve(batch.id);
  }
  assert.equal(batch.status, "completed");
  const output = await (await client.files.content(batch.output_file_id)).text();
  assert.equal(JSON.parse(output).custom_id, "one");
  await client.files.delete(file.id);
});

test("openai: errors", async () => {
  await assert.rejects(client.chat.completions.create({ model: MODEL, messages, temperature: 9 }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, "temperature");
    return true;
  });
  await assert.rejects(client.chat.completions.create({ model: "gpt-9", messages }), OpenAI.NotFoundError);
});
