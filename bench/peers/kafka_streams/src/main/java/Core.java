import com.fasterxml.jackson.core.io.JsonStringEncoder;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.*;
import java.time.*;
import java.util.*;

/**
 * What tables/intake.py, fold.py and alert.py do for the four default rules of transitions; without
 * clocks, rolled-back spools and the backlog of a new epoch.
 *
 * <p>Instants are microseconds since 1970, NONE is none. Sources are places in SOURCES; a source or
 * flag that is UNKNOWN is null in JSON.
 */
final class Core {
  static final Set<String> TYPES = Set.of("transition", "context", "tick");
  static final List<String> SOURCES = List.of("grid", "generator", "inverter", "solar", "none");
  static final byte GRID = 0, GENERATOR = 1, INVERTER = 2, NOTHING = 4, UNKNOWN = -1;
  static final long NONE = Long.MIN_VALUE, SECOND = 1_000_000;
  static final long LATEST = LocalDate.of(3000, 1, 1).toEpochDay() * 86_400 * SECOND;

  static final String[] RULES = { // ordered by name
    "generator_failed_to_start", "generator_outside_window", "grid_lost", "source_none"
  };
  static final long[] HOLD = {300 * SECOND, 120 * SECOND, 120 * SECOND, 10 * SECOND};
  static final long RESET = 3_600 * SECOND, CLEAR_FOR = 60 * SECOND;
  static final int CRITICAL = 3; // the one rule that is, and so repeats

  static final String[] KINDS = {"fired", "repeated", "resolved", "suppressed", "suppressed_resolved"};
  static final int FIRED = 0, REPEATED = 1, RESOLVED = 2, SUPPRESSED = 3, SUPPRESSED_RESOLVED = 4;
  static final int RUNS = 8; // starts of the edge that are remembered

  /** A transition, a context or a tick. */
  static final class Event {
    String type = "", device, epoch, run;
    long seq, at;
    byte source = UNKNOWN, inWindow = UNKNOWN;
    String due = "";
    boolean namesGrid;
  }

  /** What conditions see. due: a letter for each source, which is its place. */
  record Facts(byte source, byte inWindow, String due) {
    void write(ByteBuffer out) {
      write(out.put(source).put(inWindow), due);
    }

    static Facts read(ByteBuffer in) {
      return new Facts(in.get(), in.get(), readText(in));
    }

    static void write(ByteBuffer out, String text) {
      byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
      out.putShort((short) bytes.length).put(bytes);
    }

    static String readText(ByteBuffer in) {
      int length = in.getShort(), first = in.position();
      in.position(first + length);
      return new String(in.array(), first, length, StandardCharsets.UTF_8);
    }
  }

  /** One decision, of which {@link #encoded} is the value on the topic. */
  record Decision(int rule, int kind, long at, long episode, int suppressed, int ordinal, Facts cause) {
    byte[] encoded(String device) {
      StringBuilder text = new StringBuilder(384);
      text.append("{\"type\":\"decision\",\"v\":1,\"core\":1,\"id\":\"").append(id(device));
      JsonStringEncoder.getInstance().quoteAsString(device, text.append("\",\"device\":\""));
      text.append("\",\"rule\":\"").append(RULES[rule]).append("\",\"kind\":\"").append(KINDS[kind]);
      text.append("\",\"at\":\"").append(written(at));
      text.append("\",\"episode\":\"").append(written(episode));
      text.append("\",\"suppressed\":").append(suppressed);
      text.append(",\"severity\":\"").append(rule == CRITICAL ? "critical" : "warning");
      text.append("\",\"stream\":\"transitions\",\"cause\":{\"due\":[");
      for (int place = 0; place < cause.due.length(); place++) {
        text.append(place == 0 ? "\"" : ",\"").append(SOURCES.get(cause.due.charAt(place))).append('"');
      }
      text.append("],\"in_window\":").append(cause.inWindow == UNKNOWN ? "null" : cause.inWindow == 1);
      text.append(",\"source\":\"").append(SOURCES.get(cause.source)).append("\"}}"); // never unknown
      return text.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static String written(long micros) {
      String text = Instant.ofEpochSecond(micros / SECOND).toString();
      long rest = micros % SECOND;
      return rest == 0 ? text : text.replace("Z", ("." + (SECOND + rest) + "Z").replace(".1", "."));
    }

    private String id(String device) {
      String parts = String.join("\u001f", device, RULES[rule], "" + episode, KINDS[kind], "" + ordinal);
      try {
        byte[] hash = MessageDigest.getInstance("SHA-256").digest(parts.getBytes(StandardCharsets.UTF_8));
        return HexFormat.of().formatHex(hash, 0, 16);
      } catch (NoSuchAlgorithmException error) {
        throw new IllegalStateException(error);
      }
    }
  }

  /** One rule on one device. */
  static final class Alert {
    long since = NONE, clearing = NONE, rearmAt = NONE, last = NONE;
    boolean firing, told;
    int suppressed;
    final int[] counts = new int[KINDS.length]; // of the instant `last`
    Facts cause;

    /** Returns when time alone will change it. */
    long deadline(int rule) {
      if (since == NONE || (firing && clearing == NONE && told && rule != CRITICAL)) {
        return Long.MAX_VALUE;
      }
      return !firing ? since + HOLD[rule] : clearing != NONE ? clearing + CLEAR_FOR : rearmAt;
    }

    /** Does what its deadlines up to {@code until} do, none of them before {@code floor}. */
    void elapse(int rule, long until, long floor, List<Decision> out) {
      for (long due = deadline(rule); due <= until; due = deadline(rule)) {
        long at = Math.max(due, floor);
        boolean tells = firing ? clearing == NONE : at >= rearmAt;
        boolean ends = firing && clearing != NONE;
        int kind = ends ? (told ? RESOLVED : SUPPRESSED_RESOLVED)
            : !tells ? SUPPRESSED : firing && told ? REPEATED : FIRED;
        suppressed += kind == SUPPRESSED ? 1 : 0;
        out.add(new Decision(rule, kind, at, since, suppressed, counts[kind]++, cause));
        firing = !ends;
        if (ends) {
          since = clearing = NONE;
        } else if (tells) {
          told = true;
          rearmAt = at + RESET;
          suppressed = 0;
        }
      }
    }

    /** Takes notice of the condition at {@code at}. */
    void observe(boolean breached, long at, Facts facts) {
      if (breached && since == NONE) {
        if (last != at) {
          Arrays.fill(counts, 0);
        }
        since = last = at;
        told = false;
        cause = facts;
      } else if (breached) {
        clearing = NONE;
      } else if (!firing) {
        since = NONE;
      } else if (clearing == NONE) {
        clearing = at;
      }
    }

    boolean idle(long at) {
      return since == NONE && suppressed == 0 && rearmAt <= at && last < at;
    }

    void write(ByteBuffer out) {
      out.putLong(since).putLong(clearing).putLong(rearmAt).putLong(last).putInt(suppressed);
      for (int count : counts) {
        out.putInt(count);
      }
      cause.write(out.put((byte) ((firing ? 1 : 0) | (told ? 2 : 0))));
    }

    static Alert read(ByteBuffer in) {
      Alert alert = new Alert();
      alert.since = in.getLong();
      alert.clearing = in.getLong();
      alert.rearmAt = in.getLong();
      alert.last = in.getLong();
      alert.suppressed = in.getInt();
      for (int kind = 0; kind < alert.counts.length; kind++) {
        alert.counts[kind] = in.getInt();
      }
      byte flags = in.get();
      alert.firing = (flags & 1) != 0;
      alert.told = (flags & 2) != 0;
      alert.cause = Facts.read(in);
      return alert;
    }
  }

  /** What is kept of a device. It is made anew for each event, from what is stored. */
  static final class State {
    private static final ThreadLocal<ByteBuffer> BUFFER =
        ThreadLocal.withInitial(() -> ByteBuffer.allocate(1 << 16)); // more than the largest
    long seq, at = NONE, missing, duplicates, late;
    boolean gridNamed;
    List<String> names = new ArrayList<>(List.of("")); // its epoch, then the last runs of that
    Facts facts = new Facts(UNKNOWN, UNKNOWN, "");
    final Alert[] alerts = new Alert[RULES.length];

    /** Applies {@code event}, if it is new, and adds what that decides to {@code out}. */
    void take(Event event, List<Decision> out) {
      if (!event.epoch.equals(names.get(0))) {
        names = new ArrayList<>(List.of(event.epoch));
        seq = 0;
      }
      boolean known = names.lastIndexOf(event.run) > 0;
      if (known && event.seq <= seq) {
        duplicates++;
        return;
      }
      if (!known && names.size() > RUNS) {
        names.remove(1);
      }
      if (!known) {
        names.add(event.run);
      }
      missing += Math.max(0, event.seq - seq - 1);
      seq = event.seq;
      boolean tick = event.type.equals("tick");
      late += event.at < at ? 1 : 0;
      at = Math.max(at, event.at);
      if (!tick) {
        Facts last = event.source == UNKNOWN ? facts : new Facts(event.source, event.inWindow, "");
        facts = new Facts(last.source, last.inWindow, event.due);
        gridNamed |= event.namesGrid || facts.source == GRID;
      }
      for (int rule = 0; rule < RULES.length; rule++) {
        decide(rule, tick ? null : signal(rule), out);
      }
      out.sort(Comparator.comparingLong(Decision::at)); // stable: then by rule, then as decided
    }

    private void decide(int rule, Boolean signal, List<Decision> out) {
      if (alerts[rule] == null && signal != Boolean.TRUE) {
        return;
      }
      Alert alert = alerts[rule] == null ? new Alert() : alerts[rule];
      alert.elapse(rule, at, NONE, out);
      if (signal != null) {
        alert.observe(signal, at, facts);
        alert.elapse(rule, at, at, out);
      }
      alerts[rule] = alert.idle(at) ? null : alert;
    }

    /** Returns whether the condition of {@code rule} holds; null if it is as it was. */
    private Boolean signal(int rule) {
      byte source = facts.source;
      if (rule == 0 && facts.due.indexOf(GENERATOR) < 0) {
        return false;
      } else if (source == UNKNOWN || (rule == 2 && !gridNamed)) {
        return null;
      }
      return switch (rule) {
        case 0 -> source == INVERTER || source == NOTHING;
        case 1 -> source == GENERATOR && facts.inWindow == 0;
        case 2 -> source != GRID;
        default -> source == NOTHING;
      };
    }

    byte[] written() {
      ByteBuffer out = BUFFER.get().clear();
      out.putLong(seq).putLong(at).putLong(missing).putLong(duplicates).putLong(late);
      out.put((byte) (gridNamed ? 1 : 0)).put((byte) names.size());
      for (String name : names) {
        Facts.write(out, name);
      }
      facts.write(out);
      for (Alert alert : alerts) {
        out.put((byte) (alert == null ? 0 : 1));
        if (alert != null) {
          alert.write(out);
        }
      }
      return Arrays.copyOf(out.array(), out.position());
    }

    static State read(byte[] stored) {
      ByteBuffer in = ByteBuffer.wrap(stored);
      State state = new State();
      state.seq = in.getLong();
      state.at = in.getLong();
      state.missing = in.getLong();
      state.duplicates = in.getLong();
      state.late = in.getLong();
      state.gridNamed = in.get() == 1;
      state.names.clear();
      for (int left = in.get(); left > 0; left--) {
        state.names.add(Facts.readText(in));
      }
      state.facts = Facts.read(in);
      for (int rule = 0; rule < state.alerts.length; rule++) {
        state.alerts[rule] = in.get() == 0 ? null : Alert.read(in);
      }
      return state;
    }
  }
}
