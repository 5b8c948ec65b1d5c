import { Client, credentials, type MethodDefinition, type ServiceDefinition } from "@grpc/grpc-js";
import { fromJSON } from "@grpc/proto-loader";

type Fields = Record<string, { type: string; id: number; rule?: "repeated" }>;

/** A message of the fields given as `NUMBER TYPE` (`TYPE*`: repeated); what else there is in the protocol is passed over. */
function message(fields: Record<string, string>): { fields: Fields } {
  return {
    fields: Object.fromEntries(
      Object.entries(fields).map(([name, text]) => {
        const [id, type] = text.split(" ");
        const repeated = type.endsWith("*") ? ({ rule: "repeated" } as const) : {};
        return [name, { type: type.replace("*", ""), id: Number(id), ...repeated }];
      }),
    ),
  };
}

const method = (name: string) => ({ requestType: `${name}Request`, responseType: `${name}Response` });
const methods = (names: string[]) => ({ methods: Object.fromEntries(names.map((name) => [name, method(name)])) });
const ofImage = message({ image: "1 ImageSpec" });
const ofSandbox = message({ podSandboxId: "1 string" });
const ofContainer = message({ containerId: "1 string" });
const none = message({});

/** The part of Kubernetes' container runtime interface that is used here. Names and numbers are those of cri-api's runtime/v1/api.proto. */
const descriptor: object = {
  nested: {
    runtime: {
      nested: {
        v1: {
          nested: {
            ImageSpec: message({ image: "1 string" }),
            PullImageRequest: ofImage,
            PullImageResponse: message({ imageRef: "1 string" }),
            RemoveImageRequest: ofImage,
            RemoveImageResponse: none,
            ImageFsInfoRequest: none,
            ImageFsInfoResponse: message({ imageFilesystems: "1 FilesystemUsage*" }),
            FilesystemUsage: message({ usedBytes: "3 UInt64Value" }),
            UInt64Value: message({ value: "1 uint64" }),
            PodSandboxMetadata: message({ name: "1 string", uid: "2 string", namespace: "3 string" }),
            NamespaceOption: message({ network: "1 int32" }),
            LinuxSandboxSecurityContext: message({ namespaceOptions: "1 NamespaceOption" }),
            LinuxPodSandboxConfig: message({
              cgroupParent: "1 string",
              securityContext: "2 LinuxSandboxSecurityContext",
            }),
            PodSandboxConfig: message({
              metadata: "1 PodSandboxMetadata",
              logDirectory: "3 string",
              linux: "8 LinuxPodSandboxConfig",
            }),
            RunPodSandboxRequest: message({ config: "1 PodSandboxConfig" }),
            RunPodSandboxResponse: ofSandbox,
            StopPodSandboxRequest: ofSandbox,
            StopPodSandboxResponse: none,
            RemovePodSandboxRequest: ofSandbox,
            RemovePodSandboxResponse: none,
            ContainerMetadata: message({ name: "1 string" }),
            ContainerConfig: message({
              metadata: "1 ContainerMetadata",
              image: "2 ImageSpec",
              command: "3 string*",
              logPath: "11 string",
            }),
            CreateContainerRequest: message({
              podSandboxId: "1 string",
              config: "2 ContainerConfig",
              sandboxConfig: "3 PodSandboxConfig",
            }),
            CreateContainerResponse: ofContainer,
            StartContainerRequest: ofContainer,
            StartContainerResponse: none,
            ExecSyncRequest: message({ containerId: "1 string", cmd: "2 string*", timeout: "3 int64" }),
            ExecSyncResponse: message({ stdout: "1 bytes", stderr: "2 bytes", exitCode: "3 int32" }),
            ContainerStatsRequest: ofContainer,
            ContainerStatsResponse: message({ stats: "1 ContainerStats" }),
            ContainerStats: message({ writableLayer: "4 FilesystemUsage" }),
            ImageService: methods(["PullImage", "RemoveImage", "ImageFsInfo"]),
            RuntimeService: methods([
              ...["RunPodSandbox", "StopPodSandbox", "RemovePodSandbox"],
              ...["CreateContainer", "StartContainer", "ExecSync", "ContainerStats"],
            ]),
          },
        },
      },
    },
  },
};

const services = fromJSON(descriptor, { longs: Number, defaults: true, objects: true, arrays: true });

/** What kubelet asks of a runtime, asked by a test: for want of crictl. */
export class CriClient {
  readonly #client: Client;

  /** @param socket containerd's, absolute */
  constructor(socket: string) {
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure());
  }

  call<T>(service: "ImageService" | "RuntimeService", name: string, request: object): Promise<T> {
    const definition = services[`runtime.v1.${service}`] as ServiceDefinition;
    const { path, requestSerialize, responseDeserialize } = (
      definition as Record<string, MethodDefinition<object, unknown>>
    )[name];
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, answer) => {
        if (error !== null) reject(error);
        else resolve(answer as T);
      });
    });
  }

  close(): void {
    this.#client.close();
  }
}
