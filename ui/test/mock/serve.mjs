// `npm run dev`: the mock with an hour of the login story, on http://127.0.0.1:4399/.
import { demoStore, startMock } from "./server.mjs";

const end = Date.now();
const mock = await startMock({ store: demoStore({ startMs: end - 3_600_000, endMs: end, big: 100_000 }), port: 4399 });
console.log(`The mock of Weft serves the page on ${mock.url}/`);
