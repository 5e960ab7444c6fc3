"""Pure machines that decide; beside them, in ``states``, the Faust tables that keep their state."""
