import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The job of a worker on {@code transitions} under the default rules, as a Kafka Streams program:
 * Processor API, one in-memory store with its changelog, at least once.
 *
 * <p>It knows transitions, contexts and ticks, copies and gaps; no clock records, no rolled-back
 * spools, no rules that change, and it validates nothing. KAFKA_BOOTSTRAP_SERVERS names the cluster.
 */
public final class KafkaStreamsPeer {
  static final String SOURCE = "transitions";
  static final String SINK = "notifications";
  static final String STORE = "states";
  static final String READY = "[^Worker]: Ready"; // what the bench waits for

  public static void main(String[] arguments) throws Exception {
    Properties properties = new Properties();
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, "kafka-streams-peer");
    properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, System.getenv("KAFKA_BOOTSTRAP_SERVERS"));
    properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1_000);
    properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    properties.put(StreamsConfig.STATE_DIR_CONFIG, System.getProperty("state.dir"));
    properties.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "zstd");
    String linger = System.getProperty("linger.ms"); // by default Streams waits for 100 ms
    if (linger != null) {
      properties.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), linger);
    }
    properties.put("auto.offset.reset", "earliest");

    KafkaStreams streams = new KafkaStreams(topology(), properties);
    CountDownLatch stopped = new CountDownLatch(1);
    streams.setStateListener(
        (now, before) -> {
          if (now == KafkaStreams.State.RUNNING) {
            System.out.println(READY);
          }
        });
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  streams.close(java.time.Duration.ofSeconds(10));
                  stopped.countDown();
                }));
    streams.start();
    stopped.await();
  }

  static Topology topology() {
    var bytes = Serdes.ByteArray();
    Topology topology = new Topology();
    topology.addSource("source", bytes.deserializer(), bytes.deserializer(), SOURCE);
    topology.addProcessor("decide", Decide::new, "source");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(
            Stores.inMemoryKeyValueStore(STORE), Serdes.Bytes(), bytes),
        "decide");
    topology.addSink("sink", SINK, bytes.serializer(), bytes.serializer(), "decide");
    return topology;
  }

  /** Decides on each event with the state of its device, and stores that. */
  static final class Decide implements Processor<byte[], byte[], byte[], byte[]> {
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<Bytes, byte[]> store;
    private final List<byte[]> decisions = new ArrayList<>();

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
      this.context = context;
      this.store = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      Event event = Event.parsed(record.value());
      var key = Bytes.wrap(record.key());
      byte[] stored = store.get(key);
      State state = stored == null ? new State() : State.read(stored);
      decisions.clear();
      state.take(event, decisions);
      store.put(key, state.written());
      for (byte[] decision : decisions) {
        context.forward(new Record<>(record.key(), decision, record.timestamp()));
      }
    }
  }

  /** The first 16 bytes of SHA-256 over the parts of a decision's name, in hex. */
  static String id(String device, String rule, long episode, String kind, int ordinal) {
    try {
      String parts = String.join("\u001f", device, rule, Long.toString(episode), kind, "" + ordinal);
      byte[] hash = MessageDigest.getInstance("SHA-256").digest(parts.getBytes(StandardCharsets.UTF_8));
      return HexFormat.of().formatHex(hash, 0, 16);
    } catch (java.security.NoSuchAlgorithmException error) {
      throw new IllegalStateException(error);
    }
  }
}
