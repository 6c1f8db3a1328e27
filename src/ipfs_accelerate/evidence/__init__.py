"""What measurements mean: rankings, figures, reports. Reads the ledger, measures nothing."""
