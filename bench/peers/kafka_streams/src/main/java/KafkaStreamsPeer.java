import com.fasterxml.jackson.core.*;
import java.io.IOException;
import java.time.*;
import java.time.temporal.ChronoUnit;
import java.util.*;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.errors.LogAndContinueExceptionHandler;
import org.apache.kafka.streams.processor.api.*;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.*;

/**
 * A worker's job on {@code transitions} under the default rules, as a Kafka Streams program:
 * Processor API, one in-memory store with its changelog, one put per event, at least once.
 *
 * <p>It knows transitions, contexts and ticks and leaves out all else; its rules are {@link Core}.
 * KAFKA_BOOTSTRAP_SERVERS names the cluster, -Dstate.dir a folder, -Dlinger.ms the producer's linger.
 */
public final class KafkaStreamsPeer {
  public static void main(String[] arguments) throws Exception {
    Properties properties = new Properties();
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, "kafka-streams-peer");
    properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, System.getenv("KAFKA_BOOTSTRAP_SERVERS"));
    properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1_000);
    properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE);
    properties.put(StreamsConfig.STATE_DIR_CONFIG, System.getProperty("state.dir"));
    properties.put("producer.compression.type", "zstd"); // as the worker's
    properties.put("producer.linger.ms", System.getProperty("linger.ms", "100")); // as Streams has it
    properties.put("auto.offset.reset", "earliest");
    properties.put("deserialization.exception.handler", LogAndContinueExceptionHandler.class);

    KafkaStreams streams = new KafkaStreams(topology(), properties);
    Thread main = Thread.currentThread();
    streams.setStateListener(
        (now, before) -> {
          if (now == KafkaStreams.State.RUNNING) {
            System.out.println("[^Worker]: Ready"); // what the bench waits for
          } else if (now == KafkaStreams.State.ERROR) {
            main.interrupt();
          }
        });
    Thread closing = new Thread(() -> streams.close(Duration.ofSeconds(20)));
    Runtime.getRuntime().addShutdownHook(closing); // at SIGTERM
    streams.start();
    Thread.sleep(Long.MAX_VALUE); // an interrupt ends the program with an error
  }

  static Topology topology() {
    Serde<byte[]> bytes = Serdes.ByteArray();
    Serde<Core.State> states =
        Serdes.serdeFrom((topic, state) -> state.written(), (topic, stored) -> Core.State.read(stored));
    return new Topology()
        .addSource("source", bytes.deserializer(), (Deserializer<Core.Event>) KafkaStreamsPeer::read, "transitions")
        .addProcessor("decide", Decide::new, "source")
        .addStateStore(
            Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore("states"), bytes, states), "decide")
        .addSink("sink", "notifications", bytes.serializer(), bytes.serializer(), "decide");
  }

  /** Decides on each event with the state of its device, and stores that. */
  static final class Decide extends ContextualProcessor<byte[], Core.Event, byte[], byte[]> {
    private final List<Core.Decision> decisions = new ArrayList<>();
    private KeyValueStore<byte[], Core.State> store;

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
      super.init(context);
      store = context.getStateStore("states");
    }

    @Override
    public void process(Record<byte[], Core.Event> record) {
      Core.Event event = record.value();
      if (!Core.TYPES.contains(event.type) || event.at < 0 || event.at >= Core.LATEST) {
        return;
      }
      Core.State state = Objects.requireNonNullElseGet(store.get(record.key()), Core.State::new);
      decisions.clear();
      state.take(event, decisions);
      store.put(record.key(), state);
      for (Core.Decision decision : decisions) {
        context().forward(new Record<>(record.key(), decision.encoded(event.device), record.timestamp()));
      }
    }
  }

  private static final JsonFactory JSON = new JsonFactory();

  /** Returns the event in {@code value}. */
  static Core.Event read(String topic, byte[] value) {
    Core.Event event = new Core.Event();
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
          case "source" ->
              event.source = token == JsonToken.VALUE_NULL ? Core.UNKNOWN : source(parser.getText());
          case "in_window" -> event.inWindow =
              (byte) (token == JsonToken.VALUE_NULL ? Core.UNKNOWN : token == JsonToken.VALUE_TRUE ? 1 : 0);
          case "due" -> {
            while (parser.nextToken() != JsonToken.END_ARRAY) { // a few at most
              event.due += (char) source(parser.getText());
            }
          }
          case "from", "to" -> event.namesGrid |= source(parser.getText()) == Core.GRID;
          default -> parser.skipChildren();
        }
      }
    } catch (IOException | RuntimeException error) {
      throw new SerializationException("no event", error);
    }
    return event;
  }

  private static byte source(String name) {
    return (byte) Objects.checkIndex(Core.SOURCES.indexOf(name), Core.SOURCES.size());
  }

  /** Returns the microseconds from 1970 to {@code text}, which nearly always is as msgspec writes. */
  static long instant(String text) {
    int end = text.length() - 1;
    if (end > 26 || text.charAt(end) != 'Z' || (end != 19 && text.charAt(19) != '.')) {
      return ChronoUnit.MICROS.between(Instant.EPOCH, OffsetDateTime.parse(text).toInstant());
    }
    long days = LocalDate.of(number(text, 0, 4), number(text, 5, 7), number(text, 8, 10)).toEpochDay();
    long minutes = (days * 24 + number(text, 11, 13)) * 60 + number(text, 14, 16);
    long micros = (minutes * 60 + number(text, 17, 19)) * Core.SECOND;
    for (int place = 20, scale = 100_000; place < end; place++, scale /= 10) {
      micros += (text.charAt(place) - '0') * scale;
    }
    return micros;
  }

  private static int number(String text, int first, int end) {
    return Integer.parseInt(text, first, end, 10);
  }
}
