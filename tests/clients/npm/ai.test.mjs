// The AI SDK with its provider for the API, whose schemas check every chunk and event: chat and Responses alike.
import assert from "node:assert/strict";
import { test } from "node:test";

import { createOpenAI } from "@ai-sdk/openai";
import { Output, generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

import { ASKED, CITIES, MODEL, SENTENCE, baseURL } from "./asking.mjs";

const openai = createOpenAI({ baseURL, apiKey: "none" });
const schema = z.object({
  name: z.enum(["Ada", "Grace", "Alan"]),
  age: z.number().int().min(0).max(150),
  city: z.enum(CITIES),
});
const weather = () => {
  const asked = [];
  const get_weather = tool({
    description: "Get the current weather of a city.",
    inputSchema: z.object({ city: z.enum(CITIES) }),
    execute: ({ city }) => {
      asked.push(city);
      return `It is sunny in ${city}.`;
    },
  });
  return { asked, tools: { get_weather } };
};
const plain = { maxRetries: 0, temperature: 0 };

async function generates(model) {
  const { text, usage, finishReason, warnings } = await generateText({
    model,
    prompt: ASKED,
    maxOutputTokens: 30,
    ...plain,
  });
  assert.match(text, /Paris/);
  assert.ok(usage.inputTokens > 0 && usage.outputTokens > 0);
  assert.ok(["stop", "length"].includes(finishReason));
  assert.deepEqual(warnings, []);
}

async function streams(model) {
  const result = streamText({ model, prompt: ASKED, maxOutputTokens: 30, ...plain });
  const kinds = new Set();
  let text = "";
  for await (const part of result.fullStream) {
    assert.notEqual(part.type, "error", String(part.error));
    kinds.add(part.type);
    if (part.type === "text-delta") text += part.text;
  }
  for (const kind of ["start", "text-start", "text-delta", "text-end", "finish"]) assert.ok(kinds.has(kind), kind);
  const { text: whole } = await generateText({ model, prompt: ASKED, maxOutputTokens: 30, ...plain });
  assert.equal(text, whole);
  assert.ok((await result.usage).outputTokens > 0);
}

async function makesObjects(model) {
  const { object } = await generateObject({ model, schema, prompt: SENTENCE, ...plain });
  assert.ok(schema.parse(object));
  const { output } = await generateText({ model, output: Output.object({ schema }), prompt: SENTENCE, ...plain });
  assert.ok(schema.parse(output));
}

async function callsTools(model) {
  const { asked, tools } = weather();
  const result = await generateText({
    model,
    tools,
    toolChoice: "required",
    prompt: "How is the weather in Paris?",
    stopWhen: stepCountIs(1),
    maxOutputTokens: 200,
    ...plain,
  });
  assert.ok(asked.length >= 1);
  assert.ok(asked.every((city) => CITIES.includes(city)));
  assert.equal(result.toolCalls[0].toolName, "get_weather");
  const after = await generateText({
    model,
    tools,
    toolChoice: "none",
    messages: [{ role: "user", content: "How is the weather in Paris?" }, ...result.response.messages],
    maxOutputTokens: 30,
    ...plain,
  });
  assert.ok(after.text.length > 0);
}

async function streamsTools(model) {
  const { asked, tools } = weather();
  const result = streamText({
    model,
    tools,
    toolChoice: { type: "tool", toolName: "get_weather" },
    prompt: "How is the weather in Rome?",
    stopWhen: stepCountIs(1),
    maxOutputTokens: 200,
    ...plain,
  });
  const kinds = new Set();
  for await (const part of result.fullStream) {
    assert.notEqual(part.type, "error", String(part.error));
    kinds.add(part.type);
  }
  for (const kind of ["tool-input-start", "tool-input-delta", "tool-input-end", "tool-call", "tool-result"]) {
    assert.ok(kinds.has(kind), `${kind} of ${[...kinds]}`);
  }
  assert.ok(asked.length >= 1 && CITIES.includes(asked[0]));
}

const chat = openai.chat(MODEL);
const responses = openai.responses(MODEL);
test("ai: text in chat", () => generates(chat));
test("ai: text in responses", () => generates(responses));
test("ai: a stream in chat", () => streams(chat));
test("ai: a stream in responses", () => streams(responses));
test("ai: objects in chat", () => makesObjects(chat));
test("ai: objects in responses", () => makesObjects(responses));
test("ai: tools in chat", () => callsTools(chat));
test("ai: tools in responses", () => callsTools(responses));
test("ai: streamed tools in chat", () => streamsTools(chat));
test("ai: streamed tools in responses", () => streamsTools(responses));
