import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { Service } from "../service/service.ts";

/** How long requests under way may take to end, once the daemon is asked to stop. */
const graceMs = 30_000;

/** Stops all services at once. One that does not end in time is left: its requests end with the process. */
export async function stopServices(services: readonly Service[], log: Logger): Promise<void> {
  await Promise.all(services.map((service) => stop(service, log.child({ service: service.name }))));
}

async function stop(service: Service, log: Logger): Promise<void> {
  const over = new AbortController();
  const late = sleep(graceMs, "late" as const, { signal: over.signal, ref: false }).catch(() => "late" as const);
  try {
    const ended = await Promise.race([service.close().then(() => "ended" as const), late]);
    if (ended === "late") log.warn(`requests have not ended within ${graceMs / 1000} s: they are left`);
    else log.info("service stopped");
  } catch (error) {
    log.error({ err: error }, "the service did not stop as it should");
  } finally {
    over.abort();
  }
}
