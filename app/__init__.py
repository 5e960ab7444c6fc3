"""The programs: settings, the stream room, the broker, the directory, the pages, the commands."""
