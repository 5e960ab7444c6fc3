import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;

/** What was decided, and the bytes that say so. */
record Decision(
    String device,
    Rule rule,
    String kind,
    long at,
    long episode,
    int suppressed,
    int ordinal,
    String[] due,
    Boolean inWindow,
    String source) {
  private static final DateTimeFormatter SECONDS =
      DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss").withZone(ZoneOffset.UTC);

  byte[] encoded() {
    StringBuilder text = new StringBuilder(400);
    text.append("{\"type\":\"decision\",\"v\":1,\"core\":1,\"id\":\"");
    text.append(KafkaStreamsPeer.id(device, rule.ruleName, episode, kind, ordinal));
    text.append("\",\"device\":\"").append(device);
    text.append("\",\"rule\":\"").append(rule.ruleName);
    text.append("\",\"kind\":\"").append(kind);
    text.append("\",\"at\":\"").append(written(at));
    text.append("\",\"episode\":\"").append(written(episode));
    text.append("\",\"suppressed\":").append(suppressed);
    text.append(",\"severity\":\"").append(rule.severity);
    text.append("\",\"stream\":\"transitions\",\"cause\":{\"due\":[");
    for (int place = 0; place < due.length; place++) {
      text.append(place == 0 ? "\"" : ",\"").append(due[place]).append('"');
    }
    text.append("],\"in_window\":").append(inWindow);
    text.append(",\"source\":");
    text.append(source == null ? "null" : "\"" + source + "\"").append("}}");
    return text.toString().getBytes(StandardCharsets.UTF_8);
  }

  private static String written(long micros) {
    String text = SECONDS.format(Instant.ofEpochSecond(Math.floorDiv(micros, 1_000_000)));
    long rest = Math.floorMod(micros, 1_000_000);
    return rest == 0 ? text + "Z" : text + String.format(".%06dZ", rest);
  }
}
