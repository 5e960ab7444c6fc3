/** One rule on one device; as tables/alert.py has it. Instants: microseconds, NONE is none. */
final class Alert {
  static final long NONE = Long.MIN_VALUE;
  static final String[] KINDS = {
    "fired", "repeated", "resolved", "suppressed", "suppressed_resolved"
  };

  long since = NONE;
  long clearing = NONE;
  long rearmAt = NONE;
  long last = NONE;
  boolean firing;
  boolean told;
  int suppressed;
  int[] counts = new int[KINDS.length];
  String[] due = {};
  Boolean inWindow;
  String source;

  boolean breached() {
    return since != NONE && clearing == NONE;
  }

  long deadline(Rule rule) {
    if (since == NONE) {
      return Long.MAX_VALUE;
    }
    if (!firing) {
      return since + rule.hold;
    }
    if (clearing != NONE) {
      return clearing + Rule.CLEAR_FOR;
    }
    return !told || rule.repeat ? rearmAt : Long.MAX_VALUE;
  }

  boolean idle(long at) {
    return since == NONE && suppressed == 0 && rearmAt <= at && last < at;
  }

  void observe(State state, long at, boolean signal) {
    if (signal == breached()) {
      return;
    }
    if (signal && since == NONE) {
      if (last != at) {
        counts = new int[KINDS.length];
      }
      since = at;
      last = at;
      told = false;
      due = state.due;
      inWindow = state.inWindow;
      source = state.source;
    } else if (signal) {
      clearing = NONE;
    } else if (firing) {
      clearing = at;
    } else {
      since = NONE;
    }
  }

  /** Applies the deadline that is due at {@code at}; returns what it decides. */
  Decision act(Rule rule, String device, long at) {
    int kind;
    if (!firing) {
      kind = rearmAt == NONE || at >= rearmAt ? 0 : 3;
    } else if (clearing != NONE) {
      kind = told ? 2 : 4;
    } else {
      kind = told ? 1 : 0;
    }
    int said = suppressed + (kind == 3 ? 1 : 0);
    Decision decision =
        new Decision(device, rule, KINDS[kind], at, since, said, counts[kind], due, inWindow, source);
    counts[kind]++;
    if (kind <= 1) {
      firing = true;
      told = true;
      rearmAt = at + Rule.RESET;
      suppressed = 0;
    } else if (kind == 3) {
      firing = true;
      suppressed = said;
    } else {
      since = NONE;
      clearing = NONE;
      firing = false;
    }
    return decision;
  }
}
