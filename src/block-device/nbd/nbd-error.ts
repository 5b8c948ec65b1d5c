import { errno } from "../../linux/system-error.ts";
import { NbdError } from "./nbd-protocol.ts";

/** An error of the system (positive) as the protocol has it. */
export function nbdErrorOf(number: number): number {
  switch (number) {
    case errno.EPERM:
    case errno.EACCES:
    case errno.EROFS:
      return NbdError.EPERM;
    case errno.ENOMEM:
      return NbdError.ENOMEM;
    case errno.EINVAL:
      return NbdError.EINVAL;
    case errno.ENOSPC:
    case errno.EDQUOT:
    case errno.EFBIG:
      return NbdError.ENOSPC;
    case errno.EOPNOTSUPP:
      return NbdError.ENOTSUP;
    default:
      return NbdError.EIO;
  }
}
