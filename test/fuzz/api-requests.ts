import fc from "fast-check";
import { linesType } from "../../src/api/json-lines.ts";
import { apiRoutes } from "../../src/api/routes/api-routes.ts";
import { hostileJson } from "./hostile-json.ts";

const size = fc.constantFrom<unknown>("256M", "300M", 268435456, "x", -1, 0.5, "+1%", "9".repeat(30));
const name = fc.constantFrom("app", "app:latest", "web", "layer", "a/b:c", "sha256:0", "0", "", "x".repeat(300));

/** What calls take, where they take something. Those that are left out get a body all the same. */
const bodies: Record<string, fc.Arbitrary<unknown>> = {
  "POST /v1/containers": fc.record({ image: name, name, size }, { requiredKeys: ["image"] }),
  "POST /v1/containers/:container/commit": fc.record({ name }),
  "POST /v1/devices": fc.record({ id: name, parent: name, size }, { requiredKeys: ["id"] }),
  "POST /v1/devices/:device/mount": fc.record(
    { mountLabel: fc.constantFrom("", "x", 'a"b'), readOnly: fc.boolean() },
    { requiredKeys: [] },
  ),
  "POST /v1/images/import": fc.record(
    { name, path: fc.constantFrom("/dev/null", "/proc/self/cmdline", "/nonexistent", "/"), platform: name },
    { requiredKeys: ["name", "path"] },
  ),
  "PATCH /v1/pool/autogrow": fc.record(
    {
      enabled: fc.boolean(),
      threshold: fc.constantFrom("80%", "5%", "x"),
      ceiling: fc.constantFrom("2G", "1", "x"),
      step: fc.constantFrom("20%", "0%"),
    },
    { requiredKeys: [] },
  ),
};

/** Not called: what goes to registries, puts files or sockets where it is told, and makes the pool as large as it is told. */
const beyond = /\/(pull|push|save|export|grow|upload)$/;
const routes = apiRoutes("0", { outcome: () => undefined }).filter(({ path }) => !beyond.test(path));

const parameter = fc.oneof(
  { weight: 4, arbitrary: name },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "..",
      ".",
      "%2e%2e",
      "/",
      "%00",
      "a%2fb",
      "%",
      "%ff",
      "-1",
      "1e3",
      "__proto__",
      "x".repeat(5000),
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .string({ unit: "binary", maxLength: 20 })
      .map((text) => encodeURIComponent(Buffer.from(text).toString())),
  },
);
const query = fc.constantFrom(
  "",
  "",
  "?",
  "?of=devices",
  "?of=x&of=y",
  "?__proto__=x",
  "?name=app&platform=%00",
  `?${"a&".repeat(2000)}`,
);

/** The API's calls, as paths. */
export const apiPaths: string[] = routes.map(({ path }) => path.replace(/:\w+/g, "app"));

/** A call of the API, as a client would send it or almost. */
export const apiRequests: fc.Arbitrary<{
  method: string;
  path: string;
  body: Buffer;
  headers: Record<string, string>;
}> = fc.constantFrom(...routes).chain(({ method, path }) => {
  const json = hostileJson(bodies[`${method} ${path}`] ?? fc.constant({}));
  const none = fc.constant(Buffer.alloc(0));
  return fc.record({
    method: fc.constant<string>(method),
    path: fc
      .tuple(fc.array(parameter, { minLength: 2, maxLength: 2 }), query)
      .map(([values, asked]) => path.replace(/:\w+/g, () => values.shift() ?? "0") + asked),
    body: method === "GET" ? fc.oneof({ weight: 4, arbitrary: none }, { weight: 1, arbitrary: json }) : json,
    headers: fc.constantFrom<Record<string, string>>(
      { "content-type": "application/json" },
      { "content-type": "application/json", accept: linesType, "mica-request": "x" },
      { "content-type": "text/plain" },
      {},
    ),
  });
});
