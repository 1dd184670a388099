// What the tests of npm's clients share. The server is named by the environment; nothing else is talked to.
export const baseURL = process.env.CLIENTS_BASE_URL;
if (!baseURL) throw new Error("CLIENTS_BASE_URL is not set");

export const MODEL = "gpt-4.1-nano";
export const ASKED = "The capital of France is Paris. So what is the capital of France?";
export const SENTENCE = "Ada is 36 years old and lives in Paris.";
export const CITIES = ["Paris", "Rome", "Berlin"];

export const PERSON = {
  type: "object",
  properties: {
    name: { type: "string", enum: ["Ada", "Grace", "Alan"] },
    age: { type: "integer", minimum: 0, maximum: 150 },
    city: { type: "string", enum: CITIES },
  },
  required: ["name", "age", "city"],
  additionalProperties: false,
};

export const WEATHER = {
  name: "get_weather",
  description: "Get the current weather of a city.",
  parameters: {
    type: "object",
    properties: { city: { type: "string", enum: CITIES } },
    required: ["city"],
    additionalProperties: false,
  },
};

// Of the pages that the server's index holds (tests/clients/pages.py).
export const SEARCHED = "How high is the lighthouse of Brenn?";
export const FACT = /312/;
export const PAGE = "https://towers.example/brenn";
