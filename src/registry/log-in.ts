import type { Credentials } from "./credentials/credentials.ts";
import { Endpoint } from "./endpoint.ts";
import { discard } from "./http/read-bounded.ts";
import { usualPatience, type Patience } from "./patience.ts";
import type { Place } from "./places.ts";
import { RegistryError } from "./registry-error.ts";

/** What a login came to. */
export interface LogIn {
  /** What to keep: a token in place of the password, where the registry gives one. */
  credentials: Credentials;
  /** Whether it asked for them at all: without that they are unproven. */
  asked: boolean;
}

/** Shows a name and a password to a registry. @throws RegistryError unauthorized, … */
export async function logIn(
  place: Place,
  credentials: { username: string; password: string },
  { patience = usualPatience, signal }: { patience?: Patience; signal?: AbortSignal | undefined } = {},
): Promise<LogIn> {
  let asked = false;
  const find = (): Promise<Credentials> => {
    asked = true;
    return Promise.resolve(credentials);
  };
  const endpoint = new Endpoint(place, find, patience, { keep: "refresh-token" });
  try {
    await discard(
      await endpoint.send({
        doing: "log in",
        method: "GET",
        to: "",
        scopes: [],
        expected: [200],
        signal,
      }),
    );
    const { refreshToken } = endpoint;
    return { credentials: refreshToken === undefined ? credentials : { identityToken: refreshToken }, asked };
  } catch (cause) {
    if (!(cause instanceof RegistryError) || cause.code !== "unauthorized") throw cause;
    throw new RegistryError("unauthorized", `Cannot log in at ${place.name}: it refuses this name and password`, {
      cause,
      status: 401,
    });
  } finally {
    await endpoint.close();
  }
}
