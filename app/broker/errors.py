"""What can go wrong with a broker; each sentence names the remedy."""


class BrokerError(Exception):
    """The broker is not there, or not as it must be."""


class PortInUseError(BrokerError):
    """Something else listens on the port; nothing was started."""


class MissingProgramError(BrokerError):
    """Java or Maven is missing or too old; nothing was started."""


class FetchError(BrokerError):
    """Maven could not fetch the broker; it may be tried again."""


class DataDirectoryError(BrokerError):
    """The broker's data is half-written or in use; it was left as it is."""


class BrokerFailedError(BrokerError):
    """The broker ended or did not answer; the sentence holds its own last errors."""


class ClusterUnreachableError(BrokerError):
    """No broker answers at the address."""


class TopicMismatchError(BrokerError):
    """A topic exists and is not as it must be; it was left as it is."""
