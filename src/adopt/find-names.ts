import type { StoredContainer } from "../docker-graph/containers.ts";
import { DockerGraphError } from "../docker-graph/docker-graph-error.ts";
import type { DockerGraph } from "../docker-graph/docker-graph.ts";
import type { StoredImage } from "../docker-graph/stored-image.ts";
import { parseReference } from "../image/reference.ts";

/** What a name on the command line means. */
export type Found = { kind: "image"; image: StoredImage } | { kind: "container"; container: StoredContainer };

/**
 * Finds an image by name (":latest" may be left off), ID or the start of one, or a container by name, ID or the start of one.
 * Names go before IDs that begin like them.
 *
 * @throws DockerGraphError not-found, or ambiguous with what it may mean
 */
export function findByName(graph: DockerGraph, name: string): Found {
  const images = imagesNamed(graph, name).map((image): Found => ({ kind: "image", image }));
  const containers = containersNamed(graph, name).map((container): Found => ({ kind: "container", container }));
  const named = [...images, ...containers];
  if (named.length === 1) return named[0];
  if (named.length > 1) throw ambiguous(name, named);
  const prefix = name.replace(/^sha256:/, "");
  const begun: Found[] = [
    ...graph.images.filter(({ id }) => beginsWith(id, prefix)).map((image): Found => ({ kind: "image", image })),
    // A digest is never a container's.
    ...(name === prefix ? graph.containers.filter(({ id }) => beginsWith(id, prefix)) : []).map((container): Found => ({
      kind: "container",
      container,
    })),
  ];
  if (begun.length === 1) return begun[0];
  if (begun.length > 1) throw ambiguous(name, begun);
  throw notFound(graph, name, "image or container");
}

/** As `findByName`, for containers only. */
export function findContainer(graph: DockerGraph, name: string): StoredContainer {
  const named = containersNamed(graph, name).at(0);
  if (named !== undefined) return named;
  const begun = graph.containers.filter(({ id }) => beginsWith(id, name));
  if (begun.length === 1) return begun[0];
  if (begun.length > 1)
    throw ambiguous(
      name,
      begun.map((container) => ({ kind: "container", container })),
    );
  throw notFound(graph, name, "container");
}

function imagesNamed(graph: DockerGraph, name: string): StoredImage[] {
  let text: string;
  try {
    text = parseReference(name).text;
  } catch {
    return []; // an ID, or the start of one
  }
  return graph.images.filter(({ references }) => references.includes(text));
}

function containersNamed(graph: DockerGraph, name: string): StoredContainer[] {
  return graph.containers.filter((container) => container.name === name.replace(/^\//, ""));
}

function beginsWith(id: string, prefix: string): boolean {
  return /^[0-9a-f]{1,64}$/.test(prefix) && id.replace(/^sha256:/, "").startsWith(prefix);
}

function ambiguous(name: string, found: Found[]): DockerGraphError {
  const meanings = found.map((each) =>
    each.kind === "image"
      ? `image ${each.image.references[0] ?? each.image.id}`
      : `container ${each.container.name} (${each.container.id.slice(0, 12)})`,
  );
  return new DockerGraphError(
    "ambiguous",
    `Cannot tell what '${name}' is: ${meanings.join(" or ")}. Give an image's name with its tag, or more of the ID`,
  );
}

function notFound(graph: DockerGraph, name: string, what: string): DockerGraphError {
  return new DockerGraphError(
    "not-found",
    `Cannot find ${what} '${name}' in '${graph.dataRoot}'. \`mica adopt inspect ${graph.dataRoot}\` lists what is there`,
  );
}
