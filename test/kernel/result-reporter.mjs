// A reporter for Node's test runner: a line of JSON for each test that ended, for who runs the runner inside another kernel.
export default async function* report(source) {
  for await (const { type, data } of source) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    if (data.details.type === "suite") continue;
    const { error } = data.details;
    const reason = data.skip === undefined ? undefined : data.skip === true ? "skipped" : data.skip;
    yield `RESULT ${JSON.stringify({
      name: data.name,
      failed: type === "test:fail",
      skip: reason,
      error: error === undefined ? undefined : String(error.cause?.stack ?? error.stack ?? error.message),
    })}\n`;
  }
}
