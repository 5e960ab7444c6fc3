import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.LocalDate;

/** A transition, a context or a tick. Instants are microseconds since 1970; due is as written. */
final class Event {
  private static final JsonFactory JSON = new JsonFactory();

  String type;
  String device;
  String epoch;
  String run;
  long seq;
  long at;
  String source;
  Boolean inWindow;
  String[] due = {};
  String from;
  String to;

  static Event parsed(byte[] value) {
    Event event = new Event();
    try (JsonParser parser = JSON.createParser(value)) {
      parser.nextToken();
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String field = parser.currentName();
        JsonToken token = parser.nextToken();
        switch (field) {
          case "type" -> event.type = parser.getText();
          case "device" -> event.device = parser.getText();
          case "epoch" -> event.epoch = parser.getText();
          case "run" -> event.run = parser.getText();
          case "seq" -> event.seq = parser.getLongValue();
          case "ts" -> event.at = instant(parser.getText());
          case "source" -> event.source = token == JsonToken.VALUE_NULL ? null : parser.getText();
          case "in_window" ->
              event.inWindow = token == JsonToken.VALUE_NULL ? null : parser.getBooleanValue();
          case "from" -> event.from = parser.getText();
          case "to" -> event.to = parser.getText();
          case "due" -> {
            var due = new java.util.ArrayList<String>();
            while (parser.nextToken() != JsonToken.END_ARRAY) {
              due.add(parser.getText());
            }
            event.due = due.toArray(new String[0]);
          }
          default -> parser.skipChildren();
        }
      }
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
    return event;
  }

  /** Returns the instant in {@code text}, which is as msgspec writes UTC. */
  static long instant(String text) {
    long days =
        LocalDate.of(number(text, 0, 4), number(text, 5, 7), number(text, 8, 10)).toEpochDay();
    long seconds =
        ((days * 24 + number(text, 11, 13)) * 60 + number(text, 14, 16)) * 60 + number(text, 17, 19);
    long micros = 0;
    if (text.charAt(19) == '.') {
      int digits = text.length() - 21;
      micros = number(text, 20, 20 + digits);
      for (int missing = digits; missing < 6; missing++) {
        micros *= 10;
      }
    }
    return seconds * 1_000_000 + micros;
  }

  private static int number(String text, int first, int end) {
    int number = 0;
    for (int place = first; place < end; place++) {
      number = number * 10 + text.charAt(place) - '0';
    }
    return number;
  }
}
