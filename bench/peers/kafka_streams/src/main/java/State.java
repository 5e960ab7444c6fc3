import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** What is kept of a device: its place in its stream, its context, its alerts that are not idle. */
final class State {
  private static final int RUNS = 8;

  String epoch = "";
  long seq;
  List<String> runs = new ArrayList<>();
  long missing;
  long duplicates;
  long at = Alert.NONE;
  String source;
  Boolean inWindow;
  String[] due = {};
  boolean gridNamed;
  Alert[] alerts = new Alert[Rule.ALL.length];

  void take(Event event, List<byte[]> out) {
    boolean same = event.epoch.equals(epoch);
    if (same && event.seq <= seq && runs.contains(event.run)) {
      duplicates++;
      return;
    }
    missing += same ? event.seq - seq - 1 : event.seq - 1;
    epoch = event.epoch;
    seq = event.seq;
    if (!same || !runs.contains(event.run)) {
      if (!same) {
        runs.clear();
      }
      runs.add(event.run);
      if (runs.size() > RUNS) {
        runs.remove(0);
      }
    }
    fold(event, Math.max(at, event.at), out);
  }

  private void fold(Event event, long now, List<byte[]> out) {
    at = now;
    boolean tick = event.type.equals("tick");
    if (!tick) {
      observe(event);
    }
    List<Decision> decisions = null;
    for (Rule rule : Rule.ALL) {
      Alert alert = alerts[rule.ordinal()];
      Boolean signal = tick ? null : rule.signal(this);
      if (alert == null) {
        if (!Boolean.TRUE.equals(signal)) {
          continue;
        }
        alert = alerts[rule.ordinal()] = new Alert();
      }
      decisions = elapse(rule, alert, event.device, Alert.NONE, decisions);
      if (signal != null) {
        alert.observe(this, at, signal);
        decisions = elapse(rule, alert, event.device, at, decisions);
      }
      if (alert.idle(at)) {
        alerts[rule.ordinal()] = null;
      }
    }
    if (decisions != null) {
      decisions.sort(Comparator.comparingLong(Decision::at)); // stable: then by rule
      decisions.forEach(decision -> out.add(decision.encoded()));
    }
  }

  private List<Decision> elapse(
      Rule rule, Alert alert, String device, long floor, List<Decision> decisions) {
    long due;
    while ((due = alert.deadline(rule)) <= at) {
      decisions = decisions == null ? new ArrayList<>() : decisions;
      decisions.add(alert.act(rule, device, Math.max(due, floor)));
    }
    return decisions;
  }

  private void observe(Event event) {
    if (event.source != null) {
      source = event.source;
      inWindow = event.inWindow;
    }
    due = event.due;
    boolean transition = event.type.equals("transition");
    gridNamed |= "grid".equals(source);
    gridNamed |= transition && (event.from.equals("grid") || event.to.equals("grid"));
  }

  byte[] written() {
    var bytes = new ByteArrayOutputStream(96);
    try (var out = new DataOutputStream(bytes)) {
      out.writeUTF(epoch);
      out.writeLong(seq);
      out.writeByte(runs.size());
      for (String run : runs) {
        out.writeUTF(run);
      }
      out.writeLong(missing);
      out.writeLong(duplicates);
      out.writeLong(at);
      context(out, source, inWindow, due);
      out.writeBoolean(gridNamed);
      for (Alert alert : alerts) {
        out.writeBoolean(alert != null);
        if (alert != null) {
          write(out, alert);
        }
      }
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
    return bytes.toByteArray();
  }

  private static void write(DataOutputStream out, Alert alert) throws IOException {
    out.writeLong(alert.since);
    out.writeLong(alert.clearing);
    out.writeLong(alert.rearmAt);
    out.writeLong(alert.last);
    out.writeBoolean(alert.firing);
    out.writeBoolean(alert.told);
    out.writeInt(alert.suppressed);
    for (int count : alert.counts) {
      out.writeInt(count);
    }
    context(out, alert.source, alert.inWindow, alert.due);
  }

  private static void context(DataOutputStream out, String source, Boolean inWindow, String[] due)
      throws IOException {
    out.writeUTF(source == null ? "" : source);
    out.writeByte(inWindow == null ? 2 : inWindow ? 1 : 0);
    out.writeByte(due.length);
    for (String each : due) {
      out.writeUTF(each);
    }
  }

  static State read(byte[] stored) {
    State state = new State();
    try (var in = new DataInputStream(new ByteArrayInputStream(stored))) {
      state.epoch = in.readUTF();
      state.seq = in.readLong();
      for (int runs = in.readByte(); runs > 0; runs--) {
        state.runs.add(in.readUTF());
      }
      state.missing = in.readLong();
      state.duplicates = in.readLong();
      state.at = in.readLong();
      state.source = source(in);
      state.inWindow = flag(in);
      state.due = due(in);
      state.gridNamed = in.readBoolean();
      for (int place = 0; place < state.alerts.length; place++) {
        state.alerts[place] = in.readBoolean() ? alert(in) : null;
      }
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
    return state;
  }

  private static Alert alert(DataInputStream in) throws IOException {
    Alert alert = new Alert();
    alert.since = in.readLong();
    alert.clearing = in.readLong();
    alert.rearmAt = in.readLong();
    alert.last = in.readLong();
    alert.firing = in.readBoolean();
    alert.told = in.readBoolean();
    alert.suppressed = in.readInt();
    for (int place = 0; place < alert.counts.length; place++) {
      alert.counts[place] = in.readInt();
    }
    alert.source = source(in);
    alert.inWindow = flag(in);
    alert.due = due(in);
    return alert;
  }

  private static String source(DataInputStream in) throws IOException {
    String source = in.readUTF();
    return source.isEmpty() ? null : source;
  }

  private static Boolean flag(DataInputStream in) throws IOException {
    byte flag = in.readByte();
    return flag == 2 ? null : Boolean.valueOf(flag == 1);
  }

  private static String[] due(DataInputStream in) throws IOException {
    String[] due = new String[in.readByte()];
    for (int place = 0; place < due.length; place++) {
      due[place] = in.readUTF();
    }
    return due;
  }
}
