// Which of several satellites answers: the one that heard the person loudest.
//
// LO1. Exactly one of the claims wins, and every satellite is told the same one, in whatever order they
//      came: the loudest, and of equals the one whose name comes first.

/** A satellite that heard its wake phrase. `loudnessDb`: against full scale, 0 is the loudest. */
export interface WakeClaim {
  readonly satellite: string;
  readonly loudnessDb: number;
}

/** A satellite that claims twice counts by its loudest claim. Undefined: nobody claims. */
export function loudest(claims: readonly WakeClaim[]): WakeClaim | undefined {
  return claims.toSorted(
    (a, b) => b.loudnessDb - a.loudnessDb || (a.satellite < b.satellite ? -1 : 1),
  )[0];
}
