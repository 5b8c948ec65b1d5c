// Exits with 0 when the node's daemon answers on the sockets that it was configured to have. It asks nothing of the pool, and starts none.
import { request } from "node:http";
import { connect } from "node:net";

const run = process.env.MICA_RUN_FOLDER ?? "/run/mica";

/** A daemon that is stuck accepts connections still; only an answer tells. */
function answers(socketPath) {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: "/", timeout: 5000 }, (response) => {
      response.resume();
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
  await answers(`${run}/api.sock`);
  await accepts(`${run}/containerd.sock`);
} catch (error) {
  console.error(`The daemon does not answer: ${error.message}`);
  process.exitCode = 1;
}
