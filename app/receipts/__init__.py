"""What comes back: receipts of providers, mails that bounced, people who want no more."""
