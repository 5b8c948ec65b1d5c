/** What a registry is shown: a name and a password, or the token that an earlier login got for them. */
export type Credentials = { username: string; password: string } | { identityToken: string };

/**
 * Finds the credentials for a registry.
 *
 * @param registry as users name it: "docker.io", "host:5000"
 * @returns undefined when there are none: it is asked without
 */
export type FindCredentials = (registry: string) => Promise<Credentials | undefined>;
