// The AI SDK with its provider for the API, whose schemas check every chunk and event: chat and Responses alike.
import assert from "node:assert/strict";
import { test } from "node:test";

import { createOpenAI } from "@ai-sdk/openai";
import { Output, generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

import { ASKED, CITIES, FACT, MODEL, PAGE, SEARCHED, SENTENCE, baseURL } from "./asking.mjs";

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

function searching(name, args) {
  return {
    model: openai.responses(MODEL),
    tools: { [name]: openai.tools[name === "web_search" ? "webSearch" : "webSearchPreview"](args) },
    toolChoice: { type: "tool", toolName: name },
    prompt: SEARCHED,
    maxOutputTokens: 60,
    ...plain,
  };
}
const located = {
  searchContextSize: "low",
  userLocation: { type: "approximate", country: "DE", city: "Berlin", timezone: "Europe/Berlin" },
};

async function searches(name, args) {
  const result = await generateText(searching(name, args));
  assert.match(result.text, FACT);
  assert.deepEqual(result.warnings, []);
  assert.ok(result.sources.some(({ sourceType, url }) => sourceType === "url" && url === PAGE));
  const [call] = result.toolCalls;
  assert.equal(call.toolName, name);
  assert.equal(call.providerExecuted, true);
  const [{ output }] = result.toolResults;
  assert.equal(output.action.type, "search");
  assert.ok(output.action.queries.length >= 1);
  assert.ok(output.sources.some(({ url }) => url === PAGE));
  const { annotations } = result.content.find(({ type }) => type === "text").providerMetadata.openai;
  assert.ok(annotations.length >= 1);
  for (const { url, start_index: start, end_index: end } of annotations) {
    assert.equal(url, PAGE);
    assert.match([...result.text].slice(start, end).join(""), FACT);
  }
  return result;
}

async function sendsSearchesBack() {
  const { response } = await searches("web_search", located);
  for (const store of [true, false]) {
    const after = await generateText({
      model: openai.responses(MODEL),
      messages: [{ role: "user", content: SEARCHED }, ...response.messages, { role: "user", content: "Thank you." }],
      tools: { web_search: openai.tools.webSearch() },
      toolChoice: "none",
      providerOptions: { openai: { store } },
      maxOutputTokens: 20,
      ...plain,
    });
    assert.ok(after.text.length > 0);
  }
}

async function streamsSearches() {
  const filters = { allowedDomains: ["towers.example"], blockedDomains: ["food.example"] };
  const result = streamText(searching("web_search", { ...located, filters, externalWebAccess: true }));
  const kinds = [];
  for await (const part of result.fullStream) {
    assert.notEqual(part.type, "error", String(part.error));
    if (!kinds.includes(part.type)) kinds.push(part.type);
  }
  for (const kind of ["tool-call", "tool-result", "source", "text-delta", "finish"]) assert.ok(kinds.includes(kind), kind);
  assert.ok(kinds.indexOf("tool-result") < kinds.indexOf("text-delta"));
  assert.match(await result.text, FACT);
  assert.ok((await result.sources).every(({ url }) => url.startsWith("https://towers.example/")));
}

async function citesInChat(stream) {
  // The provider has no option for it in chat: what it adds to the body goes through its own fetch.
  const fetching = (url, { body, ...rest }) =>
    fetch(url, { ...rest, body: JSON.stringify({ ...JSON.parse(body), web_search_options: {} }) });
  const model = createOpenAI({ baseURL, apiKey: "none", fetch: fetching }).chat(MODEL);
  const asked = { model, prompt: SEARCHED, maxOutputTokens: 60, ...plain };
  const result = stream ? streamText(asked) : await generateText(asked);
  assert.match(await result.text, FACT);
  const sources = await result.sources;
  assert.ok(sources.length >= 1 && sources.every(({ url }) => url === PAGE));
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
test("ai: a web search", () => searches("web_search", located));
test("ai: a web search of the first generation", () => searches("web_search_preview", located));
test("ai: a web search that is sent back", () => sendsSearchesBack());
test("ai: a streamed web search", () => streamsSearches());
test("ai: citations in chat", () => citesInChat(false));
test("ai: streamed citations in chat", () => citesInChat(true));
