import { execFileSync } from "node:child_process";
import { createPrivateKey, randomBytes, sign, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";

/** A key and a certificate for 127.0.0.1 that vouches for itself (PEM files). */
export interface KeyPair {
  key: string;
  certificate: string;
}

/** Makes one with openssl. */
export function makeKeyPair(folder: string, name: string): KeyPair {
  const pair = { key: join(folder, `${name}.key`), certificate: join(folder, `${name}.pem`) };
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
      ...[
        "-subj",
        `/CN=${name}`,
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        pair.key,
        "-out",
        pair.certificate,
      ],
    ],
    { stdio: "ignore" },
  );
  return pair;
}

/** What a token was asked with. */
export interface TokenAsked {
  method: string;
  authorization: string | undefined;
  parameters: URLSearchParams;
}

/** Gives tokens that a real registry takes: to anyone for pulling from public/…, to `ci` with "secret" for all. */
export interface TokenServer {
  asked: TokenAsked[];
  /** What the registry's configuration has to say. */
  auth: object;
}

const service = "test registry";
const issuer = "test issuer";
const password = `Basic ${Buffer.from("ci:secret").toString("base64")}`;

/** The token that a login may be kept by. */
export const refreshToken = "refresh-token-of-ci";

/** Starts one, as distribution's auth/token.md and auth/oauth.md describe; it ends with the test. */
export async function startTokenServer(t: TestContext, folder: string): Promise<TokenServer> {
  const { key, certificate } = makeKeyPair(folder, "tokens");
  const asked: TokenAsked[] = [];
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const request = await readRequest(incoming);
      asked.push(request);
      const granted = grant(request);
      outgoing.setHeader("content-type", "application/json");
      if (granted === undefined) outgoing.writeHead(401).end('{"details":"wrong credentials"}');
      else
        outgoing.end(JSON.stringify({ ...granted, expires_in: 300, ...makeToken(granted.access, key, certificate) }));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const realm = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
  return { asked, auth: { token: { realm, service, issuer, rootcertbundle: certificate } } };
}

async function readRequest(incoming: IncomingMessage): Promise<TokenAsked> {
  const { method = "", headers } = incoming;
  const query = new URL(incoming.url ?? "", "http://token").searchParams;
  const parameters = method === "POST" ? new URLSearchParams(await text(incoming)) : query;
  return { method, authorization: headers.authorization, parameters };
}

interface Access {
  type: string;
  name: string;
  actions: string[];
}

function grant({
  method,
  authorization,
  parameters,
}: TokenAsked): { access: Access[]; refresh_token?: string } | undefined {
  const known = method === "POST" ? parameters.get("refresh_token") === refreshToken : authorization === password;
  if (!known && (method === "POST" || authorization !== undefined)) return undefined;
  const scopes = parameters.getAll("scope").flatMap((scope) => scope.split(" "));
  const access = scopes.flatMap((scope): Access[] => {
    const [, type, name, actions] = /^(\w+):(.*):([\w,]*)$/.exec(scope) ?? [];
    if (known) return [{ type, name, actions: actions.split(",") }];
    return name.startsWith("public/") ? [{ type, name, actions: ["pull"] }] : [];
  });
  return { access, ...(known && parameters.has("offline_token") && { refresh_token: refreshToken }) };
}

function makeToken(access: Access[], key: string, certificate: string): { token: string } {
  const x5c = [new X509Certificate(readFileSync(certificate)).raw.toString("base64")];
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: issuer,
    sub: "",
    aud: service,
    exp: now + 300,
    nbf: now - 10,
    iat: now,
    jti: randomBytes(8).toString("hex"),
    access,
  };
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ typ: "JWT", alg: "ES256", x5c })}.${part(claims)}`;
  const signature = sign("sha256", Buffer.from(signed), {
    key: createPrivateKey(readFileSync(key)),
    dsaEncoding: "ieee-p1363",
  });
  return { token: `${signed}.${signature.toString("base64url")}` };
}
