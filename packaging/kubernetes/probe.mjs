// Exits with 0 when the node's daemon answers on the sockets that it was configured to have. The daemon asks its pool; the probe starts none.
import { request } from "node:http";
import { connect } from "node:net";

const run = process.env.MICA_RUN_FOLDER ?? "/run/mica";

/** A daemon that is stuck accepts connections still; only an answer tells. It comes from the pool. */
function isHealthy(socketPath) {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: "/v1/health", timeout: 5000 }, (response) => {
      response.resume();
      if (response.statusCode !== 200) reject(new Error(`its health is HTTP's status ${response.statusCode}`));
      response.once("end", resolve);
    });
    asked.once("timeout", () => asked.destroy(new Error("no answer within five seconds")));
    asked.once("error", reject);
    asked.end();
  });
}

function accepts(socketPath) {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath, () => {
      socket.destroy();
      resolve();
    });
    socket.once("error", reject);
  });
}

try {
  await isHealthy(`${run}/api.sock`);
  await accepts(`${run}/containerd.sock`);
} catch (error) {
  console.error(`The daemon does not answer: ${error.message}`);
  process.exitCode = 1;
}
