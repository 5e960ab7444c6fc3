"""The stream room: Faust at full speed, with nothing lost and nothing applied twice.

The contract, for agents and tables:

* ``apps``: the Faust apps, one consumer group each. ``batches.each_batch`` hands an agent whole
  fetched batches of one partition; a batch is acknowledged only when its handler has returned.
* A handler takes three steps, each awaited: ``producer.send_all`` what it decided; then
  ``Table.store`` the states, on the changelog first and in memory after; then it returns.
* A crash between the steps repeats decisions with the same ids and bytes; nothing is lost, because
  offsets are committed after the changelog is written, and the changelog after the decisions.
* Batches of a partition follow one another: one that leaves records out ends the process.
* A send that fails ends the process: the supervisor starts it again where it was. So do a loop that
  stood still (``watch.pulse``: checked before each send) and a partition that does.

Everything private of Faust or aiokafka that the project touches is touched in this room.
"""
