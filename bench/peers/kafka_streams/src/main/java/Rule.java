/** The default rules of {@code transitions}, ordered by name. Durations are microseconds. */
enum Rule {
  GENERATOR_FAILED_TO_START("generator_failed_to_start", 300, "warning"),
  GENERATOR_OUTSIDE_WINDOW("generator_outside_window", 120, "warning"),
  GRID_LOST("grid_lost", 120, "warning"),
  SOURCE_NONE("source_none", 10, "critical");

  static final Rule[] ALL = values();
  static final long RESET = 3_600_000_000L;
  static final long CLEAR_FOR = 60_000_000L;

  final String ruleName;
  final long hold;
  final String severity;
  final boolean repeat;

  Rule(String ruleName, int holdSeconds, String severity) {
    this.ruleName = ruleName;
    this.hold = holdSeconds * 1_000_000L;
    this.severity = severity;
    this.repeat = severity.equals("critical");
  }

  /** Returns whether the condition holds; null: it is as it was. */
  Boolean signal(State state) {
    String source = state.source;
    return switch (this) {
      case SOURCE_NONE -> source == null ? null : source.equals("none");
      case GRID_LOST -> !state.gridNamed || source == null ? null : !source.equals("grid");
      case GENERATOR_OUTSIDE_WINDOW ->
          source == null ? null : source.equals("generator") && Boolean.FALSE.equals(state.inWindow);
      case GENERATOR_FAILED_TO_START -> {
        boolean due = java.util.Arrays.asList(state.due).contains("generator");
        if (!due) {
          yield false;
        }
        yield source == null ? null : source.equals("inverter") || source.equals("none");
      }
    };
  }
}
