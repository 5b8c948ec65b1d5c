import fc from "fast-check";

/** A change of some bytes; where, as a share of the length. */
interface Edit {
  kind: "flip" | "overwrite" | "insert" | "remove" | "repeat" | "cut";
  at: number;
  bytes: Uint8Array;
}

const interesting = fc.constantFrom(
  ...[
    "",
    "\0",
    "\xff\xff\xff\xff",
    "\x7f\xff\xff\xff",
    "\x80\0\0\0",
    "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    "\r\n\r\n",
    "0\r\n",
  ].map((text): Uint8Array => Buffer.from(text, "latin1")),
);

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom("flip", "overwrite", "insert", "remove", "repeat", "cut"),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  bytes: fc.oneof(interesting, fc.uint8Array({ maxLength: 16 })),
});

/** Bytes as they are, or with a few changes. */
export function hostileBytes(bytes: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  const edits = fc.oneof(
    { weight: 1, arbitrary: fc.constant<Edit[]>([]) },
    { weight: 3, arbitrary: fc.array(edit, { maxLength: 6 }) },
  );
  return fc.tuple(bytes, edits).map(([original, changes]) => changes.reduce(apply, original));
}

function apply(bytes: Buffer, { kind, at, bytes: given }: Edit): Buffer {
  const offset = Math.floor(at * bytes.length);
  const before = bytes.subarray(0, offset);
  const from = (skip: number): Buffer => bytes.subarray(offset + skip);
  switch (kind) {
    case "flip":
      return Buffer.concat([
        before,
        Buffer.from(
          from(0)
            .subarray(0, 1)
            .map((byte) => byte ^ (1 << (given.length % 8))),
        ),
        from(1),
      ]);
    case "overwrite":
      return Buffer.concat([before, given, from(given.length)]);
    case "insert":
      return Buffer.concat([before, given, from(0)]);
    case "remove":
      return Buffer.concat([before, from(1 + given.length * 8)]);
    case "repeat":
      return Buffer.concat([before, from(0).subarray(0, 512), from(0)]);
    case "cut":
      return before;
  }
}
