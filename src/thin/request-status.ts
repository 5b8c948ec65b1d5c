/**
 * What a volume's request methods return: 0 done, a negative errno, or `QUEUED`: the pool is out of space; keep the
 * request and repeat it whole when the pool's `retryGeneration` changes.
 */
export type RequestStatus = number;

/** The request waits for space: see `RequestStatus`. */
export const QUEUED = 1;
